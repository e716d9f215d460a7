import CHost
import Synchronization
import Testing

@testable import LaunchConfig

@Suite struct HostDirectoryTests {
    private static let users =
        "\"joe\" \"secret\"\n\"ann\" \"SCRAM-SHA-256$4096:c2FsdA==$a:b\"\n\"none\" \"\"\n\"svc\" \"svcpw\"\n"
    private static let databases = """
        [databases]
        app = host=127.0.0.1 port=6000 dbname=prod user=svc password=pw pool_mode=transaction
        svcless = host=127.0.0.1 user=svc
        named = host=db.example
        broken = host=gone.example
        * = host=127.0.0.1

        """

    private func configuration(
        _ type: String, databases: String = databases, users: String? = users, extra: String = ""
    ) throws -> Configuration {
        var text = databases + "[pgbouncer]\nauth_type = \(type)\n" + extra
        if users != nil { text += "auth_file = users.txt\n" }
        let loader = try load(["t.ini"], files: ["t.ini": text, "users.txt": users ?? ""])
        #expect(loader.diagnostics.errors.isEmpty)
        return loader.configuration
    }

    private func directory(
        _ configuration: Configuration, _ with: Resolver = resolver(["db.example": [1, 2]])
    ) -> HostDirectory {
        HostDirectory(configuration, mockNonce: (0..<32).map { UInt8($0) }, resolver: with)
    }

    @Test(arguments: [
        ("plain", CARPOOL_METHOD_PASSWORD), ("md5", CARPOOL_METHOD_MD5),
        ("scram-sha-256", CARPOOL_METHOD_SCRAM),
    ])
    func secrets(type: String, method: CarpoolMethod) throws {
        let directory = directory(try configuration(type))
        let joe = directory.login("joe", "x")
        #expect(joe.method == method)
        #expect(joe.secret == "secret")
        #expect(!joe.hasFailure && !joe.hasRefusal)
        #expect(joe.raw.numbers.database_id != 0 && joe.raw.numbers.user_id != 0)
        #expect(joe.raw.ticket.slot == 2 && joe.raw.ticket.generation == 3 && joe.raw.ticket.thread == 1)
        #expect(directory.login("ann", "x").secret == "SCRAM-SHA-256$4096:c2FsdA==$a:b")
    }

    /// Who is unknown, or has no password, goes through the same exchange with no secret.
    @Test(arguments: ["plain", "md5", "scram-sha-256"])
    func unknownUsers(type: String) throws {
        let directory = directory(try configuration(type))
        for user in ["nobody", "none", ""] {
            let answer = directory.login(user, "x")
            #expect(answer.method == directory.login("joe", "x").method)
            #expect(answer.secret == "")
            #expect(!answer.hasRefusal && !answer.hasFailure)
            #expect(answer.raw.numbers.mock_md5 == (type == "md5"))
            #expect(answer.raw.mock_nonce.0 == 0 && answer.raw.mock_nonce.31 == 31)
            #expect(answer.raw.numbers.database_id == 0)
        }
    }

    @Test func mockFollowsMostUsers() throws {
        let users = "\"a\" \"SCRAM-SHA-256$x\"\n\"b\" \"SCRAM-SHA-256$x\"\n\"c\" \"x\"\n"
        #expect(!directory(try configuration("md5", users: users)).login("nobody", "x").raw.numbers.mock_md5)
    }

    @Test func trust() throws {
        let withFile = directory(try configuration("trust"))
        #expect(withFile.login("joe", "x").method == CARPOOL_METHOD_TRUST)
        #expect(!withFile.login("joe", "x").hasFailure)
        #expect(!withFile.login("none", "x").hasFailure)
        #expect(withFile.login("nobody", "x").failure == "28000 \"trust\" authentication failed")
        #expect(!withFile.login("nobody", "x").hasRefusal)
        let withoutFile = directory(try configuration("trust", users: nil))
        #expect(!withoutFile.login("nobody", "x").hasFailure)
        #expect(withoutFile.login("nobody", "x").raw.numbers.user_id != 0)
    }

    @Test func any() throws {
        let directory = directory(try configuration("any"))
        let own = directory.login("whoever", "x")
        #expect(own.method == CARPOOL_METHOD_TRUST && !own.hasFailure)
        #expect(directory.route(own).user == "whoever")
        #expect(directory.route(directory.login("whoever", "app")).user == "svc")
    }

