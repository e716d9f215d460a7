import CHost
import CLaunch
import Glibc
import LaunchConfig

/// The running pooler: starts the worker, answers signals, ends.
final class Service {
    private enum Phase { case serving, draining }

    private let arguments: LaunchArguments
    private var configuration: Configuration
    private let log: Log
    private var pidfile: Pidfile?
    private var phase = Phase.serving
    private var failedLookups: [String] = []

    init(_ arguments: LaunchArguments, _ configuration: Configuration, _ log: Log) {
        self.arguments = arguments
        self.configuration = configuration
        self.log = log
    }

    func run() -> ExitStatus {
        if !configuration.text("pidfile").isEmpty {
            switch Pidfile.take(configuration.text("pidfile")) {
            case .success(let taken): pidfile = taken
            case .failure(let error): return cannotStart(error.message)
            }
        }
        defer { pidfile?.remove() }
        // before there are threads, which inherit the mask
        let signals = claunch_signal_fd()
        let notify = claunch_event_fd()
        log.startWriter()
        guard signals >= 0, notify >= 0 else { return cannotStart("no descriptors: \(systemText(errno))") }
        var nonce = [UInt8](repeating: 0, count: 32)
        guard claunch_random(&nonce, nonce.count) else { return cannotStart("no random bytes") }

        let directory = HostDirectory(configuration, mockNonce: nonce)
        tellFailedLookups(directory)
        guard let refresher = AddressRefresher(directory) else {
            return cannotStart("no thread to look names up")
        }
        let host = StandaloneHost(directory: directory, log: log).makeContract(
            mostServers: configuration.mostServers)
        guard carpool_worker_start(host, &configuration.settings, notify) == 0 else {
            return cannotStart("the worker could not be started")
        }
        log.info("process up: \(Version.line)")
        return serve(signals, notify, refresher, directory)
    }

    private func cannotStart(_ reason: String) -> ExitStatus {
        log.error("can't start: \(reason)")
        return .cannotStart
    }

    // MARK: main loop

    private func serve(
        _ signals: Int32, _ notify: Int32, _ refresher: AddressRefresher, _ directory: HostDirectory
    ) -> ExitStatus {
        while true {
            wait(for: [signals, notify, refresher.fd])
            claunch_event_clear(notify)
            claunch_event_clear(refresher.fd)
            tellMoves(directory)
            tellFailedLookups(directory)
            if carpool_worker_trapped() { return runAgain() }
            while case let signal = claunch_next_signal(signals), signal != 0 {
                if answer(signal, directory) { return stop() }
            }
            if phase == .draining, carpool_worker_client_count() == 0 {
                log.info("all clients have left")
                return stop()
            }
        }
    }

    /// Sleeps until one of the descriptors can be read; while draining also wakes by itself.
    private func wait(for descriptors: [Int32]) {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        poll(&entries, nfds_t(entries.count), phase == .draining ? 1000 : -1)
    }

    /// Does what a signal stands for; true: leave now.
    private func answer(_ signal: Int32, _ directory: HostDirectory) -> Bool {
        switch signal {
        case SIGHUP:
            log.info("got SIGHUP, reading the configuration again")
            log.reopen()
            reload(directory)
            return false
        case SIGTERM: return drain("SIGTERM", CARPOOL_DRAIN_CLIENTS, "waiting for all clients to disconnect")
        case SIGINT: return drain("SIGINT", CARPOOL_DRAIN_TRANSACTIONS, "waiting for all transactions to end")
        case SIGQUIT:
            log.info("got SIGQUIT, leaving now")
            return true
        default:
            log.warning("got signal \(signal): pausing and resuming are not supported yet")
            return false
        }
    }

    private func drain(_ name: String, _ how: CarpoolDrain, _ text: String) -> Bool {
        guard phase == .serving else {
            log.info("got \(name) while shutting down, leaving now")
            return true
        }
        log.info("got \(name), \(text)")
        phase = .draining
        carpool_worker_drain(how)
        return false
    }

    private func stop() -> ExitStatus {
        carpool_worker_stop()
        log.info("process down")
        return .ok
    }

    // MARK: reload

    private func reload(_ directory: HostDirectory) {
        var (next, diagnostics) = Launch.load(arguments)
        for diagnostic in diagnostics.all {
            switch diagnostic.severity {
            case .error: log.error(diagnostic.logText)
            case .warning: log.warning(diagnostic.logText)
            }
        }
        guard diagnostics.errors.isEmpty else {
            return log.error("the configuration has errors: all settings stay as they are")
        }
        for setting in configuration.changesForRestart(in: next) {
            log.warning("\(next.origin(of: setting)): \(setting.name) changes at the next start")
        }
        next.keepForRestart(from: configuration)
        configuration = next
        directory.reload(next)
        tellMoves(directory)
        tellFailedLookups(directory)
        carpool_worker_reload(&configuration.settings)
    }

    private func tellMoves(_ directory: HostDirectory) {
        for move in directory.takeMoved() { carpool_worker_moved(move.database, move.moment) }
    }

    /// Logs names that can't be looked up, once until that changes.
    private func tellFailedLookups(_ directory: HostDirectory) {
        let failed = directory.lookupFailures
        for failure in failed where !failedLookups.contains(failure) {
            log.warning("server DNS lookup failed: \(failure)")
        }
        failedLookups = failed
    }

    // MARK: after a trap

    /// Runs this program anew in the same process, so that it serves again at once.
    /// Returns only when that is hopeless.
    private func runAgain() -> ExitStatus {
        log.error("an engine thread has trapped: starting again")
        carpool_worker_stop()
        var count = RestartCount(getenv(RestartCount.variable).map { String(cString: $0) })
        guard count.add(claunch_uptime()) else {
            log.error("more than \(RestartCount.limit) traps in \(RestartCount.period) seconds: giving up")
            return .cannotStart
        }
        setenv(RestartCount.variable, count.text, 1)
        log.flush()
        claunch_run_again(CommandLine.unsafeArgv)
        log.error("could not start again: \(systemText(errno))")
        return .cannotStart
    }
}
