/// Builds frames in a byte array; for logins, errors and our own queries, never on the
/// hot path.
public struct FrameWriter {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// - Parameter capacity: bytes that there will be; memory for no more is taken.
    public init(capacity: Int) { bytes.reserveCapacity(capacity) }

    /// One frame: tag, length and whatever `body` appends.
    public mutating func frame(_ tag: UInt8, _ body: (inout FrameWriter) -> Void = { _ in }) {
        bytes.append(tag)
        packet(body)
    }

    /// A frame without tag: startup packets and their kin.
    public mutating func packet(_ body: (inout FrameWriter) -> Void) {
        let start = bytes.count
        int32(0)
        body(&self)
        let length = UInt32(truncatingIfNeeded: bytes.count - start)
        for index in 0..<4 {
            bytes[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(index)))
        }
    }

    public mutating func byte(_ value: UInt8) { bytes.append(value) }

    public mutating func int16(_ value: UInt16) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    public mutating func int32(_ value: UInt32) {
        int16(UInt16(truncatingIfNeeded: value >> 16))
        int16(UInt16(truncatingIfNeeded: value))
    }

    /// The string and its NUL; bytes after a NUL inside are left out, as C would.
    public mutating func string(_ value: some Collection<UInt8>) {
        bytes.append(contentsOf: value.prefix { $0 != 0 })
        bytes.append(0)
    }

    public mutating func string(_ value: String) { string(value.utf8) }

    public mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

    /// ReadyForQuery with a `TransactionStatus`.
    public mutating func readyForQuery(_ status: UInt8 = TransactionStatus.idle) {
        frame(BackendTag.readyForQuery) { $0.byte(status) }
    }

    public mutating func query(_ text: some Collection<UInt8>) {
        frame(FrontendTag.query) { $0.string(text) }
    }

    /// Parse, Bind and Execute of a statement without parameters, by the unnamed statement and portal.
    public mutating func execution(of text: some Collection<UInt8>) {
        frame(FrontendTag.parse) {
            $0.string([])
            $0.string(text)
            $0.int16(0)
        }
        frame(FrontendTag.bind) { $0.raw([UInt8](repeating: 0, count: 8)) }
        frame(FrontendTag.execute) {
            $0.string([])
            $0.int32(0)
        }
    }

    public mutating func parameterStatus(_ name: [UInt8], _ value: [UInt8]) {
        frame(BackendTag.parameterStatus) {
            $0.string(name)
            $0.string(value)
        }
    }
}
