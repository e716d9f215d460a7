import CWorker
import FixedStorage
import Pooling
import Wire

/// What an engine thread knows of clients that listen, and of what hubs have for them.
struct Listening: ~Copyable {
    /// Bytes of notifications that may wait for a client that is in a transaction, or slow.
    static let mostOfClient = 64 << 20

    /// A server's agent wants its client to hear all that the hub had at a request before
    /// anything more of its own.
    private struct Request {
        let hub: HubID
        let number: UInt32
    }

    /// Clients whose notifications a hub reads.
    private var clients: [ClientIndex: HubID] = [:]
    /// Frames that a client can't be sent yet.
    private var waiting = WaitingFrames()
    /// By linked server.
    private var requests: [ServerIndex: Request] = [:]
    /// By slot: the last request the hub has answered.
    private var answered: [UInt32: UInt32] = [:]
    /// Pools whose clients keep servers for want of a hub.
    private var wanting: Set<PoolIndex> = []
}

/// Clients that listen.
extension Listening {
    /// A client listens by a hub from now on, or no more. Returns false if the hub has gone: the client
    /// would miss notifications without knowing.
    mutating func note(_ c: ClientIndex, _ hub: HubID, listens: Bool, _ directory: Directory) -> Bool {
        guard directory.hub(database: hub.database) == hub else { return false }
        guard listens else {
            forgetHub(of: c, directory)
            return true
        }
        if clients.updateValue(hub, forKey: c) == nil {
            directory.countListener(database: hub.database, 1)
        }
        return true
    }

    /// A client ends.
    mutating func forget(_ c: ClientIndex, _ directory: Directory) {
        waiting.forget(c)
        forgetHub(of: c, directory)
    }

    private mutating func forgetHub(of c: ClientIndex, _ directory: Directory) {
        guard let hub = clients.removeValue(forKey: c) else { return }
        directory.countListener(database: hub.database, -1)
    }
}

/// Frames that wait for clients.
extension Listening {
    /// Bytes that may wait for all clients of a thread.
    static func most(_ tuning: CworkerTuning, threads: Int) -> Int {
        Int(tuning.max_notification_memory) << 20 / max(threads, 1)
    }

    /// Something waits for a hub, or for a client.
    var needsLook: Bool { !wanting.isEmpty || !waiting.isEmpty }
    var waitingBytes: Int { waiting.bytes }
    /// Clients for whom frames wait, in no order.
    var waitingClients: [ClientIndex] { waiting.clients }

    func isWaiting(_ c: ClientIndex) -> Bool { waiting.isWaiting(c) }

    /// Returns whether more waits for a client than may.
    func isOverfull(_ c: ClientIndex) -> Bool { waiting.bytes(of: c) > Self.mostOfClient }

    /// A frame waits until its client may be sent it.
    mutating func add(_ frame: [UInt8], for c: ClientIndex) { waiting.append(frame, for: c) }

    /// Takes off the next frame that a client is to be sent now. Returns nil if there is none.
    /// - Parameter isDue: nothing of its server's is under way to it.
    mutating func next(for c: ClientIndex, isDue: Bool, _ ends: borrowing Ends) -> [UInt8]? {
        guard waiting.isWaiting(c), isDue || Self.mayHear(c, ends) else { return nil }
        guard ends.clients[c].stream.output.isEmpty, !ends.clients[c].isUnreachable else { return nil }
        return waiting.takeFirst(of: c)
    }

    /// Drops the frames of the client for whom most waits, if too much waits for all together.
    /// - Returns: this client, which has to go, and its bytes; nil: there is room.
    mutating func dropLargest(beyond most: Int) -> (client: ClientIndex, held: Int)? {
        guard waiting.bytes > most, let c = waiting.largest else { return nil }
        let held = waiting.bytes(of: c)
        waiting.forget(c)
        return (c, held)
    }

    /// Whether a client is outside a transaction, and outside a frame.
    private static func mayHear(_ c: ClientIndex, _ ends: borrowing Ends) -> Bool {
        switch ends.clients[c].state {
        case .idle, .waiting: return ends.clients[c].stream.output.isEmpty
        case .active:
            let s = ends.clients[c].server
            return ends.servers[s].state == .active && ends.servers[s].traffic.isAnswered
                && ends.servers[s].traffic.status == TransactionStatus.idle && ends.servers[s].bodyLeft == 0
                && !ends.servers[s].stream.input.hasMemory && ends.clients[c].stream.output.isEmpty
        case .login, .welcome, .discarding, .cancelling, .closing, .gone: return false
        }
    }
}

/// Servers whose agents wait for what the hub had at a request.
extension Listening {
    /// Returns whether all has come that there was at a request of a server's agent; else the server
    /// waits for that.
    mutating func hasCome(_ number: UInt32, of hub: HubID, for s: ServerIndex) -> Bool {
        let request = Request(hub: hub, number: number)
        let isAnswered = isAnswered(request)
        requests[s] = isAnswered ? nil : request
        return isAnswered
    }

    /// A server ends.
    mutating func forget(_ s: ServerIndex) { requests[s] = nil }

    /// A hub has sent all that there was at a request.
    /// - Returns: servers that have waited for that, and wait no more.
    mutating func hubHasRead(_ slot: UInt32, _ number: UInt32) -> [ServerIndex] {
        answered[slot] = number
        let done = requests.filter { $0.value.hub.slot == slot && isAnswered($0.value) }.map(\.key)
        for s in done { requests[s] = nil }
        return done
    }

    private func isAnswered(_ request: Request) -> Bool {
        guard let last = answered[request.hub.slot] else { return false }
        return Int32(bitPattern: last &- request.number) >= 0
    }
}

/// Hubs come and go.
extension Listening {
    /// Pools whose clients keep servers for want of a hub.
    var wantingPools: Set<PoolIndex> { wanting }

    /// A client of the pool keeps its server for want of a hub.
    mutating func wantsHub(_ p: PoolIndex) { wanting.insert(p) }

    /// A pool wants a hub no more.
    mutating func hasNoNeed(_ p: PoolIndex) { wanting.remove(p) }

    mutating func hubIsReady(_ hub: HubID, _ pools: borrowing ThreadPools) {
        if answered[hub.slot] == nil { answered[hub.slot] = 0 }
        for p in wanting where pools.record(p)?.databaseID == hub.database { wanting.remove(p) }
    }

    /// A hub is gone, and with it what waited for it.
    /// - Returns: clients that would miss notifications without knowing. One that has said UNLISTEN may
    ///   wait for its last ones.
    mutating func hubIsGone(_ hub: HubID, _ ends: borrowing Ends) -> Set<ClientIndex> {
        answered[hub.slot] = nil
        var deprived = Set(clients.filter { $0.value == hub }.keys)
        for s in requests.filter({ $0.value.hub == hub }).keys {
            requests[s] = nil
            if ends.servers[s].client != .absent { deprived.insert(ends.servers[s].client) }
        }
        return deprived
    }
}
