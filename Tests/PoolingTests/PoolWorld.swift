import FixedStorage
import TestSupport

@testable import Pooling

/// A pool of one thread, and beside it the same in plain arrays, which says what is possible.
struct PoolShard: ~Copyable {
    static let clientCount: ClientIndex = 12
    static let serverCount: ServerIndex = 16

    var pool = Pool(mode: .transaction)
    var clients = ClientLinks(capacity: Int(clientCount.number), reserve: reserve)
    var servers = ServerLinks(capacity: Int(serverCount.number), reserve: reserve)

    private(set) var idle: [ServerIndex] = []
    private(set) var waiting: [ClientIndex] = []
    /// Server to its client; nil for one in our own use.
    private(set) var leased: [ServerIndex: ClientIndex?] = [:]
    private(set) var opening = 0
    private(set) var releasesKept = 0
    private(set) var problem: String?

    private mutating func expect(_ holds: Bool, _ what: String) {
        if !holds && problem == nil { problem = what }
    }

    var total: Int { idle.count + leased.count + opening }
    var freeServers: [ServerIndex] {
        (0..<Self.serverCount).filter { !idle.contains($0) && leased[$0] == nil }
    }

    /// Clients that neither wait nor have a server.
    var quietClients: [ClientIndex] {
        let served = leased.values.compactMap(\.self)
        return (0..<Self.clientCount).filter { !waiting.contains($0) && !served.contains($0) }
    }

    mutating func request(_ client: ClientIndex, inSteps: Bool) {
        let expected = waiting.isEmpty ? idle.first ?? .absent : .absent
        var server = ServerIndex.absent
        if inSteps && pool.next != .absent {
            server = pool.next
            pool.leaseNext(&servers)
        } else {
            server = pool.lease(client, &clients, &servers)
        }
        expect(server == expected, "client \(client) got server \(server), not \(expected)")
        if expected == .absent {
            waiting.append(client)
        } else {
            idle.removeFirst()
            leased[expected] = client
        }
    }

    /// - Returns: whether the server left for another thread.
    mutating func release(_ server: ServerIndex, foreign: Int) -> Bool {
        leased[server] = nil
        switch pool.release(server, foreign: Int32(foreign), &clients, &servers) {
        case .toClient(let client):
            expect(client == waiting.first, "client \(client) was served before \(waiting)")
            expect(!leased.values.contains(client), "client \(client) was served twice")
            waiting.removeAll { $0 == client }
            leased[server] = client
            releasesKept = foreign > 0 ? releasesKept + 1 : 0
            expect(releasesKept < 4, "other threads starve")
        case .idle:
            expect(waiting.isEmpty && foreign == 0, "server \(server) idles while clients wait")
            idle.insert(server, at: 0)
        case .toOtherThread:
            expect(foreign > 0, "server \(server) went to a thread where nobody waits")
            releasesKept = 0
            return true
        }
        return false
    }

    mutating func beginOpening() {
        pool.opening += 1
        opening += 1
    }

    mutating func opened(_ server: ServerIndex) {
        pool.opened()
        opening -= 1
        leased[server] = .some(nil)
    }

    mutating func openingFailed() {
        pool.opening -= 1
        opening -= 1
    }

    mutating func adopt(_ server: ServerIndex) {
        pool.adopted()
        leased[server] = .some(nil)
    }

    mutating func takeIdle(_ server: ServerIndex) {
        pool.takeIdle(server, &servers)
        idle.removeAll { $0 == server }
        leased[server] = .some(nil)
    }

    mutating func close(_ server: ServerIndex) {
        pool.leased -= 1
        leased[server] = nil
    }

    mutating func abandon(_ client: ClientIndex) {
        pool.abandon(client, &clients)
        waiting.removeAll { $0 == client }
    }

    /// Compares pool and arrays.
    mutating func check() {
        expect(Self.contents(pool.idle, servers) == idle, "the idle servers are others")
        expect(Self.contents(pool.waiting, clients) == waiting, "the waiting clients are others")
        expect(pool.leased == leased.count, "leased servers are miscounted")
        expect(pool.opening == opening, "opening servers are miscounted")
        expect(pool.servers == total, "servers are miscounted")
        expect(pool.isShort == (waiting.count > opening), "isShort is wrong")
        expect(pool.next == (waiting.isEmpty ? idle.first ?? .absent : .absent), "next is wrong")
        expect(waiting.isEmpty || idle.isEmpty, "somebody waits while a server idles")
        let served = leased.values.compactMap(\.self)
        expect(Set(served).count == served.count, "a client has two servers")
        expect(Set(served).isDisjoint(with: waiting), "a client waits and is served")
        expect(Set(idle).isDisjoint(with: leased.keys), "a server is idle and leased")
    }

    private static func contents<Kind>(_ list: IndexList<Kind>, _ links: borrowing Links<Kind>) -> [Index<
        Kind
    >] {
        var found: [Index<Kind>] = []
        var index = list.first
        while index != .absent && found.count <= list.count {
            found.append(index)
            index = links[index].next
        }
        return found.count == list.count && found.last ?? .absent == list.last ? found : [.absent]
    }
}
