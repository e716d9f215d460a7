import CSys
import CTestHost
import Engine
import Synchronization
import Testing
import Wire

/// A worker without PostgreSQL: engine threads that are turned one after the other on the test's own
/// thread, a host in memory, a scripted server, and a clock that the test moves.
final class World {
    let host: MemoryHost
    let backend: Backend
    private(set) var threads: [Probe] = []
    let shared: SharedProbe
    /// Nanoseconds.
    private(set) var now: UInt64 = 1_000_000_000_000
    private let settings: OpaquePointer
    private let notify: Int32
    private var others: [Backend] = []

    /// How many worlds there were in this process.
    private static let count = Mutex(0)

    /// - Parameter settings: values as text, by the names of settings.def.
    init(
        threads: Int = 1, settings changed: [String: String] = [:], keepsOIDs: Bool = false,
        agents: UInt32 = 0, listeners: [Listener] = []
    ) {
        let number = Self.count.withLock { number in
            number += 1
            return number
        }
        backend = Backend("carpool-test-\(getpid())-\(number)")
        host = MemoryHost(address: backend.address, keepsOIDs: keepsOIDs, servers: agents)
        settings = ctest_settings_new()
        notify = csys_eventfd()
        Self.change(settings, ["threads": "\(threads)", "log_connections": "off"])
        Self.change(settings, changed)
        shared = SharedProbe(host: host, settings: settings, notify: notify)
        for number in 0..<threads {
            self.threads.append(shared.makeThread(number, listeners: number == 0 ? listeners : []))
        }
    }

    deinit {
        for thread in threads { thread.end() }
        for other in others { other.end() }
        backend.end()
        shared.end()
        csys_close(notify)
        ctest_free(UnsafeMutableRawPointer(settings))
    }

    private static func change(_ settings: OpaquePointer, _ values: [String: String]) {
        for (name, value) in values {
            precondition(ctest_settings_set(settings, name, value), "\(name) does not take \(value)")
        }
    }

    /// Another server program.
    func otherBackend() -> Backend {
        let other = Backend("\(backend.address)-\(others.count)")
        others.append(other)
        return other
    }

    // MARK: turns

    /// Turns all threads until nothing moves any more.
    func settle() {
        var movers: [String] = []
        for _ in 0..<10_000 {
            movers = move()
            if movers.isEmpty { return }
        }
        Issue.record("the worker does not come to rest: \(movers), \(threads.map(\.servers))")
    }

    /// One turn of everything; what has moved.
    private func move() -> [String] { (0..<parts).filter { turn($0) }.map(name) }

    /// What can be turned by itself: threads, servers, the hasher.
    var parts: Int { threads.count + 1 + others.count + 1 }

    /// Lets one part go on a step; false where it has nothing to do.
    func turn(_ part: Int) -> Bool {
        if part < threads.count { return threads[part].turn(now) }
        let server = part - threads.count
        if server <= others.count { return (server == 0 ? backend : others[server - 1]).serve() }
        return shared.hash()
    }

    private func name(_ part: Int) -> String {
        part < threads.count
            ? "thread \(part)" : part < parts - 1 ? "server \(part - threads.count)" : "hasher"
    }

    /// Moves the clock, and does nothing.
    func advance(seconds: Double) { now += UInt64(seconds * 1e9) }

    /// Time passes, with housekeeping as often as it comes, and all settles. Long times pass in
    /// larger steps.
    func pass(seconds: Double) {
        let end = now + UInt64(seconds * 1e9)
        let step = max(UInt64(333_000_000), (end - now) / 40)
        while now < end {
            now = min(end, now + step)
            keepHouse()
        }
    }

    func keepHouse() {
        for thread in threads { thread.keepHouse(now) }
        settle()
    }

    // MARK: clients

    func connect(thread: Int = 0) -> TestClient { TestClient(self, thread: thread) }

    /// A client that has logged in.
    func client(
        user: String = "ann", database: String = "shop", name: String? = nil, thread: Int = 0
    ) -> TestClient {
        let client = connect(thread: thread)
        client.login(user: user, database: database, name: name)
        return client
    }

    /// Sends a cancel request by the key of a client.
    @discardableResult
    func cancel(_ client: TestClient, thread: Int = 0, secret: UInt32? = nil) -> TestClient {
        let connection = connect(thread: thread)
        connection.send(
            StartupPacket.cancelPacket(processID: client.process, secret: secret ?? client.secret))
        settle()
        _ = connection.read()
        return connection
    }

    // MARK: the host's main thread

    /// The host's answers to the questions that wait.
    func answerAll() {
        for (thread, answer) in host.takeAnswers() {
            shared.answer(answer, thread: thread)
            ctest_free(answer)
        }
        settle()
    }

    func reload(_ changed: [String: String] = [:]) {
        Self.change(settings, changed)
        shared.reload(settings)
        settle()
    }

    /// The host was woken: a thread trapped, or the last client is gone while it drains.
    var isNotified: Bool {
        var count: UInt64 = 0
        return read(notify, &count, 8) == 8
    }

    // MARK: counts

    /// Clients in a state, on all threads.
    func clients(_ state: String) -> Int { threads.reduce(0) { $0 + ($1.clients[state] ?? 0) } }

    func servers(_ state: String) -> Int { threads.reduce(0) { $0 + ($1.servers[state] ?? 0) } }

    /// What is wrong with the counts while nothing moves; empty: nothing.
    var complaints: [String] {
        var complaints: [String] = []
        var known: Set<UInt32> = []
        for (number, thread) in threads.enumerated() {
            for (p, pool) in thread.pools {
                known.insert(p)
                if pool.counted != pool.found {
                    complaints.append("thread \(number), pool \(p): \(pool.counted), but \(pool.found)")
                }
            }
        }
        for p in known where threads.count > 1 {
            let waiting = threads.reduce(0) { $0 + ($1.pools[p]?.counted.waiting ?? 0) }
            if shared.waiting(pool: p) != waiting {
                complaints.append("pool \(p): \(shared.waiting(pool: p)) known to wait, not \(waiting)")
            }
        }
        return complaints
    }

    /// Servers of all pools, from when they are counted to when they are closed.
    var counted: Int {
        threads.reduce(0) { sum, thread in
            thread.pools.values.reduce(sum) { $0 + $1.counted.idle + $1.counted.leased + $1.counted.opening }
        }
    }
}
