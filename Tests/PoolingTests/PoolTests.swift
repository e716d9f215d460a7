import FixedStorage
import TestSupport
import Testing

@testable import Pooling

@Suite struct PoolTests {
    /// A pool with these idle servers, the first to be leased first.
    struct Bench: ~Copyable {
        var pool = Pool(mode: .transaction)
        var clients = ClientLinks(capacity: 8, reserve: reserve)
        var servers = ServerLinks(capacity: 8, reserve: reserve)

        init(idle: [ServerIndex]) {
            for server in idle.reversed() { pool.idle.pushFirst(server, &servers) }
        }

        mutating func lease(_ client: ClientIndex) -> ServerIndex { pool.lease(client, &clients, &servers) }

        mutating func release(_ server: ServerIndex, foreign: Int32 = 0) -> String {
            "\(pool.release(server, foreign: foreign, &clients, &servers))"
        }
    }

    @Test func `a client gets an idle server at once, the most recently used first`() {
        var bench = Bench(idle: [3, 5])
        let leased = [bench.lease(0), bench.lease(1), bench.lease(2)]
        let pool = bench.pool
        #expect(leased == [3, 5, .absent])
        #expect(pool.leased == 2)
        #expect(pool.waiting.count == 1)
        #expect(pool.servers == 2)
    }

    @Test func `a released server goes to who waits longest`() {
        var bench = Bench(idle: [3])
        let leased = (0..<4).map { bench.lease($0) }
        #expect(leased == [3, .absent, .absent, .absent])
        let given = (0..<4).map { _ in bench.release(3) }
        #expect(given == ["toClient(1)", "toClient(2)", "toClient(3)", "idle"])
        let pool = bench.pool
        #expect(pool.leased == 0)
        #expect(pool.idle.count == 1)
    }

    @Test func `nobody overtakes a client that waits`() {
        var bench = Bench(idle: [])
        let first = bench.lease(0)
        bench.pool.idle.pushFirst(4, &bench.servers)
        let second = bench.lease(1)
        let next = bench.pool.next
        #expect([first, second, next] == [.absent, .absent, .absent])
    }

    @Test func `the next idle server can be leased in two steps`() {
        var bench = Bench(idle: [3, 5])
        let next = bench.pool.next
        bench.pool.leaseNext(&bench.servers)
        var pool = bench.pool
        #expect(next == 3)
        #expect(pool.leased == 1)
        #expect(pool.next == 5)
        bench.pool.becameIdle(3, &bench.servers)
        pool = bench.pool
        #expect(pool.leased == 0)
        #expect(pool.next == 3)
        #expect(pool.idle.count == 2)
    }

    @Test func `servers that become idle last go round`() {
        var bench = Bench(idle: [3, 5])
        let first = bench.lease(0)
        bench.pool.becameIdleLast(first, &bench.servers)
        let second = bench.lease(0)
        bench.pool.becameIdleLast(second, &bench.servers)
        let third = bench.lease(0)
        #expect([first, second, third] == [3, 5, 3])
        let pool = bench.pool
        #expect(pool.leased == 1)
        #expect(pool.servers == 2)
    }

    @Test func `a client that gives up is not served`() {
        var bench = Bench(idle: [3])
        for client: ClientIndex in 0..<4 { _ = bench.lease(client) }
        bench.pool.abandon(2, &bench.clients)
        let given = (0..<3).map { _ in bench.release(3) }
        #expect(given == ["toClient(1)", "toClient(3)", "idle"])
    }

    @Test func `a server nobody wants here goes to a thread where clients wait`() {
        var bench = Bench(idle: [3])
        _ = bench.lease(0)
        let given = bench.release(3, foreign: 1)
        let pool = bench.pool
        #expect(given == "toOtherThread")
        #expect(pool.servers == 0)
    }

    @Test func `every fourth release serves other threads before its own clients`() {
        var bench = Bench(idle: [0, 1, 2, 3, 4, 5, 6, 7])
        for client: ClientIndex in 0..<8 { _ = bench.lease(client) }
        for client: ClientIndex in 0..<8 { _ = bench.lease(client) }
        let given = (0..<8).map { bench.release($0, foreign: 5) }
        #expect(
            given == [
                "toClient(0)", "toClient(1)", "toClient(2)", "toOtherThread", "toClient(3)", "toClient(4)",
                "toClient(5)", "toOtherThread",
            ])
        let pool = bench.pool
        #expect(pool.leased == 6)
    }

    @Test func `a server that opens is counted from its first moment`() {
        var bench = Bench(idle: [])
        _ = bench.lease(0)
        #expect(bench.pool.isShort == true)
        bench.pool.opening += 1
        var pool = bench.pool
        #expect(!pool.isShort)
        #expect(pool.servers == 1)
        bench.pool.opened()
        pool = bench.pool
        #expect(pool.servers == 1)
        #expect(pool.leased == 1)
        let given = bench.release(6)
        #expect(given == "toClient(0)")
    }

    @Test func `an idle server can be taken for the worker's own use`() {
        var bench = Bench(idle: [3, 5, 6])
        bench.pool.takeIdle(5, &bench.servers)
        let leased = [bench.lease(0), bench.lease(1), bench.lease(2)]
        #expect(leased == [3, 6, .absent])
        let given = bench.release(5)
        #expect(given == "toClient(2)")
        let pool = bench.pool
        #expect(pool.servers == 3)
    }

    @Test func `a server from another thread counts as leased`() {
        var bench = Bench(idle: [])
        bench.pool.adopted()
        let given = bench.release(2)
        #expect(given == "idle")
        let pool = bench.pool
        #expect(pool.servers == 1)
        #expect(pool.leased == 0)
    }
}

@Suite struct PoolLimitsTests {
    @Test func `a limit of nought is none`() {
        let limits = PoolLimits(pool: 0, database: 0, user: 0)
        #expect(limits.reached(poolServers: 9_999, databaseServers: 9_999, userServers: 9_999) == [])
    }

    @Test func `each limit counts the servers there are`() {
        let limits = PoolLimits(pool: 2, database: 3, user: 4)
        #expect(limits.reached(poolServers: 1, databaseServers: 2, userServers: 3) == [])
        #expect(limits.reached(poolServers: 2, databaseServers: 2, userServers: 3) == .pool)
        #expect(limits.reached(poolServers: 1, databaseServers: 3, userServers: 3) == .database)
        #expect(limits.reached(poolServers: 1, databaseServers: 2, userServers: 4) == .user)
        #expect(
            limits.reached(poolServers: 7, databaseServers: 7, userServers: 7) == [.pool, .database, .user])
    }
}
