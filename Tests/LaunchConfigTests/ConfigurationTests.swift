import CHost
import Testing

@testable import LaunchConfig

@Suite struct ConfigurationTests {
    @Test func precedence() throws {
        let ini =
            "[databases]\n* = host=h\n[pgbouncer]\npool_mode = statement\nthreads = 2\nmax_client_conn = 7\n"
        let loader = try load(
            ["t.ini", "--pool-mode", "session", "--auth-type=any"], files: ["t.ini": ini],
            environment: ["CARPOOL_POOL_MODE": "transaction", "CARPOOL_THREADS": "3"])
        #expect(loader.told == [])
        let configuration = loader.configuration
        func value(_ name: String) -> String {
            "\(configuration.text(name)) \(configuration.origin(of: Setting.named(name)!))"
        }
        #expect(value("pool_mode") == "session option --pool-mode")
        #expect(value("threads") == "3 environment CARPOOL_THREADS")
        #expect(value("max_client_conn") == "7 t.ini:6")
        #expect(value("min_pool_size") == "0 default")
    }

    @Test func laterKeysWin() throws {
        let loader = try loadIni("[databases]\na = host=x\na = host=y\n[pgbouncer]\nthreads=2\nthreads=3\n")
        #expect(loader.told == [])
        #expect(loader.configuration.settings.threads == 3)
        #expect(loader.configuration.databases["a"]?.server == .host("y", port: 5432))
    }

