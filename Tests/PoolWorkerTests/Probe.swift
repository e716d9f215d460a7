import CSys
import CTestHost
import CWorker
import FixedStorage
import Pooling

@testable import Engine
@testable import PoolWorker

/// The one place where tests of the whole worker know what is inside it. A test sees counts by name;
/// everything else it does through sockets and messages.
final class Probe {
    private var thread: EngineThread
    private(set) var isRunning = true

    init(number: Int, shared: Shared, listeners: [Listener]) {
        thread = EngineThread(number: number, shared: shared, listeners: listeners)!
        // Housekeeping comes when the test says so.
        ctest_timer_stop(thread.ticker)
        thread.start()
    }

    /// One turn of the loop, if it has anything to do; false where it has not.
    func turn(_ now: UInt64) -> Bool {
        guard isRunning else { return false }
        let events = thread.poller.wait(0)
        guard events > 0 || thread.agenda.needsAttention else { return false }
        isRunning = thread.turn(events, now: now)
        if !isRunning { thread.closeEverything() }
        return true
    }

    /// A turn with housekeeping.
    func keepHouse(_ now: UInt64) {
        thread.agenda.tick()
        _ = turn(now)
    }

    /// Gives the descriptors back, which live as long as a process otherwise.
    func end() {
        if isRunning { thread.closeEverything() }
        csys_close(thread.poller.epoll)
        csys_close(thread.ticker)
    }

    /// Clients in each state there is one in.
    var clients: [String: Int] {
        var counts: [String: Int] = [:]
        for c in thread.ends.clients.indices where thread.ends.clients[c].state != .gone {
            counts["\(thread.ends.clients[c].state)", default: 0] += 1
        }
        return counts
    }

    /// Servers in each state there is one in; hubs and cancellers, too.
    var servers: [String: Int] {
        var counts: [String: Int] = [:]
        for s in thread.ends.servers.indices where thread.ends.servers[s].state != .gone {
            counts["\(thread.ends.servers[s].state)", default: 0] += 1
        }
        if thread.cancellers.count > 0 { counts["canceller"] = thread.cancellers.count }
        if thread.hubs.count > 0 { counts["hub"] = thread.hubs.count }
        return counts
    }

    /// What a pool of this thread counts.
    struct PoolCounts: Equatable {
        var idle = 0
        var waiting = 0
        var leased = 0
        var opening = 0
        var clients = 0

        static func + (one: PoolCounts, other: PoolCounts) -> PoolCounts {
            PoolCounts(
                idle: one.idle + other.idle, waiting: one.waiting + other.waiting,
                leased: one.leased + other.leased, opening: one.opening + other.opening,
                clients: one.clients + other.clients)
        }
    }

    /// By pool, what it counts and, beside it, what the tables of clients and servers come to.
    var pools: [UInt32: (counted: PoolCounts, found: PoolCounts)] {
        var pools: [UInt32: (counted: PoolCounts, found: PoolCounts)] = [:]
        for p in thread.ends.pools.known {
            let pool = thread.ends.pools.counts(p)
            let counted = PoolCounts(
                idle: pool.idle.count, waiting: pool.waiting.count, leased: Int(pool.leased),
                opening: Int(pool.opening), clients: Int(pool.clients))
            pools[p.number] = (counted, found(p))
        }
        return pools
    }

    private func found(_ p: PoolIndex) -> PoolCounts {
        var found = PoolCounts()
        for c in thread.ends.clients.indices
        where thread.ends.clients[c].state != .gone && thread.ends.clients[c].pool == p {
            found.clients += thread.ends.clients[c].counted ? 1 : 0
            switch thread.ends.clients[c].state {
            case .waiting, .welcome: found.waiting += 1
            default: break
            }
        }
        for s in thread.ends.servers.indices
        where thread.ends.servers[s].state != .gone && thread.ends.servers[s].pool == p {
            guard !thread.ends.servers[s].isForHub else { continue }
            switch thread.ends.servers[s].state {
            case .routing, .connecting, .login, .confirming: found.opening += 1
            case .idle: found.idle += 1
            case .active, .setup, .recovering, .resetting, .settling, .free: found.leased += 1
            case .gone: break
            }
        }
        return found
    }

    /// Sets of parameters that its clients and servers use.
    var parameterSets: Int { thread.parameterSets.count }

    /// Bytes of notifications that wait for its clients.
    var notificationBytes: Int { thread.listening.waitingBytes }
}

/// What the threads of a worker share, made for a test's host.
final class SharedProbe {
    private let shared: Shared

    /// Tests run side by side, and inboxes are entered into a list of the process.
    private static let making = Monitor()

    init(host: MemoryHost, settings: OpaquePointer, notify: Int32) {
        shared = Self.make(host: host, settings: settings, notify: notify)
    }

    static func make(host: MemoryHost, settings: OpaquePointer, notify: Int32) -> Shared {
        making.locked {
            Shared(host: Host(host.pointer), settings: WorkerSettings(settings), notify: notify)
        }
    }

    static func makeInbox() -> Inbox { making.locked { Inbox() } }

    func makeThread(_ number: Int, listeners: [Listener]) -> Probe {
        Probe(number: number, shared: shared, listeners: listeners)
    }

    /// Gives the descriptors back.
    func end() {
        for inbox in shared.inboxes { csys_close(inbox.descriptor) }
    }

    /// A client's socket comes in, as from the thread that accepts.
    func adopt(_ descriptor: Int32, thread: Int) {
        shared.countClient(1)
        shared.inboxes[thread].post(.accepted(descriptor: descriptor))
    }

    /// As `carpool_worker_answer`; the answer stays the caller's.
    func answer(_ answer: UnsafeMutableRawPointer, thread: Int) {
        shared.inboxes[thread].post(.answered(HostAnswer(OpaquePointer(answer))))
    }

    /// As `carpool_worker_reload`.
    func reload(_ settings: OpaquePointer) {
        var next = WorkerSettings(settings)
        next.limitClients(to: shared.ledger.capacity)
        shared.settings = next
        shared.directory.forgetAnswers()
        shared.post(.reload)
    }

    /// As `carpool_worker_drain`.
    func drain(_ transactions: Bool) { shared.drain(transactions ? .transactions : .clients) }

    /// As `carpool_worker_stop`, without the end of threads.
    func stop() { shared.post(.stop) }

    func evict(database: UInt32) { shared.post(.evict(database: database)) }

    /// As `carpool_worker_moved`.
    func moved(database: UInt32, moment: UInt64) {
        shared.directory.moved(database: database, at: moment)
        shared.post(.moved(database: database, moment: moment))
    }

    /// Does what hashes wait to be done; false where none does.
    func hash() -> Bool { shared.hasher.work(waits: false) }

    var clients: Int { shared.clients }

    /// Sockets to servers, those that carry cancel requests among them.
    var servers: Int { shared.servers }

    func clients(database: UInt32) -> Int { shared.directory.clients(database: database) }

    func servers(database: UInt32) -> Int { shared.directory.servers(database: database) }

    /// Pools that wait for what others have.
    var queued: Int { Int(shared.directory.queued.value) }

    /// Clients that wait in a pool, as the threads tell each other.
    func waiting(pool: UInt32) -> Int { Int(shared.directory.waiting.total(PoolIndex(pool))) }
}
