/// The first packet of a connection (PostgreSQL documentation, "Start-up",
/// "StartupMessage", "CancelRequest", "SSLRequest", "GSSENCRequest").
public enum StartupPacket: Equatable, Sendable {
    public struct Parameter: Equatable, Sendable {
        public let name: [UInt8]
        public let value: [UInt8]

        public init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    case sslRequest
    case gssEncryptionRequest
    case cancelRequest(processID: UInt32, secret: UInt32)
    /// Major version 3. `parameters` in their order, `_pq_.` options split off.
    case startup(minor: UInt16, parameters: [Parameter], protocolOptions: [[UInt8]])

    /// The outcome of looking at the bytes received so far.
    public enum Result: Equatable, Sendable {
        case needMore
        /// The packet and how many bytes it took.
        case packet(StartupPacket, size: Int)
        /// No PostgreSQL client says this: the error for it.
        case malformed(ErrorFields)
        /// No packet at all: PostgreSQL closes without a word, and logs why.
        case invalid(String)
        /// A protocol before 3.0: the error for it, which has the old form there.
        case outdated(ErrorFields)
    }

    static let cancelCode: UInt32 = 1234 << 16 | 5678
    public static let sslCode: UInt32 = 1234 << 16 | 5679
    public static let gssCode: UInt32 = 1234 << 16 | 5680

    private static func violation(_ message: String) -> Result {
        .malformed(ErrorFields(.fatal, "08P01", message))
    }

    /// Parses the packet at the front of `bytes`.
    public static func parse(_ bytes: ArraySlice<UInt8>) -> Result {
        var header = ByteReader(bytes)
        guard let length = header.int32() else { return .needMore }
        guard length >= 8, length <= FrameLimit.startup else {
            return .invalid("invalid length of startup packet")
        }
        guard bytes.count >= Int(length) else { return .needMore }
        guard let code = header.int32(), let body = header.take(Int(length) - 8) else { return .needMore }
        switch code {
        case sslCode, gssCode:
            return .packet(code == sslCode ? .sslRequest : .gssEncryptionRequest, size: Int(length))
        case cancelCode:
            var reader = ByteReader(body)
            guard length == 16, let process = reader.int32(), let secret = reader.int32() else {
                return .invalid("invalid length of query cancel packet")
            }
            return .packet(.cancelRequest(processID: process, secret: secret), size: 16)
        default:
            guard code >> 16 == 3 else {
                return code >> 16 < 3 ? .outdated(unsupported(code)) : .malformed(unsupported(code))
            }
            return parseStartup(minor: UInt16(code & 0xffff), body, size: Int(length))
        }
    }

    /// The error for a version of the protocol that we don't speak.
    public static func unsupported(_ code: UInt32) -> ErrorFields {
        ErrorFields(
            .fatal, "0A000",
            "unsupported frontend protocol \(code >> 16).\(code & 0xffff): server supports 3.0 to 3.0")
    }

    private static func parseStartup(minor: UInt16, _ body: ArraySlice<UInt8>, size: Int) -> Result {
        var reader = ByteReader(body)
        var parameters: [Parameter] = []
        var options: [[UInt8]] = []
        while let name = reader.string() {
            if name.isEmpty {
                guard reader.left == 0 else { break }
                return .packet(
                    .startup(minor: minor, parameters: parameters, protocolOptions: options), size: size)
            }
            guard let value = reader.string() else { break }
            if name.starts(with: "_pq_.".utf8) {
                options.append(name)
            } else {
                parameters.append(Parameter(name: name, value: value))
            }
        }
        return violation("invalid startup packet layout: expected terminator as last byte")
    }

    /// A boolean value, as PostgreSQL reads one (`parse_bool`): any beginning that is no other's.
    public static func boolean(_ text: String) -> Bool? {
        let text = text.lowercased()
        if text == "1" || text == "0" { return text == "1" }
        guard !text.isEmpty, text != "o" else { return nil }
        if ["true", "yes", "on"].contains(where: { $0.hasPrefix(text) }) { return true }
        return ["false", "no", "off"].contains { $0.hasPrefix(text) } ? false : nil
    }

    /// A CancelRequest packet.
    public static func cancelPacket(processID: UInt32, secret: UInt32) -> [UInt8] {
        var writer = FrameWriter()
        writer.packet {
            $0.int32(cancelCode)
            $0.int32(processID)
            $0.int32(secret)
        }
        return writer.bytes
    }

    /// How a client's session starts, as an agent takes it in front of its first bytes
    /// (cledger.h, CLEDGER_START).
    /// - Parameter roleSettings: the first list, with its end.
    public static func sessionPacket(roleSettings: [UInt8], _ parameters: some Sequence<Parameter>) -> [UInt8]
    {
        var writer = FrameWriter()
        writer.packet {
            $0.raw(roleSettings)
            for parameter in parameters {
                $0.string(parameter.name)
                $0.string(parameter.value)
            }
            $0.byte(0)
        }
        return writer.bytes
    }

    /// A StartupMessage of protocol 3.0.
    public static func startupPacket(_ parameters: [Parameter]) -> [UInt8] {
        var writer = FrameWriter()
        writer.packet {
            $0.int32(3 << 16)
            for parameter in parameters {
                $0.string(parameter.name)
                $0.string(parameter.value)
            }
            $0.byte(0)
        }
        return writer.bytes
    }
}