    /// The failure comes with the secret, so that a wrong password looks the same first.
    @Test func unknownDatabase() throws {
        let only = "[databases]\napp = host=127.0.0.1\n"
        let directory = directory(try configuration("md5", databases: only))
        let answer = directory.login("joe", "x")
        #expect(answer.failure == "3D000 no such database: x")
        #expect(answer.secret == "secret")
        #expect(answer.method == CARPOOL_METHOD_MD5)
        let nobody = directory.login("nobody", "x")
        #expect(nobody.secret == "" && nobody.method == CARPOOL_METHOD_MD5 && !nobody.hasRefusal)
        let trusting = self.directory(try configuration("trust", databases: only))
        #expect(trusting.login("nobody", "x").failure == "28000 \"trust\" authentication failed")
    }

    @Test func console() throws {
        #expect(
            directory(try configuration("any")).login("joe", "pgbouncer").failure
                == "3D000 no such database: pgbouncer")
    }

    @Test func namesThatAreNoText() throws {
        let directory = directory(try configuration("any"))
        var question = CarpoolQuestion()
        question.user.0 = -1
        #expect(directory.ask(&question).raw.numbers.user_id == 0)
        question = CarpoolQuestion()
        question.database.0 = -1
        copy("joe", to: &question.user)
        #expect(directory.ask(&question).failure == "3D000 no such database: (not UTF-8)")
    }

    // MARK: numbers

    @Test func numbersAreStable() throws {
        let directory = directory(try configuration("md5"))
        let first = directory.login("joe", "x")
        let again = directory.login("joe", "x")
        #expect(
            first.raw.numbers.database_id == again.raw.numbers.database_id
                && first.raw.numbers.user_id == again.raw.numbers.user_id)
        #expect(directory.login("joe", "y").raw.numbers.database_id != first.raw.numbers.database_id)
        #expect(directory.login("ann", "x").raw.numbers.user_id != first.raw.numbers.user_id)
        // a forced user is one pool for all
        #expect(
            directory.login("ann", "app").raw.numbers.user_id
                == directory.login("joe", "app").raw.numbers.user_id)
    }

    @Test func numbersOverReload() throws {
        let directory = directory(try configuration("md5"))
        let app = directory.login("joe", "app")
        let other = directory.login("joe", "x")
        _ = directory.takeMoved()
        // pool settings and passwords are no new servers
        let same = Self.databases.replacing("pool_mode=transaction", with: "pool_size=1").replacing(
            "=pw", with: "=new")
        directory.reload(try configuration("md5", databases: same))
        #expect(directory.takeMoved() == [])
        #expect(directory.login("joe", "app").raw.numbers.database_id == app.raw.numbers.database_id)
        #expect(directory.login("joe", "app").raw.numbers.pool.pool_size == 1)
        #expect(directory.route(app).secret == "new")
        let before = directory.route(app).raw.numbers.facts
        // another database is; all of its clients go to the new place
        let moved = Self.databases.replacing("dbname=prod", with: "dbname=next")
        directory.reload(try configuration("md5", databases: moved))
        let moment = directory.route(app).raw.numbers.facts
        #expect(moment > before)
        #expect(directory.takeMoved() == [.init(database: app.raw.numbers.database_id, moment: moment)])
        #expect(directory.takeMoved() == [])
        #expect(directory.login("joe", "app").raw.numbers.database_id == app.raw.numbers.database_id)
        #expect(directory.login("joe", "x").raw.numbers.database_id == other.raw.numbers.database_id)
        #expect(directory.route(app).database == "next")
        // and for another user the old clients were not let in
        let otherUser = Self.databases.replacing("user=svc password=pw", with: "user=root password=x")
        directory.reload(try configuration("md5", databases: otherUser))
        #expect(directory.takeMoved().map(\.database) == [app.raw.numbers.database_id])
        #expect(directory.login("joe", "app").raw.numbers.database_id != app.raw.numbers.database_id)
        #expect(directory.route(app).failure == "08006 database configuration changed")
        #expect(directory.route(app).secret == "")
        directory.reload(try configuration("md5", databases: "[databases]\nz = host=127.0.0.1\n"))
        let gone = directory.takeMoved().map(\.database)
        #expect(gone.contains(app.raw.numbers.database_id) && gone.contains(other.raw.numbers.database_id))
        #expect(directory.route(app).failure == "3D000 no such database: app")
    }

    // MARK: routes

    @Test func route() throws {
        let directory = directory(try configuration("md5"))
        let app = directory.route(directory.login("joe", "app"))
        #expect([app.server, app.user, app.database, app.secret] == ["127.0.0.1:6000", "svc", "prod", "pw"])
        let auto = directory.route(directory.login("joe", "x"))
        #expect(
            [auto.server, auto.user, auto.database, auto.secret] == ["127.0.0.1:5432", "joe", "x", "secret"])
        let fromFile = directory.route(directory.login("joe", "svcless"))
        #expect([fromFile.user, fromFile.database, fromFile.secret] == ["svc", "svcless", "svcpw"])
    }

    @Test func addressesTakeTurns() throws {
        let directory = directory(try configuration("md5"))
        let login = directory.login("joe", "named")
        let servers = (0..<4).map { _ in directory.route(login).server }
        #expect(Set(servers) == ["10.0.0.1:5432", "10.0.0.2:5432"])
        #expect(servers[0] == servers[2] && servers[1] == servers[3])
    }

    /// The answers of a name server, which change.
    private final class Names: Sendable {
        let addresses = Mutex<[String: [UInt8]]>(["db.example": [1, 2]])

        var resolver: Resolver {
            let fixed = LaunchConfigTests.resolver()
            return Resolver(
                resolve: { name, port in
                    LaunchConfigTests.resolver(self.addresses.withLock { $0 }).resolve(name, port)
                }, socketExists: fixed.socketExists)
        }
    }

    @Test func aNameThatLosesAnAddressHasMoved() throws {
        let names = Names()
        let directory = directory(try configuration("md5"), names.resolver)
        let named = directory.login("joe", "named").raw.numbers.database_id
        _ = directory.login("joe", "x")
        _ = directory.takeMoved()
        names.addresses.withLock { $0 = ["db.example": [2, 1, 3]] }
        directory.refreshAddresses()
        #expect(directory.takeMoved() == [])
        names.addresses.withLock { $0 = ["db.example": [2, 3]] }
        directory.refreshAddresses()
        #expect(directory.takeMoved().map(\.database) == [named])
        names.addresses.withLock { $0 = [:] }
        directory.refreshAddresses()
        #expect(directory.takeMoved() == [])
    }

    @Test func lookupFails() throws {
        let directory = directory(try configuration("md5"))
        let answer = directory.route(directory.login("joe", "broken"))
        #expect(answer.failure == "08006 server DNS lookup failed")
        #expect(answer.detail == "gone.example:5432: Name or service not known")
        #expect(directory.lookupFailures == ["gone.example:5432: Name or service not known"])
        #expect(directory.hasNames)
    }

    @Test func unknownNumbers() throws {
        let directory = directory(try configuration("md5"))
        var question = CarpoolQuestion()
        question.ticket.kind = UInt32(CARPOOL_ASK_ROUTE.rawValue)
        question.numbers.database_id = 77
        #expect(directory.ask(&question).failure == "08006 pool is not known any more")
    }

    @Test func confirm() throws {
        var question = CarpoolQuestion()
        question.ticket.kind = UInt32(CARPOOL_ASK_CONFIRM.rawValue)
        #expect(!directory(try configuration("md5")).ask(&question).hasFailure)
    }

    @Test(arguments: [
        ([], "/srv/own/.s.PGSQL.5432"),
        (["/tmp/.s.PGSQL.5432"], "/tmp/.s.PGSQL.5432"),
        (["/tmp/.s.PGSQL.5432", "/var/run/postgresql/.s.PGSQL.5432"], "/var/run/postgresql/.s.PGSQL.5432"),
        (["/srv/own/.s.PGSQL.5432", "/var/run/postgresql/.s.PGSQL.5432"], "/srv/own/.s.PGSQL.5432"),
    ])
    func unixSockets(sockets: [String], expected: String) throws {
        let directory = directory(
            try configuration("any", databases: "[databases]\n* =\n", extra: "unix_socket_dir = /srv/own\n"),
            resolver(sockets: Set(sockets)))
        #expect(directory.route(directory.login("joe", "x")).server == expected)
    }

    /// We never take our own socket for the server's.
    @Test func notOurOwnSocket() throws {
        let directory = directory(
            try configuration("any", databases: "[databases]\n* = port=6432\n"),
            resolver(sockets: ["/tmp/.s.PGSQL.6432"]))
        #expect(directory.route(directory.login("joe", "x")).server == "/var/run/postgresql/.s.PGSQL.6432")
        let given = self.directory(
            try configuration("any", databases: "[databases]\n* = host=/run/x port=7\n"))
        #expect(given.route(given.login("joe", "x")).server == "/run/x/.s.PGSQL.7")
    }
}

