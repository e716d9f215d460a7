/// The settings of a startup packet in their order, as compact as they came: a packet may hold
/// thousands, and clients that wait for a server keep them.
public struct StartupSettings: Sequence, Equatable, Sendable {
    /// Bytes there may be. PostgreSQL takes what a packet of 10,000 bytes can say; switches in
    /// `options` (`-F`) can stand for more than they take there.
    public static let most = 16_384

    /// Names and values, each with its NUL.
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// Neither name nor value may hold a NUL. Throws 54000 (program_limit_exceeded).
    public mutating func append(_ setting: StartupPacket.Parameter) throws(ErrorFields) {
        let count = bytes.count + setting.name.count + setting.value.count + 2
        guard count <= Self.most else {
            throw ErrorFields(
                .fatal, "54000", "too many settings in the startup packet",
                detail: "They come to more than \(Self.most) bytes.",
                hint: "Use ALTER ROLE … SET, or SET after the login.")
        }
        bytes += setting.name
        bytes.append(0)
        bytes += setting.value
        bytes.append(0)
    }

    public func makeIterator() -> Iterator { Iterator(reader: ByteReader(bytes[...])) }

    public struct Iterator: IteratorProtocol {
        fileprivate var reader: ByteReader

        public mutating func next() -> StartupPacket.Parameter? {
            guard let name = reader.string(), let value = reader.string() else { return nil }
            return StartupPacket.Parameter(name: name, value: value)
        }
    }
}
