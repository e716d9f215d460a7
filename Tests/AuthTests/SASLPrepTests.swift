import TestSupport
import Testing

@testable import Auth

@Suite struct SASLPrepTests {
    /// Verifiers that PostgreSQL 16.14 stored for roles made with these passwords.
    static let verifiers: [(String, String)] = [
        (
            "Grüße",
            "SCRAM-SHA-256$4096:+/hPfh/Y8ob0CzlPRRy/fg==$MfG/wp2/VxkeM1y5D4wV17k7LylRh4pd4kE+QbXWljE="
                + ":EyviT02Y+dpxwFo4cAenfsdWKEZI5dFq0eP81lCyMB4="
        ),
        (
            "e\u{301}te\u{301}",
            "SCRAM-SHA-256$4096:YKZBMU4/QOKGNqkwhnKvSw==$9rCaXXJL8k0e6zuhE17w63F43zZx2r6pa5JKi/tzEAs="
                + ":Uxn+/Tte/gfNmDrEnBP4zUmzL4/WvbA2ZSmABU27GJE="
        ),
        (
            "IX \u{2168} \u{b5}m\u{b2} \u{bd}",
            "SCRAM-SHA-256$4096:ip4PRjHs9XZZlFV2UHaP5w==$V8rG5wwntIteIXEsjl7hHdugyORQoPk7UG3gKDVWc+k="
                + ":2TZKZ+A7nQz7IMG1q9ykngmb6rhF7zdYyXNUlwxjcpU="
        ),
        (
            "a\u{a0}b\u{ad}c",
            "SCRAM-SHA-256$4096:poswqyAZeKibKsYhF9KY2w==$JoHzi/DmOcj7ZZ4TbS3hMtdxCBlwM1SXDAUZ+QQEn/Y="
                + ":UdeTJCXOpRLd51VUV5J7y0q80qcB5+RBHrov/FmIb6E="
        ),
        (
            "\u{627}\u{644}\u{633}\u{644}\u{627}\u{645}",
            "SCRAM-SHA-256$4096:A3TQNPr6FfTu6IMfYtWd3w==$R+PVw2+P4nh7ChVbhYV/HXyi6tkpJXpZQ2XEbZUz8YA="
                + ":K8fazE0d8EgpLJZ7KMxbTnfVVnjOZox5ZKhpjFKFfcg="
        ),
        (
            "\u{627}a",
            "SCRAM-SHA-256$4096:norDgWIbmie+mgDX8jX5rA==$XI5XC8+dS6Hix8FVrj73yX/PL2byQev/x3LLucaV8nQ="
                + ":/PLbF15Aq/jbdALsPjEMDZrKPZxx28stUI4c6qT3MB4="
        ),
        (
            "\u{1F600} smile",
            "SCRAM-SHA-256$4096:iUobU/V+iwqOqxYx7v5/ag==$SSapabyHuKjPyQIoGjEfMQYw+jSdpuW3k7E3nWKAtwg="
                + ":GP0FNWgWR0ZVI0VBIMmjCHIYi1LXERV9LtbqN9De2Q4="
        ),
        (
            "\u{d55c}\u{ae00} \u{1112}\u{1161}\u{11ab}",
            "SCRAM-SHA-256$4096:AQLj/66S/BNfaIFKLau1Dw==$JDfQqPo/J4Wd87iA3SiwHCha0bwSmMq5uFkRCclbCd0="
                + ":IMAnMGbZNQ+cHLsUu52i3h0G4nMGvsOSZFMEx6q2z+E="
        ),
        (
            "\u{ff21}\u{ff22}\u{3392}",
            "SCRAM-SHA-256$4096:yGBSehtYin1mGBtNnoyTuw==$wbAITqzZ3ZEVmDSD4c/+/zCV+VKoKqxUoNEwvU6GCDw="
                + ":D32p0r7RX9n3NUcFiDg0aYu560c278nyFkUDxADp7eU="
        ),
    ]

    @Test(arguments: verifiers)
    func `passwords hash as in PostgreSQL`(password: String, stored: String) throws {
        let parsed = try #require(SCRAMVerifier(parsing: bytes(stored)))
        let hashed = HashJob(password: bytes(password), salt: parsed.salt, iterations: parsed.iterations)
            .run()
        #expect(
            try SCRAMVerifier(saltedPassword: hashed, salt: parsed.salt, iterations: parsed.iterations)
                == parsed)
    }

    /// RFC 4013, section 3, and what each step does.
    @Test(arguments: [
        ("I\u{ad}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{aa}", "a"), ("\u{2168}", "IX"),
        ("\u{e9}", "\u{e9}"), ("e\u{301}", "\u{e9}"), ("\u{fb01}n", "fin"), ("\u{b4}", " \u{301}"),
        ("\u{3000}x", " x"), ("\u{200b}x", " x"), ("\u{feff}x", "x"), ("\u{1e69}", "\u{1e69}"),
        ("s\u{307}\u{323}", "\u{1e69}"), ("a\u{316}\u{301}\u{301}", "\u{e1}\u{316}\u{301}"),
        ("a\u{30b}\u{301}", "a\u{30b}\u{301}"), ("a\u{301}\u{30b}", "\u{e1}\u{30b}"),
        ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"), ("\u{d558}\u{11ab}", "\u{d55c}"),
        ("\u{d55c}\u{11ab}", "\u{d55c}\u{11ab}"),
        ("\u{958}", "\u{915}\u{93c}"), ("\u{212b}", "\u{e5}".uppercased()), ("\u{1fa}", "\u{1fa}"),
    ])
    func `mapping and normalisation`(password: String, prepared: String) {
        #expect(SASLPrep.prepare(bytes(password)) == bytes(prepared))
    }

    /// Prohibited, unassigned in Unicode 3.2, of mixed direction, empty after mapping.
    @Test(arguments: [
        "\u{aa}\u{7}", "\u{aa}\u{80}", "\u{aa}\u{e000}", "\u{aa}\u{221}", "\u{aa}\u{1F600}",
        "\u{627}\u{31}\u{aa}",
        "\u{627}\u{2168}", "\u{31}\u{627}", "\u{627}\u{31}", "\u{ad}\u{200d}", "\u{aa}\u{fffd}",
        "\u{aa}\u{2028}",
    ])
    func `what SASLprep refuses stays as it is`(password: String) {
        #expect(SASLPrep.prepare(bytes(password)) == bytes(password))
    }

    @Test(
        arguments: [
            [0xC2], [0xC2, 0x41], [0xFF], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xC2, 0xAA, 0xE9],
        ] as [[UInt8]])
    func `what is not UTF-8 stays as it is`(password: [UInt8]) {
        #expect(SASLPrep.prepare(password) == password)
    }

    @Test func `ASCII stays as it is, control characters too`() {
        let all = Array(UInt8(1)...127)
        #expect(SASLPrep.prepare(all) == all)
        #expect(SASLPrep.prepare([]) == [])
    }

    @Test func `long runs of marks take no quadratic time`() {
        let marks = Array(repeating: bytes("\u{301}\u{316}"), count: 15_000).flatMap(\.self)
        let expected = bytes("\u{e1}") + Array(repeating: bytes("\u{316}"), count: 15_000).flatMap(\.self)
        let prepared = SASLPrep.prepare(bytes("a") + marks)
        #expect(prepared.starts(with: expected))
        #expect(prepared.count == 1 + marks.count - 1)
    }
}
