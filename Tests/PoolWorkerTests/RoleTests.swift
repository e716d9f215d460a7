import TestSupport
import Testing
import Wire

/// test_rotate_servers: what a session leaves behind on a server shows at once.
@Suite struct RotationTests {
    private let world: World

    init() {
        world = World(settings: ["test_rotate_servers": "on"])
        world.host.pool.size = 2
    }

    private func process(_ frames: [Frame]) -> Substring? { frames.rows.first?.split(separator: "#").last }

    @Test func `no transaction of a client runs where its last one ran`() {
        let client = world.client(name: "one")
        var last = process(client.ask("select 0"))
        for number in 1..<6 {
            world.pass(seconds: 0.4)
            client.send(query("select \(number)"))
            world.settle()
            world.pass(seconds: 0.4)
            let next = process(client.read())
            #expect(next != nil)
            if world.backend.live.count > 1 { #expect(next != last) }
            last = next
        }
        #expect(world.complaints == [])
    }

    @Test func `a transaction stays where it is`() {
        let client = world.client(name: "one")
        _ = client.ask("begin")
        let first = process(client.ask("select 1"))
        #expect(process(client.ask("select 2")) == first)
    }

    @Test func `with one server there is no other`() {
        world.host.pool.size = 1
        let client = world.client(name: "one")
        for number in 0..<4 {
            client.send(query("select \(number)"))
            world.settle()
            world.pass(seconds: 0.7)
            #expect(client.read().status == "I")
        }
        #expect(world.backend.live.count == 1)
    }
}

/// Servers that log in as somebody else than their pool's role, and pools of several roles.
@Suite struct RoleTests {
    private let world: World
    private let agents: Agents

    init() {
        world = World(keepsOIDs: true, agents: 12)
        agents = Agents(world)
    }

    @Test func `a server that logged in as the owner becomes its pool's role, and is confirmed again`() {
        world.host.owners = ["ann"]
        let one = world.client(name: "one")
        #expect(one.ask("select 1").rows == ["select 1@one#5001"])
        #expect(agents.messages.first == 3)
        #expect(world.host.count(.confirm) == 2)
        #expect(world.complaints == [])
    }

    @Test func `where the owner's server can't become the role, servers log in as the role`() {
        world.host.owners = ["ann"]
        agents.refusal = "0A000 another way of login would do"
        let client = world.client(name: "one")
        #expect(client.ask("select 1").status == "I")
        #expect(world.host.asked.contains { $0.kind == .route && $0.holds & 4 != 0 })
        #expect(world.backend.live.count == 1)
        #expect(world.complaints == [])
    }

    @Test func `another error of a server that becomes a role is the login's`() {
        world.host.owners = ["ann"]
        agents.refusal = "42704 role does not exist"
        #expect(world.connect().login().states == ["42704"])
        #expect(world.counted == 0)
    }

    @Test func `roles that share a pool share its server`() {
        for user in ["ann", "bob"] { world.host.replies[user] = { $0.mayShare = true } }
        world.host.pool.size = 1
        let (one, two) = (world.client(user: "ann", name: "one"), world.client(user: "bob", name: "two"))
        #expect(one.ask("select 1").rows == ["select 1@one#5001"])
        #expect(two.ask("select 2").rows == ["select 2@two#5001"])
        #expect(world.threads[0].pools.count == 1)
        #expect(world.backend.opened == 1)
    }

    @Test func `a role that may not share has a pool of its own`() {
        world.host.replies["ann"] = { $0.mayShare = true }
        let (one, two) = (world.client(user: "ann"), world.client(user: "bob"))
        #expect(one.ask("select 1").status == "I")
        #expect(two.ask("select 2").status == "I")
        #expect(world.threads[0].pools.count == 2)
        #expect(world.backend.opened == 2)
    }
}
