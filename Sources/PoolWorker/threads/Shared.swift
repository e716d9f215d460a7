import Auth
import CSys
import CWorker
import Engine
import Pooling

/// What all engine threads and the host's main thread share. Immutable, or behind a
/// lock or an atomic; nothing of it is touched on the hot path but `waiting`.
@safe
final class Shared: @unchecked Sendable {
    let host: Host
    let notify: Int32
    let directory: Directory
    let inboxes: [Inbox]
    let hasher: Hasher
    let verifiers = DerivedVerifiers()
    let ledger: Ledger
    private let monitor = Monitor()
    private var current: WorkerSettings
    private let clientCount = SharedCounter()
    private let serverCount = SharedCounter()
    let descriptors: DescriptorBudget
    private let drains = SharedCounter()
    let threads: Int

    init(host: Host, settings: WorkerSettings, notify: Int32) {
        self.host = host
        self.notify = notify
        threads = max(1, Int(settings.tuning.threads))
        ledger = Ledger(host, most: WorkerSettings.mostClients)
        descriptors = Self.makeDescriptorBudget(host, settings, threads: threads)
        current = settings
        current.limitClients(to: ledger.capacity)
        directory = Directory(threads: threads, host: host)
        inboxes = (0..<threads).map { _ in Inbox() }
        hasher = Hasher(inboxes: inboxes)
    }

    var settings: WorkerSettings {
        get { monitor.locked { current } }
        set { monitor.locked { current = newValue } }
    }

    /// Clients connected, on all threads.
    var clients: Int { Int(clientCount.value) }

    /// Sockets to servers, on all threads.
    var servers: Int { Int(serverCount.value) }

    func countServer(_ delta: Int32) { serverCount.add(delta) }

    /// Connections that may be there, before any of them has said what it is.
    func mayAccept(_ tuning: CworkerTuning) -> Bool {
        let most = min(
            Int(tuning.max_client_conn) + descriptors.spare, descriptors.connections(beside: servers))
        return clients < most
    }

    /// Raises the process's limit of descriptors, and warns where it stays too low.
    private static func makeDescriptorBudget(
        _ host: Host, _ settings: WorkerSettings, threads: Int
    ) -> DescriptorBudget {
        // The listeners, what each thread polls and is woken with, and the files of the host.
        let own = 64 + 4 * threads
        let most = host.mostServers
        let limit = csys_file_limit(2 * WorkerSettings.mostClients)
        let budget = DescriptorBudget(limit: limit, own: own, servers: most)
        let needed = own + budget.spare + Int(settings.tuning.max_client_conn) + most
        if limit < needed {
            host.log(
                .warning,
                "limit of open files is \(limit), but \(needed) may be needed: it leaves room for "
                    + "\(budget.clients(beside: 0)) clients; raise it (ulimit -n, LimitNOFILE) or lower "
                    + "max_client_conn")
        }
        return budget
    }

    /// Adds to the number of clients. Once `drain` was called, the host is told when none is left.
    func countClient(_ delta: Int32) {
        if clientCount.add(delta) == 0 && drains.value != 0 { csys_eventfd_write(notify) }
    }

    /// The host waits for the clients to leave.
    func drain(_ how: Drain) {
        post(.drain(how))
        drains.add(1)
        // An addition, too: of it and the last client's, the later one sees what the other did.
        if clientCount.add(0) == 0 { csys_eventfd_write(notify) }
    }

    func post(_ message: EngineMessage) {
        for inbox in inboxes { inbox.post(message) }
    }

    func log(_ level: Host.Level, _ line: String) { host.log(level, line) }
}

/// Random bytes for nonces, salts and cancel keys. Without them nobody can log in safely,
/// so an absent generator is a bug of the machine and stops the thread.
func randomBytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let ok = unsafe bytes.withUnsafeMutableBytes { unsafe csys_random($0.baseAddress, count) }
    precondition(ok, "no random bytes")
    return bytes
}