    @Test func sectionStartsAgain() throws {
        let loader = try loadIni(
            "[databases]\n*=host=h\n[pgbouncer]\nthreads=2\n[users]\n[pgbouncer]\nmin_pool_size=1\n")
        #expect(
            loader.told == [
                "t.ini:6: warning: [pgbouncer] starts again, "
                    + "which puts settings made before back to their defaults: threads"
            ])
        #expect(loader.configuration.settings.threads == 1)
        #expect(loader.configuration.settings.min_pool_size == 1)
    }

    @Test func listen() throws {
        func listen(_ arguments: [String], _ environment: [String: String] = [:]) throws -> String {
            let configuration = try load(["--server", "h"] + arguments, environment: environment)
                .configuration
            return "\(configuration.text("listen_addr")) \(configuration.text("listen_port"))"
        }
        #expect(try listen(["--listen", "127.0.0.1:7000"]) == "127.0.0.1 7000")
        #expect(try listen(["--listen", "[::1]:7000"]) == "::1 7000")
        #expect(try listen(["--listen", ":7000"]) == "localhost 7000")
        #expect(try listen(["--listen", "*"]) == "* 6432")
        #expect(try listen(["--listen", "a:1", "--listen-port", "2"]) == "a 2")
        #expect(try listen([], ["CARPOOL_LISTEN": "a:1", "CARPOOL_LISTEN_PORT": "2"]) == "a 2")
        #expect(try listen(["--listen", ":3"], ["CARPOOL_LISTEN": "a:1"]) == "a 3")
    }

    @Test func serverOption() throws {
        let ini = "[databases]\na = host=x\n* = host=y dbname=d user=u pool_size=3\n"
        let configuration = try load(["t.ini", "--server", "/run/pg:6000"], files: ["t.ini": ini])
            .configuration
        #expect(configuration.databases["a"]?.server == .host("x", port: 5432))
        #expect(configuration.fallback?.server == .unix(directory: "/run/pg", port: 6000))
        #expect(configuration.fallback?.dbname == "d")
        #expect(configuration.fallback?.origin == .option("--server"))
        let variable = try load(
            ["--server", "one", "--server", "two"], environment: ["CARPOOL_SERVER": "three"]
        ).configuration
        #expect(variable.fallback?.server == .host("two", port: 5432))
        #expect(
            try load([], environment: ["CARPOOL_SERVER": "three"]).configuration.fallback?.origin
                == .environment("CARPOOL_SERVER"))
    }

    @Test func databaseEntry() throws {
        let loader = try loadIni(
            """
            [databases]
            app = host=db.example port=6000 dbname='the app' user=svc password='a b''c' \
            pool_size=3 min_pool_size=1 max_db_connections=9 pool_mode=Transaction server_lifetime=60
            local =
            "odd name" = host=/run/pg

            """)
        #expect(loader.told == [])
        let app = try #require(loader.configuration.databases["app"])
        #expect(app.server == .host("db.example", port: 6000))
        #expect([app.dbname, app.user, app.password] == ["the app", "svc", "a b'c"])
        #expect(
            app.settings.description
                == "pool_size=3 min_pool_size=1 max_db_connections=9 pool_mode=transaction server_lifetime=60"
        )
        #expect(loader.configuration.databases["local"]?.server == .unix(directory: nil, port: 5432))
        #expect(loader.configuration.databases["odd name"]?.server == .unix(directory: "/run/pg", port: 5432))
    }

    @Test func fallbackEntry() throws {
        let configuration = try loadIni("[databases]\na = host=x\n* = host=y\n").configuration
        #expect(configuration.entry(for: "a")?.name == "a")
        #expect(configuration.entry(for: "b")?.name == "*")
        #expect(configuration.entry(for: "pgbouncer") == nil)
        #expect(try loadIni("[databases]\na = host=x\n").configuration.entry(for: "b") == nil)
    }

    /// PgBouncer's order: user, database, global; what 0 and -1 mean.
    @Test func scopedSettings() throws {
        let configuration = try loadIni(
            """
            [databases]
            d = host=h pool_mode=transaction pool_size=5 max_db_connections=0 server_lifetime=0
            n = host=h pool_size=-1 user=svc
            [users]
            u = pool_mode=statement pool_size=7 client_idle_timeout=4 max_user_connections=2
            z = client_idle_timeout=0 max_user_connections=0 pool_size=0
            svc = pool_size=6 client_idle_timeout=99
            [pgbouncer]
            default_pool_size = 20
            max_db_connections = 30
            max_user_connections = 40
            client_idle_timeout = 50

            """
        ).configuration
        func pool(_ database: String, _ poolUser: String, _ client: String? = nil) -> CarpoolPoolSettings {
            configuration.poolSettings(
                of: configuration.databases[database]!, poolUser: poolUser, client: client ?? poolUser)
        }
        #expect(pool("d", "u").pool_mode == Int32(CARPOOL_STATEMENT.rawValue))
        #expect(pool("d", "v").pool_mode == Int32(CARPOOL_TRANSACTION.rawValue))
        #expect(pool("n", "v").pool_mode == Int32(CARPOOL_SESSION.rawValue))
        #expect(
            [pool("d", "u").pool_size, pool("d", "v").pool_size, pool("n", "v").pool_size] == [7, 5, 20])
        #expect(pool("d", "z").pool_size == 0)
        #expect(pool("d", "v").max_db_connections == 30)
        #expect(pool("d", "v").server_lifetime == 0)
        #expect([pool("d", "u").max_user_connections, pool("d", "z").max_user_connections] == [2, 40])
        #expect([pool("d", "u").client_idle_timeout, pool("d", "z").client_idle_timeout] == [4, 50])
        // servers go by the forced user, idle limits by the client
        #expect(pool("n", "svc", "u").pool_size == 6)
        #expect(pool("n", "svc", "u").client_idle_timeout == 4)
    }

    @Test func changesForRestart() throws {
        let old = try loadIni("[databases]\n*=host=h\n[pgbouncer]\nthreads=2\nmin_pool_size=1\n")
            .configuration
        var new = try loadIni("[databases]\n*=host=h\n[pgbouncer]\nthreads=3\nmin_pool_size=2\n")
            .configuration
        #expect(old.changesForRestart(in: new).map(\.name) == ["threads"])
        new.keepForRestart(from: old)
        #expect(new.settings.threads == 2)
        #expect(new.settings.min_pool_size == 2)
    }

    @Test func check() throws {
        let files = [
            "pgbouncer.ini": try Fixture.text("check.ini"), "users.txt": try Fixture.text("users.txt"),
        ]
        let loader = try load(
            ["pgbouncer.ini", "--listen", "127.0.0.1:7000", "--check"], files: files,
            environment: ["CARPOOL_THREADS": "2"])
        let text = (loader.told + [""]).joined(separator: "\n") + EffectiveTable(loader.configuration).text
        #expect(text == (try Fixture.golden("check.txt", now: text)))
        #expect(!text.contains("topsecret"))
    }

    @Test func systemChecks() throws {
        let loader = try load([
            "--server", "h", "--user", "no such user", "--unix-socket-dir", "/gone", "--logfile", "/tmp",
            "--pidfile", "/gone/pid",
        ])
        #expect(
            loader.configuration.systemDiagnostics().all.map(\.description) == [
                "option --user: user: there is no user no such user on this system",
                "option --unix-socket-dir: unix_socket_dir: /gone is not a directory",
                "option --logfile: logfile: /tmp is a directory",
                "option --pidfile: pidfile: /gone is not a directory",
            ])
        let fine = try load(["--server", "h", "--user", "root", "--logfile", "x.log", "--pidfile", "/pid"])
        #expect(fine.configuration.systemDiagnostics().all.isEmpty)
        #expect(fine.configuration.mostServers == 20)
    }
}
