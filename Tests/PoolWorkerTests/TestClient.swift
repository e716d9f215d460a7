import CTestHost
import TestSupport
import Wire

/// A client of a test: one end of a socket pair whose other end the worker has.
final class TestClient {
    private var socket: Socket
    private var input = FrameBuffer()
    private unowned let world: World
    let thread: Int
    /// What came with the last `BackendKeyData`.
    private(set) var process: UInt32 = 0
    private(set) var secret: UInt32 = 0
    private(set) var parameters: [String: String] = [:]
    /// Bytes that the socket has not taken.
    private var unsent: [UInt8] = []

    init(_ world: World, thread: Int) {
        self.world = world
        self.thread = thread
        var ends: [Int32] = [-1, -1]
        precondition(ctest_pair(&ends) == 0, "no socket pair")
        socket = Socket(ends[0])
        world.shared.adopt(ends[1], thread: thread)
    }

    /// - Parameter socket: connected to a listener of the worker.
    init(_ world: World, socket: Socket) {
        self.world = world
        self.socket = socket
        thread = -1
    }

    deinit { socket.close() }

    /// The worker has ended the connection, as far as the client has read.
    var hasEnded: Bool { socket.hasEnded }
    var isOpen: Bool { socket.isOpen }

    // MARK: sending

    func send(_ bytes: [UInt8]) {
        unsent += bytes
        flush()
    }

    /// Sends what the socket did not take before.
    func flush() {
        while socket.isOpen, !unsent.isEmpty {
            let n = socket.send(unsent)
            guard n > 0 else { return }
            unsent.removeFirst(n)
        }
    }

    func close() { socket.close() }

    /// Ends the stream to the worker, and still reads.
    func endOutput() { socket.endOutput() }

    // MARK: reading

    /// Messages that have come since the last call.
    func read() -> [Frame] {
        input.append(socket.receive())
        var frames: [Frame] = []
        while let frame = input.next() {
            note(frame)
            frames.append(frame)
        }
        return frames
    }

    /// Bytes that have come since the last call, without looking for messages.
    func readBytes() -> [UInt8] { socket.receive() }

    /// Bytes of a message that is not whole yet.
    var partial: Int { input.bytes.count }

    private func note(_ frame: Frame) {
        var reader = ByteReader(frame.body)
        if frame.tag == BackendTag.backendKeyData {
            process = reader.int32() ?? 0
            secret = reader.int32() ?? 0
        } else if frame.tag == BackendTag.parameterStatus {
            let name = text(reader.string() ?? [])
            parameters[name] = text(reader.string() ?? [])
        }
    }

    // MARK: whole exchanges

    /// Sends, lets everything settle, and reads.
    func exchange(_ bytes: [UInt8]) -> [Frame] {
        send(bytes)
        world.settle()
        return read()
    }

    /// A simple query, and all that comes of it.
    func ask(_ text: String) -> [Frame] { exchange(query(text)) }

    /// Logs in; the client is called by its application_name.
    @discardableResult
    func login(user: String = "ann", database: String = "shop", name: String? = nil) -> [Frame] {
        exchange(Self.startup(user: user, database: database, name: name))
    }

    static func startup(user: String = "ann", database: String = "shop", name: String? = nil) -> [UInt8] {
        let names = [("user", user), ("database", database)]
        return startupPacket(names + (name.map { [("application_name", $0)] } ?? []))
    }
}

extension [Frame] {
    /// The tags of the messages, in order.
    var tags: String { String(map { Character(UnicodeScalar($0.tag)) }) }

    /// Of rows their text.
    var rows: [String] { filter { $0.tag == BackendTag.dataRow }.map { text($0.body.dropFirst(6)) } }

    var errors: [ErrorFields] { compactMap(\.error) }

    /// SQLSTATEs of the errors.
    var states: [String] { errors.map(\.sqlstate) }

    /// The status of the last ReadyForQuery.
    var status: Character? {
        last { $0.tag == BackendTag.readyForQuery }?.body.first.map { Character(UnicodeScalar($0)) }
    }
}
