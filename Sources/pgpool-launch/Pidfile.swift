import Glibc
import LaunchConfig

/// The file that holds the process id. It is locked as long as the process lives, so
/// that a file left behind by a crash does not keep the next one from starting.
final class Pidfile {
    private let fd: Int32
    private let path: String

    private init(fd: Int32, path: String) {
        self.fd = fd
        self.path = path
    }

    /// Writes the file, or says why that can't be done.
    static func take(_ path: String) -> Result<Pidfile, ReadError> {
        let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard fd >= 0 else {
            return .failure(ReadError("could not open pidfile \(path): \(systemText(errno))"))
        }
        if let holder = holder(of: fd) {
            close(fd)
            return .failure(ReadError("pidfile \(path) is held by a running process\(holder)"))
        }
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(fd, 0) == 0, pwrite(fd, text, text.count, 0) == text.count else {
            let reason = systemText(errno)
            close(fd)
            return .failure(ReadError("could not write pidfile \(path): \(reason)"))
        }
        return .success(Pidfile(fd: fd, path: path))
    }

    /// Removes the file, unless another one has taken its place.
    func remove() {
        var mine = stat()
        var there = stat()
        if fstat(fd, &mine) == 0, stat(path, &there) == 0, mine.st_ino == there.st_ino,
            mine.st_dev == there.st_dev
        {
            unlink(path)
        }
        close(fd)
    }

    /// " with process id N", when a living process other than us has locked or written
    /// the file (PgBouncer writes without locking); nil: the file is free, and now locked.
    private static func holder(of fd: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(fd, &bytes, bytes.count, 0)
        let digits = String(decoding: bytes[..<max(0, count)], as: UTF8.self).prefix { $0.isNumber }
        let pid = Int32(digits) ?? 0
        let name = pid > 0 ? " with process id \(pid)" : ""
        guard flock(fd, LOCK_EX | LOCK_NB) == 0 else { return name }
        guard pid > 0, pid != getpid() else { return nil }
        return kill(pid, 0) == 0 || errno == EPERM ? name : nil
    }
}
