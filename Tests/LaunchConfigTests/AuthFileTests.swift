import Testing

@testable import LaunchConfig

@Suite struct AuthFileTests {
    private func read(_ text: String) -> AuthFile { AuthFile(Array(text.utf8), path: "users.txt") }

    @Test func users() {
        let file = read(
            """
            ; comment
              "joe" "secret" "rest is ignored

            "quo""ted"\t"pass""word" x
            "md5" "md545f2603610af569b6155c45067268c6b"
            "empty" ""
            "scram" "SCRAM-SHA-256$4096:c2FsdA==$a:b"\r
            "joe"\"" "other"
            """)
        #expect(file.diagnostics.all.isEmpty)
        #expect(
            file.secrets == [
                "joe": "secret", "quo\"ted": "pass\"word", "md5": "md545f2603610af569b6155c45067268c6b",
                "empty": "", "scram": "SCRAM-SHA-256$4096:c2FsdA==$a:b", "joe\"": "other",
            ])
        #expect(file.verifierCount == 1)
        #expect(file.mostUseMD5)
    }

    @Test func laterLinesWin() {
        #expect(read("\"a\" \"1\"\n\"a\" \"2\"").secrets == ["a": "2"])
    }

    @Test func mostHaveVerifiers() {
        #expect(!read("\"a\" \"SCRAM-SHA-256$x\"\n\"b\" \"SCRAM-SHA-256$x\"\n\"c\" \"x\"").mostUseMD5)
        #expect(read("").mostUseMD5)
    }

    @Test(arguments: [
        ("joe secret", "\"user\" \"secret\" expected"),
        ("# no comment here", "\"user\" \"secret\" expected"),
        ("\"joe", "user name without closing \""),
        ("\"joe\"", "secret in double quotes expected after the user name"),
        ("\"joe\" secret", "secret in double quotes expected after the user name"),
        ("\"joe\" \"secret", "secret without closing \""),
        ("\"\" \"secret\"", "user name is empty"),
        ("\"\(String(repeating: "u", count: 128))\" \"s\"", "user name is longer than 127 bytes"),
        ("\"joe\" \"\(String(repeating: "s", count: 2048))\"", "secret is longer than 2047 bytes"),
        ("\"joe\" \"a\u{0}b\"", "not valid UTF-8 text"),
    ])
    func problems(line: String, message: String) {
        let file = read("\"first\" \"1\"\n\(line)\n\"last\" \"2\"")
        #expect(file.diagnostics.all.map(\.description) == ["users.txt:2: " + message])
        #expect(file.secrets == ["first": "1", "last": "2"])
    }

    @Test func longestNames() {
        let name = String(repeating: "u", count: 127)
        let secret = String(repeating: "s", count: 2047)
        #expect(read("\"\(name)\" \"\(secret)\"").secrets == [name: secret])
    }
}
