import CHost
import Testing

@testable import LaunchConfig

/// Every kind of mistake, with its file and line.
@Suite struct ConfigurationErrorTests {
    @Test(arguments: [
        ("[pgbouncer]\nfoo = 1", "t.ini:4: unknown setting foo"),
        ("[pgbouncer]\npool_mod = x", "t.ini:4: unknown setting pool_mod (did you mean pool_mode?)"),
        ("[pgbouncer]\nstat_period = 1", "t.ini:4: unknown setting stat_period (did you mean stats_period?)"),
        (
            "[pgbouncer]\npool_mode = x",
            "t.ini:4: pool_mode: invalid value \"x\": one of session transaction statement expected"
        ),
        ("[pgbouncer]\nthreads = 65", "t.ini:4: threads: 65 is outside the valid range (1 .. 64)"),
        (
            "[pgbouncer]\nquery_wait_timeout = soon",
            "t.ini:4: query_wait_timeout: invalid value \"soon\": a time such as 15, 1.5s or 2min expected"
        ),
        (
            "[pgbouncer]\nlog_connections = 2",
            "t.ini:4: log_connections: invalid value \"2\": 0 or 1 expected"
        ),
        (
            "[pgbouncer]\npool_size = 2",
            "t.ini:4: pool_size is set per database or user; for all it is default_pool_size"
        ),
        (
            "[pgbouncer]\nauth_type = hba",
            "t.ini:4: auth_type = hba is not supported yet: its rules would not be followed"
        ),
        (
            "[pgbouncer]\nauth_type = PAM",
            "t.ini:4: auth_type = PAM is not supported yet: there is no PAM login"
        ),
        ("[database]", "t.ini:3: unknown section [database] (did you mean databases?)"),
        ("[databases]\na = hots=x", "t.ini:4: unknown connection parameter hots (did you mean host?)"),
        ("[databases]\na = host", "t.ini:4: syntax error in connection string: = expected after \"host\""),
        ("[databases]\na = host=x,y", "t.ini:4: host = x,y: a list of hosts is not supported yet"),
        ("[databases]\na = port=x", "t.ini:4: invalid port \"x\": 1 to 65535 expected"),
        ("[databases]\na = pool_size=x", "t.ini:4: pool_size: invalid value \"x\": a whole number expected"),
        ("[databases]\na = threads=1", "t.ini:4: unknown connection parameter threads"),
        ("[databases]\npgbouncer = host=x", "t.ini:4: database name \"pgbouncer\" is reserved"),
        (
            "[databases]\n\(String(repeating: "d", count: 128)) = host=x",
            "t.ini:4: database name is longer than 127 bytes"
        ),
        (
            "[databases]\na = password=\(String(repeating: "p", count: 2048))",
            "t.ini:4: password is longer than 2047 bytes"
        ),
        (
            "[databases]\na = connect_query='select 1'",
            "t.ini:4: connect_query = select 1 is not supported yet: nothing is run on connecting"
        ),
        (
            "[databases]\na = application_name=x",
            "t.ini:4: warning: application_name is not supported yet and ignored: "
                + "servers start with their own"
        ),
        (
            "[users]\nu = pool_modes=session",
            "t.ini:4: unknown user parameter pool_modes (did you mean pool_mode?)"
        ),
        ("[users]\nu = server_lifetime=1", "t.ini:4: unknown user parameter server_lifetime"),
        (
            "[users]\nu = query_timeout=5",
            "t.ini:4: query_timeout = 5 is not supported yet: queries would run on"
        ),
        (
            "[peers]\n1 = host=x",
            "t.ini:4: [peers] is not supported yet: cancel requests would not reach other processes"
        ),
        ("[pgbouncer]\nlisten_addr", "t.ini:4: syntax error: key = value expected"),
        ("%include gone.ini", "t.ini:3: could not read gone.ini: No such file or directory"),
    ])
    func inFile(text: String, expected: String) throws {
        #expect(try loadIni("[databases]\n* = host=h\n" + text + "\n").told == [expected])
    }

