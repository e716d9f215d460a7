import Auth
import CWorker
import TestSupport
import Testing
import Wire

@Suite struct LoginTests {
    @Test func `a login without a password is told its parameters and its key`() {
        let world = World()
        let client = world.connect()
        let frames = client.login(name: "one")
        #expect(frames.tags == "RSSSSSSSSKZ")
        #expect(frames.status == "I")
        #expect(client.parameters["application_name"] == "one")
        #expect(client.parameters["server_version"] == "16.4")
        #expect(client.process != 0)
        #expect(world.clients("idle") == 1)
        #expect(world.servers("idle") == 1)
        #expect(world.complaints == [])
    }

    @Test func `the second login of a pool needs no server`() {
        let world = World()
        _ = world.client()
        world.backend.crash()
        world.settle()
        #expect(world.servers("idle") == 0)
        let other = world.connect()
        #expect(other.login(name: "two").tags == "RSSSSSSSSKZ")
        #expect(other.parameters["application_name"] == "two")
    }

    @Test func `a login may come byte by byte`() {
        let world = World()
        let client = world.connect()
        for byte in TestClient.startup() {
            #expect(client.read().isEmpty)
            client.send([byte])
            world.settle()
        }
        #expect(client.read().status == "I")
    }

    @Test func `a first query may come with the startup packet`() {
        let world = World()
        let client = world.connect()
        let frames = client.exchange(TestClient.startup(name: "one") + query("select 1"))
        #expect(frames.tags == "RSSSSSSSSKZDCZ")
        #expect(frames.rows == ["select 1@one#5001"])
    }

    @Test func `the database is named like the user where none is named`() {
        let world = World()
        let client = world.connect()
        _ = client.exchange(startupPacket([("user", "ann")]))
        #expect(world.host.asked.first?.database == "ann")
        #expect(world.backend.live.first?.database == "ann")
    }

    @Test(arguments: [StartupPacket.sslCode, StartupPacket.gssCode])
    func `encryption is refused with N, and the login goes on`(code: UInt32) {
        let world = World()
        let client = world.connect()
        let request = written { $0.packet { $0.int32(code) } }
        client.send(request)
        world.settle()
        #expect(client.readBytes() == bytes("N"))
        #expect(client.login().status == "I")
    }

    @Test func `a second request for encryption ends the connection`() {
        let world = World()
        let client = world.connect()
        let request = written { $0.packet { $0.int32(StartupPacket.sslCode) } }
        client.send(request)
        world.settle()
        _ = client.readBytes()
        #expect(client.exchange(request).states == ["0A000"])
        #expect(client.hasEnded)
    }

    @Test func `what comes in one write with a request for encryption is refused`() {
        let world = World()
        let client = world.connect()
        client.send(written { $0.packet { $0.int32(StartupPacket.sslCode) } } + TestClient.startup())
        world.settle()
        let bytes = client.readBytes()
        #expect(bytes.first == UInt8(ascii: "N"))
        #expect(text(bytes).contains("received unencrypted data after SSL request"))
        #expect(world.shared.clients == 0)
    }

    @Test func `what is no startup packet ends the connection without a word`() {
        let world = World()
        let client = world.connect()
        #expect(client.exchange(bytes("GET / HTTP/1.1\r\n\r\n")).isEmpty)
        #expect(client.hasEnded)
        #expect(world.host.hasLogged("invalid length of startup packet"))
    }

    @Test func `an old protocol is refused in its own words`() {
        let world = World()
        let client = world.connect()
        client.send(written { $0.packet { $0.int32(2 << 16) } })
        world.settle()
        #expect(text(client.readBytes()).hasPrefix("EFATAL:  unsupported frontend protocol 2.0"))
    }

    @Test func `a newer minor version is negotiated down`() {
        let world = World()
        let client = world.connect()
        let packet = written {
            $0.packet {
                $0.int32(3 << 16 | 2)
                for text in ["user", "ann", "_pq_.new", "on"] { $0.string(text) }
                $0.byte(0)
            }
        }
        let frames = client.exchange(packet)
        #expect(frames.tags.hasPrefix("vR"))
        #expect(text(frames[0].body).contains("_pq_.new"))
        #expect(frames.status == "I")
    }

    @Test func `a login without a user is refused`() {
        let world = World()
        let client = world.connect()
        #expect(client.exchange(startupPacket([("database", "shop")])).states == ["28000"])
        #expect(client.hasEnded)
    }

    @Test func `a replication login is refused`() {
        let world = World()
        let frames = world.connect().exchange(startupPacket([("user", "ann"), ("replication", "true")]))
        #expect(frames.states == ["0A000"])
    }

    @Test func `an unknown startup parameter is refused, unless it is ignored`() {
        let world = World(settings: ["ignore_startup_parameters": "extra_float_digits"])
        let parameters = [("user", "ann"), ("extra_float_digits", "2")]
        #expect(world.connect().exchange(startupPacket(parameters)).status == "I")
        let frames = world.connect().exchange(startupPacket(parameters + [("search_path", "x")]))
        #expect(frames.states == ["0A000"])
        #expect(frames.errors.first?.message == "unsupported startup parameter: search_path")
    }

    @Test func `a setting among the options counts as a startup parameter`() {
        let world = World()
        let client = world.connect()
        let packet = startupPacket([("user", "ann"), ("options", "-c application_name=opt")])
        #expect(client.exchange(packet).status == "I")
        #expect(client.parameters["application_name"] == "opt")
    }

    @Test func `a host refuses a login in its own words`() {
        let world = World()
        world.host.replies["eve"] = { $0.refusal = "28000 no entry for host" }
        let client = world.connect()
        let frames = client.login(user: "eve")
        #expect(frames.states == ["28000"])
        #expect(frames.errors.first?.message == "no entry for host")
        #expect(client.hasEnded)
        #expect(world.shared.clients == 0)
    }

