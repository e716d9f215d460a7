import CHost
import CLaunch
import Glibc
import LaunchConfig

/// The log: standard error or a file. A line is one write(2), so lines of several
/// threads don't mix; nothing is buffered.
final class Log: Sendable {
    /// The same number for good: reopening changes what it means.
    private let fd: Int32
    private let path: String
    private let pid = getpid()

    private init(fd: Int32, path: String) {
        self.fd = fd
        self.path = path
    }

    /// The log of path; standard error when it is empty.
    static func open(_ path: String) -> Result<Log, ReadError> {
        if path.isEmpty { return .success(Log(fd: STDERR_FILENO, path: "")) }
        let fd = openFile(path)
        return fd >= 0
            ? .success(Log(fd: fd, path: path)) : .failure(ReadError("\(path): \(systemText(errno))"))
    }

    /// Opens the file anew, for it may have been moved away; any thread may be writing.
    func reopen() {
        guard !path.isEmpty else { return }
        let new = Self.openFile(path)
        guard new >= 0 else { return warning("could not open \(path) again: \(systemText(errno))") }
        if !claunch_replace_fd(new, fd) { warning("could not open \(path) again: \(systemText(errno))") }
    }

    func write(_ level: CarpoolLogLevel, _ text: String) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        writeAll(LogLine.bytes(level, text, at: now, pid: pid), to: fd)
    }

    func info(_ text: String) { write(CARPOOL_LOG_INFO, text) }
    func warning(_ text: String) { write(CARPOOL_LOG_WARNING, text) }
    func error(_ text: String) { write(CARPOOL_LOG_ERROR, text) }

    private static func openFile(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }
}
