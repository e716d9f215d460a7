/// What a server keeps of a password for SCRAM-SHA-256: enough to check a client and to prove
/// itself to it, not enough to log in.
public struct SCRAMVerifier: Sendable, Equatable {
    /// 1…2³¹−1.
    public let iterations: Int
    public let salt: [UInt8]
    /// SHA-256 of the ClientKey, 32 bytes.
    public let storedKey: [UInt8]
    /// 32 bytes.
    public let serverKey: [UInt8]

    static let prefix = Array("SCRAM-SHA-256$".utf8)

    init(iterations: Int, salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8]) {
        self.iterations = iterations
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// The verifier of a password, given its SaltedPassword (a HashJob's result).
    init(saltedPassword: [UInt8], salt: [UInt8], iterations: Int) throws(LoginFailure) {
        let keys = try SCRAMKeys(saltedPassword: saltedPassword)
        self.init(
            iterations: iterations, salt: salt, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }

    /// Parses "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey", the last three in base64,
    /// as in pg_authid.rolpassword; nil for anything else.
    public init?(parsing text: [UInt8]) {
        guard text.starts(with: Self.prefix) else { return nil }
        let parts = text.dropFirst(Self.prefix.count).split(
            separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let work = parts[0].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let keys = parts[1].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard work.count == 2, keys.count == 2,
            let iterations = SCRAM.positiveNumber(work[0]),
            let salt = Base64.decode(work[1]), !salt.isEmpty,
            let storedKey = Base64.decode(keys[0]), storedKey.count == SCRAM.keySize,
            let serverKey = Base64.decode(keys[1]), serverKey.count == SCRAM.keySize
        else { return nil }
        self.init(iterations: iterations, salt: salt, storedKey: storedKey, serverKey: serverKey)
    }

    /// The stored form.
    public var stored: [UInt8] {
        Self.prefix + Array("\(iterations):".utf8) + Base64.encode(salt) + Array("$".utf8)
            + Base64.encode(storedKey) + Array(":".utf8) + Base64.encode(serverKey)
    }
}
