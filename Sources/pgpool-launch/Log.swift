import CHost
import CLaunch
import Glibc
import LaunchConfig
import Synchronization

/// The log: standard error or a file. Once `startWriter` was called a thread of its own writes,
/// so that nobody who logs waits for a disk or for the reader of a pipe; until then lines are
/// written at once. Lines of several threads don't mix.
final class Log: Sendable {
    private struct State {
        var queue = LogQueue()
        /// The thread is writing what it has taken out.
        var writing = false
        var hasWriter = false
    }

    /// The same number for good: reopening changes what it means.
    private let fd: Int32
    private let path: String
    private let pid = getpid()
    private let state = Mutex(State())
    /// An eventfd that wakes the writer.
    private let wake = claunch_event_fd()

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
        let line = line(level, text)
        let isQueued = state.withLock { state in
            if state.hasWriter { state.queue.add(line) }
            return state.hasWriter
        }
        if isQueued { wakeWriter() } else { writeAll(line, to: fd) }
    }

    func info(_ text: String) { write(CARPOOL_LOG_INFO, text) }
    func warning(_ text: String) { write(CARPOOL_LOG_WARNING, text) }
    func error(_ text: String) { write(CARPOOL_LOG_ERROR, text) }

    private func line(_ level: CarpoolLogLevel, _ text: String) -> [UInt8] {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return LogLine.bytes(level, text, at: now, pid: pid)
    }

    private static func openFile(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }

    // MARK: the writer

    /// Starts the thread, which lives as long as the process. Without one lines are written at once.
    func startWriter() {
        guard wake >= 0 else { return }
        state.withLock { $0.hasWriter = true }
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Log>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard started == 0 else { return state.withLock { $0.hasWriter = false } }
        pthread_detach(thread)
    }

    /// Before the process ends: waits until all is written, a second at most.
    func flush() {
        for _ in 0..<1000 where state.withLock({ $0.writing || !$0.queue.isEmpty }) { usleep(1000) }
    }

    private func wakeWriter() {
        var one: UInt64 = 1
        Glibc.write(wake, &one, MemoryLayout<UInt64>.size)
    }

    private func run() {
        claunch_block_signals()
        while true {
            var entry = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, -1)
            claunch_event_clear(wake)
            let (bytes, dropped) = state.withLock { state in
                state.writing = true
                return state.queue.take()
            }
            writeAll(bytes, to: fd)
            if dropped > 0 { writeAll(line(CARPOOL_LOG_WARNING, "dropped \(dropped) log lines"), to: fd) }
            state.withLock { $0.writing = false }
        }
    }
}
