import TestSupport
import Testing
import Wire

/// Servers whose agents take a client's session along.
@Suite struct AgentTests {
    private let world: World
    private let agents: Agents

    init() {
        world = World(settings: ["max_pinned_servers": "2"], keepsOIDs: true, agents: 12)
        agents = Agents(world)
    }

    @Test func `a login is told what an agent has answered`() {
        let one = world.connect()
        #expect(one.login(name: "one").tags == "RSSSSSSSSKZ")
        #expect(one.parameters["application_name"] == "one")
        #expect(agents.messages == [2])
        #expect(one.ask("select 1").rows == ["select 1@one#5001"])
        #expect(world.complaints == [])
    }

    @Test func `what an agent has answered is known to later logins, and told to their first server`() {
        _ = world.client(name: "one")
        let two = world.client(name: "two")
        #expect(two.parameters["application_name"] == "two")
        #expect(agents.messages == [2])
        #expect(two.ask("select 2").rows == ["select 2@two#5001"])
        #expect(agents.messages == [2, 1])
        #expect(two.ask("select 3").rows == ["select 3@two#5001"])
        #expect(agents.messages == [2, 1])
    }

    @Test func `a reload lets agents be asked again`() {
        _ = world.client()
        world.reload()
        _ = world.client()
        #expect(agents.messages == [2, 2])
    }

    @Test func `the ledger says whom a server serves`() {
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("select 1")
        let first = agents.attached(world.backend.live[0])
        _ = two.ask("select 2")
        #expect(agents.attached(world.backend.live[0]) != first)
        _ = one.ask("select 3")
        #expect(agents.attached(world.backend.live[0]) == first)
    }

    @Test func `a client with pins keeps its server`() {
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.ask("pin").status == "I")
        #expect(world.servers("active") == 1)
        #expect(two.ask("select 2").isEmpty)
        #expect(one.ask("select 1").status == "I")
        #expect(one.ask("unpin").status == "I")
        #expect(two.read().rows == ["select 2@two#5001"])
        #expect(world.complaints == [])
    }

    @Test func `pins of a client that has left are discarded`() {
        let one = world.client(name: "one")
        _ = one.ask("pin")
        one.send(terminate)
        world.settle()
        #expect(world.backend.live[0].heard.last == "DISCARD ALL")
        #expect(world.servers("idle") == 1)
    }

    @Test func `a server whose pins can't be discarded is closed`() {
        agents.sticks = true
        let one = world.client(name: "one")
        _ = one.ask("pin")
        one.send(terminate)
        world.settle()
        #expect(world.counted == 0)
        #expect(world.host.hasLogged("DISCARD ALL does not end"))
    }

    @Test func `max_pinned_servers ends who would pin one more`() {
        let clients = (0..<3).map { _ in world.client() }
        #expect(clients[0].ask("pin").status == "I")
        #expect(clients[1].ask("pin").status == "I")
        let frames = clients[2].ask("pin")
        #expect(frames.states == ["53400"])
        #expect(frames.errors.first?.detail?.contains("temporary object") == true)
        #expect(clients[0].ask("unpin").status == "I")
        #expect(world.client().ask("pin").status == "I")
        #expect(world.complaints == [])
    }

    @Test func `an open transaction is rolled back in the session of the client that has left`() {
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("begin")
        let first = agents.attached(world.backend.live[0])
        world.backend.live[0].allowance = 0
        one.close()
        world.settle()
        #expect(world.backend.live[0].heard.last == "ROLLBACK")
        #expect(agents.attached(world.backend.live[0]) == first)
        world.backend.live[0].allowance = nil
        world.settle()
        #expect(agents.attached(world.backend.live[0]) == 0)
        #expect(two.ask("select 2").rows == ["select 2@two#5001"])
    }

    @Test func `a cancel names its client in the ledger`() {
        var asked: [UInt32] = []
        world.host.interrupt = { _, slot in
            asked.append(slot)
            return true
        }
        let one = world.client()
        _ = one.ask("hold")
        world.cancel(one)
        let session = world.backend.live[0]
        #expect(asked == [1])
        #expect(agents.cancelled(session) == agents.attached(session))
        #expect(agents.cancelled(session) != 0)
    }

    @Test func `a pool whose servers have agents takes no other ones`() {
        let one = world.client()
        _ = one.ask("begin")
        agents.areAway = true
        let two = world.client()
        #expect(two.ask("select 2").isEmpty || two.hasEnded)
        #expect(world.host.hasLogged("a backend has no agent"))
        #expect(one.ask("commit").status == "I")
    }

    @Test func `a server without an agent may not speak like one`() {
        let world = World()
        let one = world.client()
        _ = one.ask("begin")
        world.backend.live[0].say(message(BackendTag.agent, "R1234"))
        world.settle()
        #expect(one.read().states == ["08P01"])
    }
}

