/// The process ids that clients are told in BackendKeyData. Drivers tell connections apart by
/// them, so each is given out again only after all others, and none is the id of a process: these
/// end below `first`. Of several threads each has those of its remainder, so that the id alone
/// tells whose client it is.
public struct ProcessNumbers {
    /// Linux's PID_MAX_LIMIT.
    public static let first: UInt32 = 1 << 22
    /// Beyond the last: clients read the number as a signed one.
    public static let end: UInt32 = 1 << 31

    private let thread: UInt32
    private let threads: UInt32
    /// How many ids a thread has.
    private let count: UInt32
    private var next: UInt32
    private var clients: [UInt32: ClientIndex] = [:]

    /// - Parameter seed: where to begin: after a restart others come than before.
    public init(thread: Int, threads: Int, seed: UInt32) {
        self.thread = UInt32(thread)
        self.threads = UInt32(max(1, threads))
        count = (Self.end - Self.first) / self.threads
        next = seed % count
    }

    /// Returns the thread of the client with this id, or nil if no client has such an id.
    public static func thread(of id: UInt32, threads: Int) -> Int? {
        guard id >= first, id < end else { return nil }
        return Int((id - first) % UInt32(max(1, threads)))
    }

    /// Returns an id for a client of this thread.
    public mutating func take(for client: ClientIndex) -> UInt32 {
        var id: UInt32
        repeat {
            id = Self.first + next * threads + thread
            next = (next + 1) % count
        } while clients[id] != nil
        clients[id] = client
        return id
    }

    /// The client with this id; nil when there is none.
    public func client(of id: UInt32) -> ClientIndex? { clients[id] }

    public mutating func giveBack(_ id: UInt32) { clients[id] = nil }
}