@Suite struct AddressBookTests {
    private let server = ServerAddress.host("db", port: 1)

    @Test func failureKeepsWhatWasKnown() {
        let old = AddressBook(servers: [server], resolver: resolver(["db": [1]]), old: AddressBook())
        let new = AddressBook(servers: [server], resolver: resolver(), old: old)
        #expect(new.failures.isEmpty)
        #expect(!new.hasMoved(server, since: old))
        #expect(AddressBook(servers: [server], resolver: resolver(), old: AddressBook()).failures.count == 1)
    }

    @Test func movedServers() {
        let old = AddressBook(servers: [server], resolver: resolver(["db": [1]]), old: AddressBook())
        let more = AddressBook(servers: [server], resolver: resolver(["db": [1, 2]]), old: old)
        let other = AddressBook(servers: [server], resolver: resolver(["db": [2]]), old: more)
        #expect(!more.hasMoved(server, since: old))
        #expect(other.hasMoved(server, since: more))
    }

    @Test func literals() {
        let literal = AddressBook(
            servers: [.host("127.0.0.1", port: 1), .unix(directory: "/x", port: 1)], resolver: resolver(),
            old: AddressBook())
        #expect(!literal.hasNames)
        #expect(literal.failures.isEmpty)
        #expect(literal[.unix(directory: "/x", port: 1)] == nil)
    }

