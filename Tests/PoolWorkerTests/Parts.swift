import CSys
import CTestHost
import CWorker
import FixedStorage
import Pooling
import TestSupport
import Wire

@testable import Engine
@testable import PoolWorker

/// What tests of single parts of the worker are made of: no thread turns here, a test calls the part.

/// A connection: the part's end, and the other one, which the test uses by hand.
final class Pair {
    /// The part that takes it closes it; until then it is the pair's.
    var stream: Stream
    var peer: Socket
    private var isGiven = false

    init() {
        var ends: [Int32] = [-1, -1]
        precondition(ctest_pair(&ends) == 0, "no socket pair")
        stream = Stream(descriptor: ends[0])
        peer = Socket(ends[1])
    }

    deinit {
        peer.close()
        stream.input.giveBack()
        if !isGiven { stream.close() }
    }

    /// The part closes the stream from now on.
    func give() -> Stream {
        isGiven = true
        return stream
    }

    /// The peer sends bytes, and an event has told of it.
    func say(_ bytes: [UInt8]) {
        precondition(peer.send(bytes) == bytes.count, "the socket is full")
        stream.signs.readable = true
    }
}

/// A poller that gives its descriptor back.
final class TestPoller {
    var poller = Poller()!

    deinit { csys_close(poller.epoll) }

    /// The events that are there now.
    func events() -> [PollEvent] { (0..<max(0, poller.wait(0))).map { poller.event($0) } }
}

/// Memory for tables, zeroed, of which only what is used takes room.
func reserved(_ size: Int) -> UnsafeMutableRawPointer { csys_reserve(size) }

/// The pools of a worker, known by numbers of databases and users.
final class Pools {
    let host: MemoryHost
    let directory: Directory

    init(threads: Int = 1, keepsOIDs: Bool = false) {
        host = MemoryHost(address: "none", keepsOIDs: keepsOIDs)
        directory = Directory(threads: threads, host: Host(host.pointer))
    }

    /// A client enters.
    func enter(
        _ database: UInt32, _ user: UInt32, _ settings: CarpoolPoolSettings = settings(),
        shared: Bool = false,
        facts: UInt64 = 0
    ) -> PoolRecord {
        directory.enter(
            databaseID: database, userID: user, shared: shared, facts: facts, user: "user \(user)",
            database: "database \(database)", settings: settings, keys: nil, password: nil)!
    }

    /// One more server is counted; what is in the way if it is not.
    func open(_ record: PoolRecord, now: UInt64 = 0, thread: Int = 0) -> ServerDemand.Obstacle? {
        directory.open(record, thread: thread, now: now, longest: 15_000_000_000)
    }

    /// The pools of one of the threads.
    func part(thread: Int = 0, threads: Int = 1) -> ThreadPools {
        ThreadPools(
            thread: thread, threads: threads, counters: directory.waiting, entries: 64, reserve: reserved)
    }
}

/// Settings of a pool without limits, but for these.
func settings(
    mode: PoolMode = .transaction, size: Int32 = 0, least: Int32 = 0, database: Int32 = 0, user: Int32 = 0
) -> CarpoolPoolSettings {
    CarpoolPoolSettings(
        pool_mode: mode.rawValue, pool_size: size, min_pool_size: least, max_db_connections: database,
        max_user_connections: user, server_lifetime: 0, client_idle_timeout: 0, idle_transaction_timeout: 0)
}

/// The two ends of links, with a ledger of their own.
func makeEnds(_ pools: Pools, threads: Int = 1) -> Ends {
    let ledger = Ledger(Host(pools.host.pointer), most: 64)
    return Ends(pools: pools.part(threads: threads), ledger: ledger.clients, entries: 64, reserve: reserved)
}

/// Clients and servers without a socket.
func makeClient(_ stream: Stream = Stream(descriptor: -1), now: UInt64 = 0) -> Client {
    Client(stream: stream, secret: 77, now: now)
}

func makeServer(pool: PoolIndex = 0, now: UInt64 = 0) -> Server {
    Server(pool: pool, ledger: .ofNobody(), now: now)
}

/// One that has logged in and has no client.
func makeFreeServer(pool: PoolIndex = 0, now: UInt64 = 0) -> Server {
    var server = makeServer(pool: pool)
    server.routed(facts: 1)
    server.connects(Stream(descriptor: -1), 0)
    server.logsIn()
    server.confirms()
    server.hasKey(pid: 4711, key: 99)
    server.isOpened(now)
    server.isFree()
    return server
}

/// One with this client.
func makeLinkedServer(_ c: ClientIndex = 1, pool: PoolIndex = 0, now: UInt64 = 0) -> Server {
    var server = makeFreeServer(pool: pool)
    server.linked(to: c, LedgerClient(reference: 1 << 32 | 5), now)
    return server
}

/// One that runs a statement of this client.
func makeBusyServer(_ c: ClientIndex = 1) -> Server {
    var server = makeLinkedServer(c)
    _ = server.traffic.frontend(FrontendTag.query)
    return server
}
