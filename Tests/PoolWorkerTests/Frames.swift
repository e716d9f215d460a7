import TestSupport
import Wire

/// One message of the protocol, as it came.
struct Frame: Equatable, CustomStringConvertible {
    let tag: UInt8
    let body: [UInt8]

    var description: String { "\(Character(UnicodeScalar(tag)))(\(text(body.map { $0 < 32 ? 46 : $0 })))" }

    /// The error that it is, if it is one.
    var error: ErrorFields? { tag == BackendTag.errorResponse ? ErrorFields(body: body[...]) : nil }
}

/// Bytes of a stream, taken apart into messages as they become whole.
struct FrameBuffer {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func drop(_ count: Int) { bytes.removeFirst(count) }

    /// The next message, or nil until all of it is there.
    mutating func next() -> Frame? {
        guard bytes.count >= 5 else { return nil }
        let length = bytes[1...4].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count > length else { return nil }
        defer { bytes.removeFirst(length + 1) }
        return Frame(tag: bytes[0], body: Array(bytes[5..<length + 1]))
    }
}

/// Bytes of messages that a `FrameWriter` writes.
func written(_ body: (inout FrameWriter) -> Void) -> [UInt8] {
    var writer = FrameWriter()
    body(&writer)
    return writer.bytes
}

func query(_ text: String) -> [UInt8] { written { $0.query(bytes(text)) } }

/// Parse, Bind and Execute without a Sync.
func execution(_ text: String) -> [UInt8] { written { $0.execution(of: bytes(text)) } }

func message(_ tag: UInt8, _ body: String = "") -> [UInt8] { written { $0.frame(tag) { $0.raw(body.utf8) } } }

let sync = message(FrontendTag.sync)
let terminate = message(FrontendTag.terminate)

func startupPacket(_ parameters: [(String, String)]) -> [UInt8] {
    StartupPacket.startupPacket(parameters.map { .init(name: bytes($0.0), value: bytes($0.1)) })
}
