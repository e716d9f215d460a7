import CSys
import CWorker
import Engine

/// The worker of this process: what the host's main thread starts, feeds and stops.
/// See chost.h for what each entry point promises.
private final class Worker: @unchecked Sendable {
    let shared: Shared
    var listeners: [Listener]

    init(shared: Shared, listeners: [Listener]) {
        self.shared = shared
        self.listeners = listeners
    }
}

nonisolated(unsafe) private var worker: Worker?

/// What a thread of the worker runs, boxed for C.
private final class ThreadBody {
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
}

private func startThread(_ run: @escaping () -> Void) -> Bool {
    let body = unsafe Unmanaged.passRetained(ThreadBody(run)).toOpaque()
    let started = unsafe csys_thread_start(
        { unsafe Unmanaged<ThreadBody>.fromOpaque($0!).takeRetainedValue().run() }, body)
    return started >= 0
}

private func openListeners(_ settings: WorkerSettings) throws(ListenFailure) -> [Listener] {
    var listeners: [Listener] = []
    let tuning = settings.tuning
    let (port, backlog) = (Int(tuning.listen_port), Int(tuning.listen_backlog))
    do throws(ListenFailure) {
        for address in settings.listenAddresses {
            listeners += try Listener.tcp(address, port: port, backlog: backlog)
        }
        if !settings.unixDirectory.isEmpty {
            listeners.append(
                try Listener.unix(
                    directory: settings.unixDirectory, port: port, backlog: backlog,
                    mode: Int(tuning.unix_socket_mode)))
        }
        if listeners.isEmpty {
            throw ListenFailure(text: "nothing to listen on: set listen_addr or unix_socket_dir")
        }
    } catch {
        closeListeners(listeners)
        throw error
    }
    return listeners
}

private func closeListeners(_ listeners: [Listener]) {
    for listener in listeners {
        csys_close(listener.descriptor)
        if listener.name.hasPrefix("/") { unsafe _ = unlink(listener.name) }
    }
}

@_cdecl("carpool_worker_start")
public func carpoolWorkerStart(
    _ host: OpaquePointer, _ settings: OpaquePointer, _ notify: Int32
) -> Int32 {
    let shared = unsafe Shared(host: Host(host), settings: WorkerSettings(settings), notify: notify)
    let listeners: [Listener]
    do {
        listeners = try openListeners(shared.settings)
    } catch {
        shared.log(.error, error.text)
        return -1
    }
    csys_contain(notify)
    unsafe worker = Worker(shared: shared, listeners: listeners)
    var started = startThread { shared.hasher.run() }
    for number in 0..<shared.threads where started {
        started = startThread {
            guard
                var engine = EngineThread(
                    number: number, shared: shared, listeners: number == 0 ? listeners : [])
            else { return shared.log(.error, "engine thread \(number) could not start") }
            engine.run()
        }
    }
    guard started else {
        shared.log(.error, "could not start threads")
        carpoolWorkerStop()
        return -1
    }
    for listener in listeners { shared.log(.info, "listening on \(listener.name)") }
    return 0
}

@_cdecl("carpool_worker_answer")
public func carpoolWorkerAnswer(_ answer: OpaquePointer) {
    guard let shared = unsafe worker?.shared else { return }
    let thread = unsafe Int(cworker_answer_ticket(answer).thread)
    guard thread < shared.threads else { return }
    shared.inboxes[thread].post(.answered(unsafe HostAnswer(answer)))
}

@_cdecl("carpool_worker_reload")
public func carpoolWorkerReload(_ settings: OpaquePointer) {
    guard let shared = unsafe worker?.shared else { return }
    var next = unsafe WorkerSettings(settings)
    let wanted = next.tuning.max_client_conn
    if !next.limitClients(to: shared.ledger.capacity) {
        shared.log(
            .warning,
            "max_client_conn stays at \(next.tuning.max_client_conn) until the next start: "
                + "there is no room for \(wanted) clients")
    }
    shared.settings = next
    shared.directory.forgetAnswers()
    shared.post(.reload)
}

@_cdecl("carpool_worker_drain")
public func carpoolWorkerDrain(_ how: UInt32) {
    unsafe worker?.shared.drain(Drain(rawValue: how) ?? .clients)
}

@_cdecl("carpool_worker_client_count")
public func carpoolWorkerClientCount() -> Int32 { unsafe Int32(worker?.shared.clients ?? 0) }

@_cdecl("carpool_worker_database_clients")
public func carpoolWorkerDatabaseClients(_ database: UInt32) -> Int32 {
    unsafe Int32(worker?.shared.directory.clients(database: database) ?? 0)
}

@_cdecl("carpool_worker_database_servers")
public func carpoolWorkerDatabaseServers(_ database: UInt32) -> Int32 {
    unsafe Int32(worker?.shared.directory.servers(database: database) ?? 0)
}

@_cdecl("carpool_worker_evict")
public func carpoolWorkerEvict(_ database: UInt32) {
    unsafe worker?.shared.post(.evict(database: database))
}

@_cdecl("carpool_worker_moved")
public func carpoolWorkerMoved(_ database: UInt32, _ moment: UInt64) {
    guard let shared = unsafe worker?.shared else { return }
    // Threads that meet a pool of it later look there.
    shared.directory.moved(database: database, at: moment)
    shared.post(.moved(database: database, moment: moment))
}

@_cdecl("carpool_worker_stop")
public func carpoolWorkerStop() {
    guard let stopped = unsafe worker else { return }
    stopped.shared.post(.stop)
    stopped.shared.hasher.stop()
    csys_threads_end(csys_trapped() ? 200 : 3000)
    // A thread that trapped can't close its sockets: the end of the process will.
    closeListeners(stopped.listeners)
    stopped.listeners = []
}

@_cdecl("carpool_worker_trapped")
public func carpoolWorkerTrapped() -> Bool { csys_trapped() }
