/// Lines of the log that wait to be written. Where too many wait, what comes then is counted
/// and dropped: a flood of lines, or a log that takes none, costs no more memory than this.
public struct LogQueue: Sendable {
    /// As in the database; and so many bytes of them.
    static let mostLines = 512
    static let mostBytes = 256 * 1024

    private var waiting: [UInt8] = []
    private var lines = 0
    private var dropped = 0

    public init() {}

    public var isEmpty: Bool { lines == 0 && dropped == 0 }

    /// - Parameter line: with its newline.
    public mutating func add(_ line: [UInt8]) {
        guard lines < Self.mostLines, waiting.count + line.count <= Self.mostBytes else {
            dropped += 1
            return
        }
        waiting += line
        lines += 1
    }

    /// Takes out all lines, in order, and how many were dropped after them.
    public mutating func take() -> (bytes: [UInt8], dropped: Int) {
        defer { self = LogQueue() }
        return (waiting, dropped)
    }
}
