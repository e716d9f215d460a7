import CHost
import Testing

@testable import LaunchConfig

@Suite struct LaunchArgumentsTests {
    @Test func actions() throws {
        #expect(try LaunchArguments([]).action == .run)
        #expect(try LaunchArguments(["--check", "f.ini"]).action == .check)
        #expect(try LaunchArguments(["-V"]).action == .version)
        #expect(try LaunchArguments(["--check", "--help", "--version"]).action == .help)
        #expect(try LaunchArguments(["--version", "--check"]).action == .version)
    }

    @Test func options() throws {
        let arguments = try LaunchArguments(
            [
                "--server", "h:1", "--listen=a:2", "f.ini", "-u", "joe", "--server-reset-query", "",
                "--logfile=a=b",
            ])
        #expect(arguments.file == "f.ini")
        #expect(
            arguments.options.map(\.spelling) == [
                "--server", "--listen", "-u", "--server-reset-query", "--logfile",
            ])
        #expect(arguments.options.map(\.value) == ["h:1", "a:2", "joe", "", "a=b"])
        #expect(arguments.options[2].target == .setting(try #require(Setting.named("user"))))
    }

    @Test func filesThatLookLikeOptions() throws {
        #expect(try LaunchArguments(["--", "--check"]).file == "--check")
    }

    @Test(arguments: [
        (["--sever", "x"], "unknown option --sever (did you mean --server?)"),
        (["--pool_mode", "x"], "unknown option --pool_mode (did you mean --pool-mode?)"),
        (["--xyzzy"], "unknown option --xyzzy"),
        (["--pool-size", "3"], "unknown option --pool-size"),
        (["--test-faults", "1"], "unknown option --test-faults"),
        (["--threads"], "--threads needs a value"),
        (["--check=1"], "--check takes no value"),
        (["a", "b"], "one FILE.ini expected, but there are a and b"),
        ([""], "the name of FILE.ini is empty"),
    ])
    func mistakes(arguments: [String], message: String) {
        #expect(throws: LaunchArguments.UsageError(message: message)) { try LaunchArguments(arguments) }
    }

    @Test func everySettingHasAnOption() throws {
        for setting in Setting.all where !setting.isHidden && !setting.isScopedOnly {
            let loader = try load(["--server", "h", setting.option, setting.standard])
            #expect(loader.diagnostics.errors.isEmpty, "\(setting.name)")
            #expect(loader.configuration.origin(of: setting) == .option(setting.option))
        }
    }

    @Test func help() throws {
        #expect(HelpText.text == (try Fixture.golden("help.txt", now: HelpText.text)))
        #expect(HelpText.text.split(separator: "\n").allSatisfy { $0.count <= 100 })
        for setting in Setting.all {
            let isListed = HelpText.text.split(whereSeparator: { " ,\n".contains($0) }).contains {
                $0 == setting.option
            }
            #expect(isListed == !(setting.isHidden || setting.isScopedOnly))
        }
    }

    @Test func exitStatuses() {
        #expect([ExitStatus.ok, .badConfiguration, .cannotStart, .usage].map(\.rawValue) == [0, 1, 2, 64])
    }
}

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("db", ServerAddress.host("db", port: 5432), "db:5432"),
        ("db:6000", .host("db", port: 6000), "db:6000"),
        ("127.0.0.1:1", .host("127.0.0.1", port: 1), "127.0.0.1:1"),
        ("::1", .host("::1", port: 5432), "[::1]:5432"),
        ("[::1]", .host("::1", port: 5432), "[::1]:5432"),
        ("[::1]:65535", .host("::1", port: 65535), "[::1]:65535"),
        ("/run/pg", .unix(directory: "/run/pg", port: 5432), "/run/pg:5432"),
        ("/run/pg:6000", .unix(directory: "/run/pg", port: 6000), "/run/pg:6000"),
    ])
    func valid(text: String, expected: ServerAddress, printed: String) throws {
        #expect(try ServerAddress(text) == expected)
        #expect(expected.description == printed)
    }

    @Test(arguments: [
        ("", "host name expected"), (":5432", "host name expected"), ("[]:1", "host name expected"),
        ("db:", "invalid port \"\": 1 to 65535 expected"),
        ("db:0", "invalid port \"0\": 1 to 65535 expected"),
        ("db:65536", "invalid port \"65536\": 1 to 65535 expected"),
        ("db:pg", "invalid port \"pg\": 1 to 65535 expected"),
        ("[::1", "[::1: ] expected after the address"),
        ("[::1]5", "[::1]5: :PORT expected after ]"),
        ("a,b:5", "host = a,b: a list of hosts is not supported yet"),
        ("@pg", "host = @pg: abstract Unix sockets are not supported yet"),
        (
            "/\(String(repeating: "d", count: 94))",
            "/\(String(repeating: "d", count: 94))/.s.PGSQL.5432 is longer than 107 bytes"
        ),
    ])
    func invalid(text: String, message: String) {
        #expect(throws: ServerAddress.SyntaxError(message: message)) { try ServerAddress(text) }
    }
}
