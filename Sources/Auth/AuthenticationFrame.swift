/// The kinds of authentication request a server may send (protocol manual, AuthenticationXXX).
enum AuthenticationCode {
    static let ok: UInt32 = 0
    static let cleartextPassword: UInt32 = 3
    static let md5Password: UInt32 = 5
    static let sasl: UInt32 = 10
    static let saslContinue: UInt32 = 11
    static let saslFinal: UInt32 = 12

    /// A name for messages; nil for a number the protocol does not define.
    static func name(_ code: UInt32) -> String? {
        switch code {
        case 2: "Kerberos V5"
        case 4: "crypt"
        case 6: "SCM credentials"
        case 7: "GSSAPI"
        case 8: "GSSAPI continuation"
        case 9: "SSPI"
        default: nil
        }
    }
}

/// Frames of the login, appended to what goes to the peer.
extension [UInt8] {
    mutating func appendBigEndian(_ value: UInt32) {
        for shift: UInt32 in [24, 16, 8, 0] { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    /// An authentication request ('R').
    mutating func appendAuthentication(_ code: UInt32, _ payload: [UInt8] = []) {
        append(UInt8(ascii: "R"))
        appendBigEndian(UInt32(clamping: payload.count + 8))
        appendBigEndian(code)
        append(contentsOf: payload)
    }

    /// A PasswordMessage, SASLInitialResponse or SASLResponse ('p').
    mutating func appendPasswordFrame(_ body: [UInt8]) {
        append(UInt8(ascii: "p"))
        appendBigEndian(UInt32(clamping: body.count + 4))
        append(contentsOf: body)
    }
}

/// Reads the body of a frame; nothing is read past its end.
struct BodyReader {
    private(set) var rest: ArraySlice<UInt8>

    init(_ body: ArraySlice<UInt8>) {
        rest = body
    }

    mutating func int32() -> UInt32? {
        guard let bytes = bytes(4) else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// A string up to its NUL, which is passed.
    mutating func string() -> [UInt8]? {
        guard let end = rest.firstIndex(of: 0) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return Array(rest[..<end])
    }
}