    @Test func allAreTold() throws {
        let loader = try load(
            ["t.ini", "--threads", "x", "--listen", "a:b", "--server", "c:d"],
            files: ["t.ini": "[databases]\na = host\n[pgbouncer]\nfoo = 1\nauth_file = gone\n"],
            environment: ["CARPOOL_POOL_MODE": "x", "CARPOOL_TREADS": "2", "CARPOOL_SERVICE_HOST": "::"])
        #expect(
            loader.told == [
                "t.ini:2: syntax error in connection string: = expected after \"host\"",
                "t.ini:4: unknown setting foo",
                "environment CARPOOL_POOL_MODE: pool_mode: invalid value \"x\": "
                    + "one of session transaction statement expected",
                "environment CARPOOL_TREADS: warning: unknown variable (did you mean CARPOOL_THREADS?)",
                "option --threads: threads: invalid value \"x\": a whole number expected",
                "option --listen: invalid port \"b\": 1 to 65535 expected",
                "option --server: invalid port \"d\": 1 to 65535 expected",
                "t.ini:5: could not read auth_file gone: No such file or directory",
            ])
    }

    @Test func wholeConfiguration() throws {
        #expect(
            try load(["--auth-type", "any"]).told == [
                "no server: name one with --server HOST:PORT, CARPOOL_SERVER or [databases] in FILE.ini"
            ])
        #expect(
            try load(["--server", "h"]).told == [
                "warning: auth_type is md5 and there is no auth_file: nobody can log in"
            ])
        #expect(
            try load(["--server", "h", "--auth-type=any", "--listen-addr=", "--unix-socket-dir="]).told == [
                "option --listen-addr: listen_addr and unix_socket_dir are both empty: "
                    + "there is nothing to listen on"
            ])
        #expect(try load(["gone.ini"]).told.first == "could not read gone.ini: No such file or directory")
        #expect(
            try load(["--server", "h", "--auth-file", "u"], files: ["u": "\"a\" \"b\"\nx"]).told
                == ["u:2: \"user\" \"secret\" expected"])
    }

    @Test func hiddenSettings() throws {
        let hidden = Setting.all.first { $0.isHidden }
        let name = try #require(hidden).name
        #expect(try loadIni("[databases]\n* = host=h\n[pgbouncer]\n\(name) = 1\n").told == [])
        let loader = try load(
            ["--server", "h", "--auth-type=any"], environment: ["CARPOOL_" + name.uppercased(): "1"])
        #expect(loader.told == [])
        #expect(loader.configuration.text(name) == "1")
        #expect(!EffectiveTable(loader.configuration).text.contains(name))
    }

    // MARK: PgBouncer's own settings

    /// A file that sets every known setting to its default is taken without a word.
    @Test func allDefaultsOfPgBouncer() throws {
        for setting in PgBouncerSetting.global {
            for value in setting.defaults {
                let told = try loadIni("[databases]\n* = host=h\n[pgbouncer]\n\(setting.name) = \(value)\n")
                    .told
                #expect(told == [], "\(setting.name)")
            }
        }
    }

    @Test func otherValues() throws {
        for setting in PgBouncerSetting.global {
            let told = try loadIni("[databases]\n* = host=h\n[pgbouncer]\n\(setting.name) = other\n").told
            switch setting.fate {
            case .refuse:
                #expect(told == ["t.ini:4: \(setting.name) = other is not supported yet: \(setting.reason)"])
            case .warn:
                #expect(
                    told == [
                        "t.ini:4: warning: \(setting.name) is not supported yet and ignored: "
                            + setting.reason
                    ])
            case .ignore: #expect(told == [])
            }
        }
    }

    @Test(arguments: [
        ("syslog", "off", true), ("log_stats", "yes", true), ("stats_period", "60.0", true),
        ("track_extra_parameters", "intervalstyle", true), ("client_tls_sslmode", "require", false),
        ("server_tls_sslmode", "disable", true), ("server_tls_sslmode", "verify-full", false),
        ("so_reuseport", "1", false),
    ])
    func values(name: String, value: String, isDefault: Bool) throws {
        let setting = try #require(PgBouncerSetting.named(name, in: PgBouncerSetting.global))
        #expect(setting.isDefault(value) == isDefault)
    }

    /// No name is in both tables, and PgBouncer's 101 are all there.
    @Test func tables() {
        let others = PgBouncerSetting.global.map(\.name)
        let ours = Set(Setting.all.map(\.name))
        #expect(Set(others).count == others.count)
        #expect(ours.isDisjoint(with: others))
        // ours that PgBouncer does not have, or not as a global one
        let onlyOurs: Set = ["threads", "pool_size", "test_faults"]
        #expect(ours.subtracting(onlyOurs).count + others.count >= 99)
    }
}