    @Test func `an unknown database is told after the exchange`() {
        let world = World()
        world.host.replies["nowhere"] = { $0.failure = "3D000 database does not exist" }
        world.host.replies["ann"] = {
            $0.method = .password
            $0.secret = "secret"
        }
        let client = world.connect()
        let asked = client.login(database: "nowhere")
        #expect(asked.tags == "R")
        let frames = client.exchange(message(FrontendTag.password, "secret\0"))
        #expect(frames.tags == "RE")
        #expect(frames.states == ["3D000"])
        #expect(world.complaints == [])
    }

    @Test(arguments: [("secret", true), ("wrong", false)])
    func `a password is asked for and looked at`(password: String, isRight: Bool) {
        let world = World()
        world.host.replies["ann"] = {
            $0.method = .password
            $0.secret = "secret"
        }
        let client = world.connect()
        #expect(client.login().tags == "R")
        let frames = client.exchange(message(FrontendTag.password, password + "\0"))
        #expect(frames.states == (isRight ? [] : ["28P01"]))
        #expect(client.hasEnded == !isRight)
    }

    @Test(arguments: [("secret", LoginMethod.scram), ("wrong", .scram), ("secret", .md5), ("wrong", .md5)])
    func `an exchange lets in who knows the password`(password: String, method: LoginMethod) {
        let world = World()
        world.host.replies["ann"] = {
            $0.method = method
            $0.secret = method == .scram ? text(scramVerifier("secret").stored) : "secret"
        }
        let client = world.connect()
        var driver = PasswordDriver(password: password)
        let frames = driver.run(client, client.login())
        #expect(frames.states == (password == "secret" ? [] : ["28P01"]))
        #expect(client.hasEnded == (password != "secret"))
        #expect(world.complaints == [])
    }

    @Test func `a clear-text secret is hashed once for SCRAM logins`() {
        let world = World()
        world.host.replies["ann"] = {
            $0.method = .scram
            $0.secret = "secret"
        }
        for _ in 0..<2 {
            let client = world.connect()
            var driver = PasswordDriver(password: "secret")
            #expect(driver.run(client, client.login()).status == "I")
        }
    }

    @Test func `a client that leaves while its password is hashed is forgotten`() {
        let world = World()
        world.host.replies["ann"] = {
            $0.method = .scram
            $0.secret = "secret"
        }
        let client = world.connect()
        _ = client.login()
        client.close()
        world.settle()
        #expect(world.shared.clients == 0)
    }

    @Test func `a message that is no password ends a login`() {
        let world = World()
        world.host.replies["ann"] = { $0.method = .password }
        let client = world.connect()
        _ = client.login()
        #expect(client.exchange(query("select 1")).states == ["08P01"])
        #expect(client.hasEnded)
    }

    @Test func `a password of impossible length ends a login`() {
        let world = World()
        world.host.replies["ann"] = { $0.method = .password }
        let client = world.connect()
        _ = client.login()
        #expect(client.exchange(bytes("p") + [0x7f, 0, 0, 0]).states == ["08P01"])
    }

    @Test func `a host may answer later`() {
        let world = World()
        world.host.answersLater = true
        let client = world.connect()
        #expect(client.login().isEmpty)
        world.answerAll()  // the login
        world.answerAll()  // the route of its server
        #expect(client.read().status == "I")
    }

    @Test func `an answer for a client that has left is dropped`() {
        let world = World()
        world.host.answersLater = true
        let client = world.connect()
        _ = client.login()
        client.close()
        world.settle()
        #expect(world.shared.clients == 0)
        let other = world.connect()
        _ = other.login(user: "bob")
        world.host.answersLater = false
        world.answerAll()
        #expect(other.read().status == "I")
        #expect(world.backend.live.map(\.user) == ["bob"])
    }

    @Test func `a host that takes no questions costs the login`() {
        let world = World()
        world.host.refusesQuestions = true
        #expect(world.connect().login().states == ["53300"])
        #expect(world.shared.clients == 0)
    }

    @Test func `above max_client_conn a login is refused, and room comes back`() {
        let world = World(settings: ["max_client_conn": "2"])
        let first = world.client()
        let second = world.client()
        let third = world.connect()
        let frames = third.login()
        #expect(frames.states == ["53300"])
        #expect(frames.errors.first?.hint == "Raise max_client_conn.")
        first.close()
        world.settle()
        #expect(world.connect().login().status == "I")
        #expect(second.ask("select 1").status == "I")
    }

    @Test(arguments: [
        (LoginMethod.trust, CARPOOL_METHOD_TRUST), (.password, CARPOOL_METHOD_PASSWORD),
        (.md5, CARPOOL_METHOD_MD5), (.scram, CARPOOL_METHOD_SCRAM),
    ])
    func `login methods have the numbers of the contract`(method: LoginMethod, number: CarpoolMethod) {
        #expect(method.rawValue == Int32(number.rawValue))
    }

    @Test func `a client that hangs up before its login is forgotten`() {
        let world = World()
        for length in [0, 1, 5, 20] {
            let client = world.connect()
            client.send(Array(TestClient.startup().prefix(length)))
            world.settle()
            client.close()
            world.settle()
            #expect(world.shared.clients == 0)
        }
        #expect(world.host.asked.isEmpty)
    }

    @Test func `a login that ends its stream behind a query has it answered`() {
        let world = World()
        let client = world.connect()
        client.send(TestClient.startup(name: "one") + query("select 1"))
        client.endOutput()
        world.settle()
        #expect(client.read().rows == ["select 1@one#5001"])
        #expect(client.hasEnded)
        #expect(world.shared.clients == 0)
    }
}
