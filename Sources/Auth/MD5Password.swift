/// PostgreSQL's md5 passwords (md5_common.c).
enum MD5Password {
    private static let prefix = Array("md5".utf8)
    private static let digits = Array("0123456789abcdef".utf8)

    /// The stored form: "md5" ‖ hex(md5(password ‖ user name)).
    static func hash(password: [UInt8], user: [UInt8]) throws(LoginFailure) -> [UInt8] {
        prefix + hex(try Crypto.md5(password + user))
    }

    /// What a client answers to AuthenticationMD5Password: "md5" ‖ hex(md5(hex digits of the
    /// stored form ‖ salt)). `hash` is the stored form.
    static func response(hash: [UInt8], salt: [UInt8]) throws(LoginFailure) -> [UInt8] {
        prefix + hex(try Crypto.md5(hash.dropFirst(prefix.count) + salt))
    }

    /// Whether these bytes are a stored md5 hash: lower-case digits only, as in PostgreSQL.
    static func isHash(_ bytes: [UInt8]) -> Bool {
        bytes.count == prefix.count + 2 * Crypto.md5Size && bytes.starts(with: prefix)
            && bytes.dropFirst(prefix.count).allSatisfy(digits.contains)
    }

    private static func hex(_ bytes: [UInt8]) -> [UInt8] {
        bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
}
