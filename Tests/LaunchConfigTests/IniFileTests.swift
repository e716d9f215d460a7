import Testing

@testable import LaunchConfig

@Suite struct IniFileTests {
    private func items(_ files: [String: String]) -> [String] {
        IniFile(path: "t.ini", files: memory(files)).items.map { item in
            switch item.content {
            case .section(let name): "\(item.place) [\(name)]"
            case .entry(let section, let key, let value): "\(item.place) \(section)/\(key)=\(value)"
            case .problem(let message): "\(item.place) ! \(message)"
            }
        }
    }

    private func lines(_ text: String) -> [String] {
        items(["t.ini": "[s]\n" + text]).dropFirst().map(\.self)
    }

    @Test(arguments: [
        ("key=value", "s/key=value"),
        ("key = value", "s/key=value"),
        ("  key\t=\t value \t\r", "s/key=value"),
        ("a.b-c_D*9 = x", "s/a.b-c_D*9=x"),
        ("* = host=h port=1", "s/*=host=h port=1"),
        ("key =", "s/key="),
        ("key = a = b", "s/key=a = b"),
        ("key = 5 ; not a comment", "s/key=5 ; not a comment"),
        ("key = 'kept as is'", "s/key='kept as is'"),
        ("\"a \"\"b\" = x", "s/a \"b=x"),
        ("key = ü", "s/key=ü"),
    ])
    func entry(line: String, expected: String) {
        #expect(lines(line) == ["t.ini:2 " + expected])
    }

    @Test(arguments: ["", "   ", "; comment", "# comment", "  ; [x] comment", "\t\r"])
    func nothing(line: String) {
        #expect(lines(line) == [])
    }

    @Test(arguments: [
        ("key", "syntax error: key = value expected"),
        ("key value", "syntax error: key = value expected"),
        ("= value", "syntax error: key = value expected"),
        ("a b = value", "syntax error: key = value expected"),
        ("\"\" = value", "syntax error: key = value expected"),
        ("\"a = value", "syntax error: quoted name without closing \""),
        ("[x", "syntax error: section name without ]"),
        ("%include", "syntax error: %include without a file name"),
        ("%include  ", "syntax error: %include without a file name"),
        ("%includex y", "syntax error: key = value expected"),
        ("%include gone.ini", "could not read gone.ini: No such file or directory"),
        ("a = b\u{0}c", "not valid UTF-8 text"),
    ])
    func problem(line: String, message: String) {
        #expect(lines("\n" + line) == ["t.ini:3 ! " + message])
    }

    @Test func notUTF8() {
        let reader = FileReader { _ in
            .success(Array("[s]\n; ".utf8) + [0xe9, 10] + Array("k = ".utf8) + [0xe9, 10])
        }
        let items = IniFile(path: "t.ini", files: reader).items
        #expect(items.map(\.content) == [.section("s"), .problem("not valid UTF-8 text")])
        #expect(items[1].place.line == 3)
    }

    @Test func allProblemsAreCollected() {
        #expect(lines("a\nb = 1\nc\n").count == 3)
    }

    @Test func valueBeforeSection() {
        #expect(items(["t.ini": "a = 1"]) == ["t.ini:1 ! a stands before any [section]"])
    }

    @Test func sectionsAndEntriesOnOneLine() {
        #expect(
            items(["t.ini": "[a] x = 1\n[b]; comment\n[ c ]"])
                == ["t.ini:1 [a]", "t.ini:1 a/x=1", "t.ini:2 [b]", "t.ini:3 [ c ]"])
    }

    @Test func sectionGoesOnAcrossIncludes() {
        let read = items([
            "t.ini": "[a]\n%include  dir/i.ini \nz = 3\n", "dir/i.ini": "x = 1\n%include j.ini\ny = 2",
            "j.ini": "[b]",
        ])
        #expect(
            read == ["t.ini:1 [a]", "dir/i.ini:1 a/x=1", "j.ini:1 [b]", "dir/i.ini:3 b/y=2", "t.ini:3 b/z=3"])
    }

    @Test func includesEnd() {
        let read = items(["t.ini": "%include t.ini"])
        #expect(read == ["t.ini:1 ! include nesting level too deep: 10 files at most"])
    }

    @Test func unreadable() {
        let file = IniFile(path: "gone.ini", files: memory([:]))
        #expect(file.failure == ReadError("No such file or directory"))
    }

    @Test func realFiles() throws {
        #expect(throws: ReadError("No such file or directory")) {
            try FileReader.system.read("/gone/x").get()
        }
        #expect(throws: ReadError("Is a directory")) { try FileReader.system.read("/tmp").get() }
        #expect(throws: ReadError("longer than 64 MB")) { try FileReader.system.read("/dev/zero").get() }
    }
}

@Suite struct ConnectionStringTests {
    private func pairs(_ text: String) throws -> [String] {
        try ConnectionString(text).pairs.map { "\($0.key)=\($0.value)" }
    }

    @Test(arguments: [
        ("", []),
        ("host=h", ["host=h"]),
        ("  host = h   port= 5 ", ["host=h", "port=5"]),
        ("host=h\tport=5", ["host=h", "port=5"]),
        ("dbname='a b' user='o''brien'", ["dbname=a b", "user=o'brien"]),
        ("dbname='a=b'", ["dbname=a=b"]),
        ("password=a''b", ["password=a''b"]),
        ("password=a'b", ["password=a'b"]),
        ("password=a=b", ["password=a=b"]),
    ])
    func valid(text: String, expected: [String]) throws {
        #expect(try pairs(text) == expected)
    }

    @Test(arguments: [
        ("host", "= expected after \"host\""),
        ("host h", "= expected after \"host\""),
        ("=h", "= expected after \"\""),
        ("host=", "host has an empty value"),
        ("host=''", "host has an empty value"),
        ("host='h", "host has no closing quote"),
        ("host='h'port=5", "space expected after the value of host"),
    ])
    func invalid(text: String, message: String) {
        #expect(
            throws: ConnectionString.SyntaxError(message: "syntax error in connection string: " + message)
        ) {
            try ConnectionString(text)
        }
    }
}
