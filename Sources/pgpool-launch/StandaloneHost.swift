import CHost
import Glibc
import LaunchConfig

/// CarpoolHost from files and POSIX. Lives until the process ends.
final class StandaloneHost: Sendable {
    let directory: HostDirectory
    let log: Log

    init(directory: HostDirectory, log: Log) {
        self.directory = directory
        self.log = log
    }

    /// The struct for carpool_worker_start(); never freed, nor is what it points to.
    /// - Parameter mostServers: as many as the configuration at the start lets there be.
    func makeContract(mostServers: Int) -> UnsafePointer<CarpoolHost> {
        let host = UnsafeMutablePointer<CarpoolHost>.allocate(capacity: 1)
        host.initialize(
            to: CarpoolHost(
                context: Unmanaged.passRetained(self).toOpaque(),
                ask: { context, question, answer in
                    guard let context, let question, let answer else { return -1 }
                    let host = Unmanaged<StandaloneHost>.fromOpaque(context).takeUnretainedValue()
                    host.directory.answer(question, into: answer)
                    return 1
                },
                log: { context, level, line in
                    guard let context, let line else { return }
                    let host = Unmanaged<StandaloneHost>.fromOpaque(context).takeUnretainedValue()
                    host.log.write(level, String(cString: line))
                },
                // no signal reaches a backend from here
                cancel: { _, _, _ in false },
                most_servers: Int32(clamping: mostServers),
                forget: { context, database, user in
                    guard let context else { return }
                    let host = Unmanaged<StandaloneHost>.fromOpaque(context).takeUnretainedValue()
                    host.directory.forget(database: database, user: user)
                },
                name: UnsafePointer(strdup("pgpool-launch")),
                keeps_oids: false,
                // the servers are out of reach: they have no agents
                ledger: nil))
        return UnsafePointer(host)
    }
}
