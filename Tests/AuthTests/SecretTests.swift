import TestSupport
import Testing

@testable import Auth

/// Hashes that PostgreSQL 16.14 stored for roles made with these passwords.
@Suite struct SecretTests {
    @Test(arguments: [
        ("m1", "pencil", "md57474753e4b2f9e23953d5977773aabb0"),
        ("Müller", "Grüße", "md5924bc9470ad66562fc6fcc21ef4bd7d0"),
        ("m3", "a longer password with spaces and \"quotes\"", "md57169de12b13629566088e85804e3398b"),
    ])
    func `md5 hashes are PostgreSQL's`(user: String, password: String, stored: String) throws {
        #expect(try MD5Password.hash(password: bytes(password), user: bytes(user)) == bytes(stored))
        #expect(Secret(stored: bytes(stored)) == .md5(bytes(stored)))
    }

    static let verifiers: [(String, String)] = [
        (
            "pencil",
            "SCRAM-SHA-256$4096:Vg9H3xbCnuRnq/YYTaByyw==$rNiOt0bMs/ZBPHyosi/AlnEis1qrSqS2Y6pXupSynXY="
                + ":60u9Nh6YpPJiOBtUJXKUQRZGzB+XZABIrbkHE7iPGt4="
        ),
        (
            "one round",
            "SCRAM-SHA-256$1:NRKkh4GTKrlQxeHvYKEhrA==$oJeyM8wRjo+XzgfTZgCS9NhTi6/0R3E57M7XU8p+Dh4="
                + ":vXhCieFxxN9LkZts4dgy5LV7u4LNnINantHQ4hniI+c="
        ),
    ]

    @Test(arguments: verifiers)
    func `SCRAM verifiers are PostgreSQL's`(password: String, stored: String) throws {
        let parsed = try #require(SCRAMVerifier(parsing: bytes(stored)))
        #expect(text(parsed.stored) == stored)
        #expect(Secret(stored: bytes(stored)) == .scram(parsed))
        let hashed = HashJob(password: bytes(password), salt: parsed.salt, iterations: parsed.iterations)
            .run()
        #expect(
            try SCRAMVerifier(saltedPassword: hashed, salt: parsed.salt, iterations: parsed.iterations)
                == parsed)
    }

    static let key = "rNiOt0bMs/ZBPHyosi/AlnEis1qrSqS2Y6pXupSynXY="

    @Test(arguments: [
        "SCRAM-SHA-256$", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$4096:c2FsdA==",
        "SCRAM-SHA-256$4096:c2FsdA==$\(key)", "SCRAM-SHA-256$4096:c2FsdA==$\(key):",
        "SCRAM-SHA-256$4096:c2FsdA==$\(key):\(key):\(key)", "SCRAM-SHA-256$4096:c2FsdA==$\(key):\(key)$",
        "SCRAM-SHA-256$4096:salt!$\(key):\(key)", "SCRAM-SHA-256$0:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$-1:c2FsdA==$\(key):\(key)", "SCRAM-SHA-256$4096x:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$2147483648:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$99999999999999999999:c2FsdA==$\(key):\(key)",
        "SCRAM-SHA-256$:c2FsdA==$\(key):\(key)", "SCRAM-SHA-256$4096:$\(key):\(key)",
        "SCRAM-SHA-256$4096:c2FsdA==$c2hvcnQ=:\(key)",
    ])
    func `a broken verifier lets nobody in`(stored: String) {
        #expect(SCRAMVerifier(parsing: bytes(stored)) == nil)
        #expect(Secret(stored: bytes(stored)) == .none)
    }

    @Test(arguments: [
        "pencil", "md5", "md5secret", "md57474753E4B2F9E23953D5977773AABB0",
        "md57474753e4b2f9e23953d5977773aabb",
        "md57474753e4b2f9e23953d5977773aabb00", "md57474753e4b2f9e23953d5977773aabbg", "SCRAM-SHA-1$",
    ])
    func `all else is a clear-text password`(stored: String) {
        #expect(Secret(stored: bytes(stored)) == .password(bytes(stored)))
    }

    @Test func `an empty secret is none`() {
        #expect(Secret(stored: []) == .none)
    }

    @Test(arguments: [0, -1, Int(Int32.max) + 1, Int.max, Int.min])
    func `an impossible hash job gives nothing`(iterations: Int) {
        #expect(HashJob(password: bytes("x"), salt: bytes("salt"), iterations: iterations).run() == [])
    }

    /// RFC 7914, section 11.
    @Test func `PBKDF2 holds the RFC's vector`() {
        let key = HashJob(password: bytes("passwd"), salt: bytes("salt"), iterations: 1).run()
        #expect(key.prefix(8) == [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f])
    }
}
