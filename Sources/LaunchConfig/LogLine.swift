import CHost
import Glibc

/// A line of the log, in PgBouncer's form:
/// `2026-01-01 12:00:00.123 UTC [pid] LOG text`.
public enum LogLine {
    /// The bytes of the line with its newline. What could end the line early or play
    /// tricks on a terminal is shown as `?`: texts hold names that clients send.
    public static func bytes(_ level: CarpoolLogLevel, _ text: String, at time: timespec, pid: Int32)
        -> [UInt8]
    {
        var seconds = time.tv_sec
        var calendar = tm()
        localtime_r(&seconds, &calendar)
        let date = stamp(&calendar, "%Y-%m-%d %H:%M:%S")
        let zone = stamp(&calendar, "%Z")
        let milliseconds = String(time.tv_nsec / 1_000_000)
        let padding = String(repeating: "0", count: 3 - milliseconds.count)
        let head = "\(date).\(padding)\(milliseconds) \(zone) [\(pid)] \(word(for: level)) "
        return Array(head.utf8) + text.utf8.map { $0 < 32 && $0 != 9 || $0 == 127 ? UInt8(ascii: "?") : $0 }
            + [10]
    }

    private static func word(for level: CarpoolLogLevel) -> String {
        switch level {
        case CARPOOL_LOG_DEBUG: "DEBUG"
        case CARPOOL_LOG_WARNING: "WARNING"
        case CARPOOL_LOG_ERROR: "ERROR"
        default: "LOG"
        }
    }

    private static func stamp(_ calendar: inout tm, _ format: String) -> String {
        var text = [CChar](repeating: 0, count: 64)
        let count = strftime(&text, text.count, format, &calendar)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
