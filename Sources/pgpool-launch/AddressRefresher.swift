import CLaunch
import Glibc
import LaunchConfig

/// Looks the servers' names up again now and then, on a thread of its own because the
/// system's resolver may block for long. What it finds goes to the directory; `fd` is
/// written so that the main thread closes servers of old addresses.
final class AddressRefresher: Sendable {
    /// An eventfd.
    let fd: Int32
    private let directory: HostDirectory
    /// PgBouncer's dns_max_ttl.
    private static let seconds: UInt32 = 15

    /// Starts the thread, which lives as long as the process; nil when there is none left.
    init?(_ directory: HostDirectory) {
        self.directory = directory
        fd = claunch_event_fd()
        guard fd >= 0 else { return nil }
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<AddressRefresher>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard started == 0 else { return nil }
        pthread_detach(thread)
    }

    private func run() {
        claunch_block_signals()
        while true {
            sleep(Self.seconds)
            guard directory.hasNames else { continue }
            directory.refreshAddresses()
            var one: UInt64 = 1
            write(fd, &one, MemoryLayout<UInt64>.size)
        }
    }
}