/// Clients that listen without a server, through the hub of their database.
@Suite struct HubTests {
    private let world: World
    private let agents: Agents
    private let listener: TestClient
    /// The listener's in the ledger.
    private let reference: UInt64

    init() {
        let settings = ["server_idle_timeout": "30", "max_notification_memory": "1"]
        world = World(threads: 2, settings: settings, keepsOIDs: true, agents: 12)
        agents = Agents(world)
        listener = world.client(name: "ears", thread: 1)
        _ = listener.ask("select 1")
        reference = agents.attached(world.backend.live[0])
        _ = listener.ask("listen")
        agents.hubHasRead(1)
        world.settle()
    }

    @Test func `a hub is opened for the first client that listens, which gives its server back`() {
        #expect(agents.hub != nil)
        #expect(world.servers("hub") == 1)
        #expect(world.servers("idle") == 1)
        #expect(listener.ask("select 2").rows == ["select 2@ears#5001"])
        #expect(world.complaints == [])
    }

    @Test func `a client that listens hears at once while it is idle`() {
        agents.notify(listener, reference, "news")
        world.settle()
        let frames = listener.read()
        #expect(frames.tags == "A")
        #expect(text(frames[0].body).hasSuffix("channel\0news\0"))
    }

    @Test func `in a transaction a client hears before its end`() {
        _ = listener.ask("begin")
        agents.notify(listener, reference, "news")
        world.settle()
        #expect(listener.read().isEmpty)
        agents.request = 2
        #expect(listener.ask("commit").tags == "C")
        agents.hubHasRead(2)
        world.settle()
        #expect(listener.read().tags == "AZ")
        #expect(world.servers("idle") == 1)
    }

    @Test func `a notification for a client that has left is dropped`() {
        listener.send(terminate)
        world.settle()
        agents.notify(listener, reference, "news")
        world.settle()
        #expect(world.threads[1].notificationBytes == 0)
        #expect(world.servers("hub") == 1)
    }

    @Test func `a client that can't be told a notification is ended`() {
        agents.notifyUnwritable(listener, reference)
        world.settle()
        #expect(listener.read().states == ["22P05"])
    }

    @Test func `the end of the hub ends who listens by it`() {
        agents.hub?.close()
        world.settle()
        let frames = listener.read()
        #expect(frames.states == ["57P01"])
        #expect(frames.errors.first?.detail == "Notifications may have been missed.")
        #expect(world.servers("hub") == 0)
        #expect(world.complaints == [])
    }

    @Test func `a hub by which nobody listens is closed after server_idle_timeout`() {
        world.pass(seconds: 60)
        #expect(world.servers("hub") == 1)
        listener.send(terminate)
        world.settle()
        world.pass(seconds: 60)
        #expect(world.servers("hub") == 0)
        #expect(world.shared.servers == 0)
    }

    @Test func `a hub by which nobody listens is closed when the host asks for it`() {
        listener.send(terminate)
        world.settle()
        world.shared.evict(database: world.host.number("shop"))
        world.settle()
        #expect(world.servers("hub") == 0)
    }

    @Test func `too much that waits ends the client for which most does`() {
        _ = listener.ask("begin")
        for _ in 0..<20 { agents.notify(listener, reference, String(repeating: "x", count: 60_000)) }
        world.settle()
        #expect(listener.read().states == ["53400"])
        #expect(world.threads[1].notificationBytes == 0)
        #expect(world.complaints == [])
    }
}
