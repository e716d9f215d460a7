import Auth
import TestSupport
import Testing
import Wire

@Suite struct ServerLoginTests {
    @Test func `a server's login names user and database of its pool`() {
        let world = World()
        _ = world.client(user: "ann", database: "shop")
        #expect(world.backend.live.map(\.user) == ["ann"])
        #expect(world.backend.live.map(\.database) == ["shop"])
        #expect(world.host.count(.route) == 1)
        #expect(world.host.count(.confirm) == 0)
    }

    @Test func `a server that asks for a password gets the host's`() {
        let world = World()
        world.backend.password = "secret"
        world.host.replies["ann"] = { $0.secret = "secret" }
        #expect(world.client().ask("select 1").status == "I")
    }

    @Test func `a server that asks for a password gets the client's, where the host has none`() {
        let world = World()
        world.backend.password = "secret"
        world.host.replies["ann"] = {
            $0.method = .password
            $0.secret = text(scramVerifier("secret").stored)
        }
        let client = world.connect()
        _ = client.login()
        #expect(client.exchange(message(FrontendTag.password, "secret\0")).status == "I")
        #expect(world.host.asked.last?.holds == 2)
    }

    @Test func `a server takes the keys of a client's SCRAM login`() {
        let world = World()
        let verifier = scramVerifier("secret")
        world.backend.verifier = verifier
        world.host.replies["ann"] = {
            $0.method = .scram
            $0.secret = text(verifier.stored)
        }
        let client = world.connect()
        var driver = PasswordDriver(password: "secret")
        #expect(driver.run(client, client.login()).status == "I")
        #expect(world.host.asked.last?.holds == 1)
        #expect(world.backend.live.count == 1)
    }

    @Test func `a clear-text password opens a SCRAM server, by the hasher`() {
        let world = World()
        world.backend.verifier = scramVerifier("secret")
        world.host.replies["ann"] = { $0.secret = "secret" }
        #expect(world.client().ask("select 1").status == "I")
    }

    @Test func `a login hears at once why its server could not be had`() {
        let world = World()
        world.backend.password = "secret"
        let client = world.connect()
        let frames = client.login()
        #expect(frames.tags == "RE")
        #expect(client.hasEnded)
        #expect(world.counted == 0)
        #expect(world.complaints == [])
    }

    @Test func `a server's own refusal goes to the login in its words`() {
        let world = World()
        world.backend.refusal = "3D000 no such database here"
        let frames = world.connect().login()
        #expect(frames.states == ["3D000"])
        #expect(frames.errors.first?.severity == .fatal)
    }

    @Test func `a host's failed route goes to the login in its words`() {
        let world = World()
        _ = world.client()
        world.host.replies["bob"] = { if $0.pool.size == 1 { $0.failure = "28000 no way in" } }
        world.host.replies["bob"] = nil
        world.host.answersLater = true
        let client = world.connect()
        _ = client.login(user: "bob")
        world.answerAll()
        world.host.replies["bob"] = { $0.failure = "28000 no way in" }
        world.answerAll()
        #expect(client.read().states == ["28000"])
    }

    @Test func `a server that can't be reached is told with 08006`() {
        let world = World()
        world.backend.stopListening()
        let frames = world.connect().login()
        #expect(frames.states == ["08006"])
        #expect(frames.errors.first?.message == "test cannot connect to server")
    }

    @Test func `a server that hangs up during its login is told with 08006`() {
        let world = World()
        world.backend.isMute = true
        let client = world.connect()
        #expect(client.login().isEmpty)
        world.backend.sessions.first?.close()
        world.settle()
        #expect(client.read().states == ["08006"])
        #expect(world.counted == 0)
    }

    @Test(arguments: [
        message(BackendTag.dataRow), message(BackendTag.readyForQuery, "I"),
        message(BackendTag.backendKeyData, "12345678"), message(BackendTag.parameterStatus, "a\0b\0"),
        bytes("R") + [0, 0, 0, 1], bytes("R") + [0xff, 0, 0, 0],
    ])
    func `a server that says something else during its login is closed`(words: [UInt8]) {
        let world = World()
        world.backend.isMute = true
        let client = world.connect()
        _ = client.login()
        world.backend.sessions.first?.say(words)
        world.settle()
        #expect(client.read().states == ["08P01"])
        #expect(world.backend.sessions.isEmpty)
    }

    @Test func `a server that reports parameters without end is closed`() {
        let world = World()
        world.backend.reported = (0..<200).map { ("p\($0)", "x") }
        #expect(world.connect().login().states == ["08P01"])
    }

    @Test func `a notice during the login is dropped`() {
        let world = World()
        world.backend.isMute = true
        let client = world.connect()
        _ = client.login()
        let session = world.backend.sessions.first
        session?.say(written { $0.frame(BackendTag.authentication) { $0.int32(0) } })
        session?.say(message(BackendTag.noticeResponse, "SWARNING\0\0"))
        session?.welcome()
        world.settle()
        #expect(client.read().states == ["08P01"])  // AuthenticationOk came twice
    }

    @Test func `a server's login may come byte by byte`() {
        let world = World()
        world.backend.pieces = 1
        #expect(world.client(name: "one").ask("select 1").rows == ["select 1@one#5001"])
    }

    @Test func `a host with OIDs confirms each server`() {
        let world = World(keepsOIDs: true)
        #expect(world.client().ask("select 1").status == "I")
        #expect(world.host.asked.last?.kind == .confirm)
        #expect(world.host.asked.last?.processID == 5001)
    }

    @Test func `a server that is not confirmed is closed, and its client told`() {
        let world = World(keepsOIDs: true)
        world.host.answersLater = true
        let client = world.connect()
        _ = client.login()
        world.answerAll()
        world.answerAll()
        #expect(world.servers("confirming") == 1)
        world.host.replies["ann"] = { $0.failure = "3D000 another database" }
        world.answerAll()
        #expect(client.read().states == ["3D000"])
        #expect(world.backend.live.isEmpty)
    }

    @Test func `a server whose role changed during its login is replaced`() {
        let world = World(keepsOIDs: true)
        world.host.answersLater = true
        let client = world.connect()
        _ = client.login()
        world.answerAll()
        world.answerAll()
        world.host.replies["ann"] = { $0.facts = 5 }
        world.answerAll()
        #expect(client.read().isEmpty)
        world.host.answersLater = false
        world.pass(seconds: 1)
        #expect(client.read().status == "I")
        #expect(world.backend.opened == 2)
    }
}
