/// SCRAM-SHA-256 (RFC 5802, RFC 7677): what both sides compute.
enum SCRAM {
    static let mechanism = Array("SCRAM-SHA-256".utf8)
    static let keySize = Crypto.sha256Size
    /// PostgreSQL's sizes (scram-common.h).
    static let saltSize = 16
    static let rawNonceSize = 18
    static let defaultIterations = 4096

    /// The text all proofs of one exchange are about.
    static func authMessage(firstBare: [UInt8], serverFirst: [UInt8], finalWithoutProof: [UInt8]) -> [UInt8] {
        Array([firstBare, serverFirst, finalWithoutProof].joined(separator: [UInt8(ascii: ",")]))
    }

    /// A decimal number of 1…2³¹−1 without sign or spaces; nil for anything else.
    static func positiveNumber(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...10).contains(digits.count) else { return nil }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value >= 1 && value <= Int(Int32.max) ? value : nil
    }

    /// RFC 5802's printable: what a nonce may consist of.
    static func isPrintable(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.allSatisfy { $0 >= 0x21 && $0 <= 0x7E && $0 != UInt8(ascii: ",") }
    }
}

/// The keys of one password, salt and iteration count: with ClientKey and ServerKey a login
/// to a server with the same verifier needs no password.
public struct SCRAMKeys: Sendable, Equatable {
    /// 32 bytes each.
    public let clientKey: [UInt8]
    public let serverKey: [UInt8]
    public let storedKey: [UInt8]

    public init(clientKey: [UInt8], serverKey: [UInt8], storedKey: [UInt8]) {
        self.clientKey = clientKey
        self.serverKey = serverKey
        self.storedKey = storedKey
    }

    /// From SaltedPassword, 32 bytes; anything else is a hash that failed (XX000).
    init(saltedPassword: [UInt8]) throws(LoginFailure) {
        guard saltedPassword.count == SCRAM.keySize else { throw LoginFailure.crypto("PBKDF2") }
        let clientKey = try Crypto.hmac(key: saltedPassword, Array("Client Key".utf8))
        self.init(
            clientKey: clientKey,
            serverKey: try Crypto.hmac(key: saltedPassword, Array("Server Key".utf8)),
            storedKey: try Crypto.sha256(clientKey))
    }
}
