import TestSupport
import Testing

@testable import Wire

@Suite struct StartupOptionsTests {
    static func settings(_ options: String) -> Result<[StartupPacket.Parameter], ErrorFields> {
        do throws(ErrorFields) {
            return .success(try StartupOptions.settings(bytes(options)))
        } catch {
            return .failure(error)
        }
    }

    static func words(_ options: String) -> [String] {
        StartupOptions.split(bytes(options)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `options are split at white space of any kind`() {
        #expect(Self.words("") == [])
        #expect(Self.words(" \t\n\r\u{0B}\u{0C} ") == [])
        #expect(Self.words("a") == ["a"])
        #expect(Self.words("  a\tb\nc\rd\u{0B}e\u{0C}f ") == ["a", "b", "c", "d", "e", "f"])
    }

    /// As pg_split_opts in PostgreSQL's src/backend/utils/init/postinit.c.
    @Test func `a backslash makes the next byte part of its word`() {
        #expect(Self.words(#"a\ b c"#) == ["a b", "c"])
        #expect(Self.words(#"a\\b"#) == [#"a\b"#])
        #expect(Self.words(#"\a\b"#) == ["ab"])
        #expect(Self.words(#"\ "#) == [" "])
        #expect(Self.words("a\\\tb") == ["a\tb"])
        // no quotes: they are bytes like any other
        #expect(Self.words(#"'a b'"#) == ["'a", "b'"])
    }

    @Test func `a backslash at the end is dropped`() {
        #expect(Self.words(#"a\"#) == ["a"])
        #expect(Self.words(#"a \"#) == ["a", ""])
    }

    @Test(arguments: [
        "-c name=value", "-cname=value", "--name=value", " -c  name=value ", "-c\tname=value",
        #"-c na\me=v\alue"#,
    ])
    func `a setting has three spellings`(options: String) {
        #expect(Self.settings(options) == .success([parameter("name", "value")]))
    }

    @Test func `several settings stay in their order`() {
        #expect(
            Self.settings("-c a=1 --b=2 -cc=3 -c a=4")
                == .success([
                    parameter("a", "1"), parameter("b", "2"), parameter("c", "3"), parameter("a", "4"),
                ]))
        #expect(Self.settings("") == .success([]))
    }

    @Test func `hyphens in names are underscores, in values they stay`() {
        #expect(
            Self.settings("--search-path=a-b -c enable-seq-scan=off-on")
                == .success([parameter("search_path", "a-b"), parameter("enable_seq_scan", "off-on")]))
    }

    @Test func `a value may be empty or hold blanks and equal signs`() {
        #expect(Self.settings("-c a=") == .success([parameter("a", "")]))
        #expect(Self.settings(#"-c a=b\ c"#) == .success([parameter("a", "b c")]))
        #expect(Self.settings("-c a=b=c=") == .success([parameter("a", "b=c=")]))
        #expect(Self.settings("--a==") == .success([parameter("a", "=")]))
    }

    @Test(arguments: ["-c =", "-c=", "-c=x", "-c =x", "--=", "--=x", #"-c \=x"#])
    func `a setting without a name is refused`(options: String) {
        #expect(Self.sqlstate(options) == "42601")
        #expect(Self.message(options)?.hasPrefix("setting without a name in startup options") == true)
    }

    @Test(arguments: ["-c", "-c ", "--a=b -c"]) func `-c at the end lacks its setting`(options: String) {
        #expect(Self.sqlstate(options) == "42601")
        #expect(Self.message(options) == "invalid command-line argument for server process: -c")
    }

    @Test func `a setting without a value is refused by name`() {
        #expect(Self.message("-c name") == "-c name requires a value")
        #expect(Self.message("-cname") == "-c name requires a value")
        #expect(Self.message("--name") == "--name requires a value")
        #expect(Self.message("--") == "-- requires a value")
        #expect(Self.message("-c --name=value") == nil)
        for options in ["-c name", "-cname", "--name", "--"] { #expect(Self.sqlstate(options) == "42601") }
    }

    @Test(arguments: ["-B 10", "-", "a", "-d", "name=value", "-C a=b", #"\ "#])
    func `other switches are refused`(options: String) {
        #expect(Self.sqlstate(options) == "0A000")
    }

    @Test func `an empty word is refused, as it says nothing`() { #expect(Self.sqlstate(#"\"#) == "0A000") }

    @Test(arguments: UInt64(0)..<200) func `random options never trap`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("-c=a \\\t'".utf8) + [0xff]
        let options = (0..<random.below(24)).map { _ in alphabet[random.below(alphabet.count)] }
        do throws(ErrorFields) {
            for setting in try StartupOptions.settings(options) {
                #expect(!setting.name.isEmpty && !setting.name.contains(UInt8(ascii: "=")), "seed \(seed)")
            }
        } catch {
            #expect(error.severity == .fatal, "seed \(seed)")
            #expect(["42601", "0A000"].contains(error.sqlstate), "seed \(seed)")
        }
    }

    static func sqlstate(_ options: String) -> String? {
        if case .failure(let fields) = settings(options) { fields.sqlstate } else { nil }
    }

    static func message(_ options: String) -> String? {
        if case .failure(let fields) = settings(options) { fields.message } else { nil }
    }
}
