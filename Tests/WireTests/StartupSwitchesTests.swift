import TestSupport
import Testing

@testable import Wire

/// Expected: what PostgreSQL 16 did with these options.
@Suite struct StartupSwitchesTests {
    static func settings(_ options: String) -> Result<[StartupPacket.Parameter], ErrorFields> {
        do throws(ErrorFields) {
            return .success(try StartupSwitches.settings(bytes(options)))
        } catch {
            return .failure(error)
        }
    }

    static func message(_ options: String) -> String? {
        guard case .failure(let error) = settings(options) else { return nil }
        return error.message
    }

    @Test(arguments: ["-c name=value", "-cname=value", "--name=value", " -c  name=value ", "-ncname=value"])
    func `a setting has many spellings`(options: String) {
        #expect(Self.settings(options) == .success([parameter("name", "value")]))
    }

    @Test func `switches stand for settings`() {
        #expect(
            Self.settings("-e -F -fs -f h -S 64 -s -tpa -t e -W3 -OP")
                == .success([
                    parameter("datestyle", "euro"), parameter("fsync", "false"),
                    parameter("enable_seqscan", "false"), parameter("enable_hashjoin", "false"),
                    parameter("work_mem", "64"), parameter("log_statement_stats", "true"),
                    parameter("log_parser_stats", "true"), parameter("log_executor_stats", "true"),
                    parameter("post_auth_delay", "3"), parameter("allow_system_table_mods", "true"),
                    parameter("ignore_system_indexes", "true"),
                ]))
        #expect(
            Self.settings("-d 3")
                == .success([
                    parameter("log_min_messages", "debug3"), parameter("log_statement", "all"),
                    parameter("debug_print_parse", "true"),
                ]))
        #expect(Self.settings("-d0") == .success([parameter("log_min_messages", "notice")]))
        #expect(Self.settings("-E -b -j -n -T -C x -D y -r z -v 3") == .success([]))
    }

    @Test(arguments: [
        ("-x", "-x"), ("-e -x", "-x"), ("-ex", "-ex"), ("-xe", "postgres"), ("-e -xe", "-e"), ("-f x", "x"),
        ("-fx", "-fx"), ("-tq", "-tq"), ("-t", "-t"), ("-c", "-c"), ("a", "a"), ("-e a -F", "a"), ("-", "-"),
        ("-- a", "a"), (#"\"#, ""),
    ])
    func `what is no switch is named`(options: String, named: String) {
        #expect(Self.message(options) == "invalid command-line argument for server process: \(named)")
    }

    @Test func `a setting needs a value and a name`() {
        #expect(Self.message("-c name") == "-c name requires a value")
        #expect(Self.message("--name") == "--name requires a value")
        #expect(Self.message("--=x") == "unrecognized configuration parameter \"\"")
        #expect(Self.settings("--") == .success([]))
    }

    @Test(arguments: UInt64(0)..<200) func `random options never trap`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("-c=adftexS \\1".utf8) + [0xff]
        let options = (0..<random.below(24)).map { _ in alphabet[random.below(alphabet.count)] }
        do throws(ErrorFields) {
            for setting in try StartupSwitches.settings(options) { #expect(!setting.name.isEmpty) }
        } catch {
            #expect(error.severity == .fatal, "seed \(seed)")
        }
    }
}
