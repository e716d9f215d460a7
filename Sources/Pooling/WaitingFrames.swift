/// Frames that wait for clients that can't take them now, and how many bytes they come to:
/// for each client, and for all.
public struct WaitingFrames {
    /// What memory a frame takes beside its own bytes: an array's header, its place in another.
    public static let overhead = 64

    private struct Queue {
        var frames: [[UInt8]] = []
        var first = 0
        var bytes = 0
    }

    private var queues: [ClientIndex: Queue] = [:]
    /// Bytes that wait for all clients, overhead included.
    public private(set) var bytes = 0

    public init() {}

    public var isEmpty: Bool { queues.isEmpty }
    /// Those for whom something waits, in no order.
    public var clients: [ClientIndex] { Array(queues.keys) }

    public func isWaiting(_ client: ClientIndex) -> Bool { queues[client] != nil }

    /// Bytes that wait for a client, overhead included.
    public func bytes(of client: ClientIndex) -> Int { queues[client]?.bytes ?? 0 }

    public mutating func append(_ frame: [UInt8], for client: ClientIndex) {
        let size = frame.count + Self.overhead
        queues[client, default: Queue()].frames.append(frame)
        queues[client, default: Queue()].bytes += size
        bytes += size
    }

    /// The first frame of a client; nil when none waits.
    public mutating func takeFirst(of client: ClientIndex) -> [UInt8]? {
        guard var queue = queues.removeValue(forKey: client) else { return nil }
        let frame = queue.frames[queue.first]
        let size = frame.count + Self.overhead
        queue.frames[queue.first] = []
        queue.first += 1
        queue.bytes -= size
        bytes -= size
        if queue.first == queue.frames.count { return frame }
        if queue.first > 1024 && queue.first * 2 > queue.frames.count {
            queue.frames.removeFirst(queue.first)
            queue.first = 0
        }
        queues[client] = queue
        return frame
    }

    /// Nothing waits for a client any more.
    public mutating func forget(_ client: ClientIndex) {
        if let queue = queues.removeValue(forKey: client) { bytes -= queue.bytes }
    }

    /// The client for whom most waits; nil when nothing waits for anyone.
    public var largest: ClientIndex? {
        queues.max { $0.value.bytes < $1.value.bytes }?.key
    }
}