    @Test func localhostIsOneAddress() throws {
        let four = try Resolver.system.resolve("127.0.0.1", 5432).get()
        let six = try Resolver.system.resolve("::1", 5432).get()
        let far = try Resolver.system.resolve("10.0.0.1", 5432).get()
        #expect(Resolver.oneLoopback(of: six + four) == four)
        #expect(Resolver.oneLoopback(of: six) == six)
        #expect(Resolver.oneLoopback(of: far + four) == far + four)
    }
}

@Suite struct InternerTests {
    @Test func forgetsTheOldestUnkept() {
        var interner = Interner<String>(capacity: 2)
        let a = interner.number(of: "a")
        interner.keep(a)
        let b = interner.number(of: "b")
        _ = interner.number(of: "c")
        let d = interner.number(of: "d")
        #expect([a, b, d] == [1, 2, 4])
        #expect(interner.name(of: a) == "a" && interner.name(of: b) == nil && interner.name(of: d) == "d")
        #expect(interner.number(of: "a") == a)
        #expect(interner.number(of: "b") == 5)
        #expect(interner.name(of: d) == "d" && interner.name(of: 3) == nil)
        interner.keep(99)
        #expect(interner.all.map(\.number) == [1, 4, 5])
    }

    @Test func remembersTheLastLogins() {
        var interner = Interner<String>(capacity: 2)
        let a = interner.number(of: "a")
        for name in ["b", "a", "c", "a"] { _ = interner.number(of: name) }
        #expect(interner.name(of: a) == "a")
        #expect(interner.all.map(\.name) == ["a", "c"])
    }

    @Test func aReleasedNameIsForgottenInTurn() {
        var interner = Interner<String>(capacity: 2)
        let a = interner.number(of: "a")
        interner.keep(a)
        for name in ["b", "c", "d"] { _ = interner.number(of: name) }
        interner.release(a)
        interner.release(a)
        interner.release(0)
        #expect(interner.all.map(\.name) == ["a", "d"])
        _ = interner.number(of: "e")
        #expect(interner.name(of: a) == "a")
        _ = interner.number(of: "f")
        #expect(interner.name(of: a) == nil)
    }
}
