import Testing
import Wire

/// What is due by time, on a clock that the test moves.
@Suite struct HousekeepingTests {
    @Test func `client_login_timeout ends a login that takes too long`() {
        let world = World(settings: ["client_login_timeout": "10"])
        let client = world.connect()
        world.pass(seconds: 9)
        #expect(client.read().isEmpty)
        world.pass(seconds: 2)
        #expect(client.read().states == ["57014"])
        #expect(client.hasEnded)
    }

    @Test func `client_idle_timeout ends a client outside a transaction`() {
        let world = World()
        world.host.pool.clientIdle = 10
        let (one, two) = (world.client(), world.client())
        _ = two.ask("begin")
        world.pass(seconds: 9)
        _ = one.ask("select 1")
        world.pass(seconds: 9)
        #expect(!one.hasEnded)
        world.pass(seconds: 2)
        #expect(one.read().states == ["57P05"])
        #expect(one.hasEnded)
        #expect(two.ask("select 1").status == "T")
    }

    @Test func `idle_transaction_timeout ends a client inside a transaction, and rolls that back`() {
        let world = World()
        world.host.pool.idleTransaction = 10
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        world.pass(seconds: 9)
        _ = one.ask("select 1")
        world.pass(seconds: 9)
        #expect(one.read().isEmpty)
        world.pass(seconds: 2)
        #expect(one.read().states == ["25P03"])
        #expect(world.backend.live[0].heard.last == "ROLLBACK")
        #expect(two.ask("select 2").status == "I")
    }

    @Test func `no idle timeout counts while a statement runs`() {
        let world = World()
        world.host.pool.idleTransaction = 10
        world.host.pool.clientIdle = 10
        let one = world.client()
        _ = one.ask("hold")
        world.pass(seconds: 60)
        world.backend.live[0].finish()
        world.settle()
        #expect(one.read().status == "I")
    }

    @Test func `query_wait_timeout ends a client that waits too long`() {
        let world = World(settings: ["query_wait_timeout": "10"])
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("select 2")
        world.pass(seconds: 9)
        #expect(two.read().isEmpty)
        world.pass(seconds: 2)
        let frames = two.read()
        #expect(frames.states == ["53300"])
        #expect(frames.errors.first?.detail?.contains("No server of pool shop/ann became free") == true)
        #expect(one.ask("select 1").status == "T")
        #expect(world.complaints == [])
    }

    @Test func `server_idle_timeout closes servers that nobody needs`() {
        let world = World(settings: ["server_idle_timeout": "10"])
        let one = world.client()
        _ = one.ask("select 1")
        world.pass(seconds: 9)
        #expect(world.servers("idle") == 1)
        world.pass(seconds: 2)
        #expect(world.counted == 0)
        #expect(world.backend.live.isEmpty)
        #expect(one.ask("select 2").status == "I")
    }

    @Test func `min_pool_size keeps servers open while the pool has clients`() {
        let world = World(settings: ["server_idle_timeout": "10"])
        world.host.pool.least = 3
        let one = world.client()
        world.pass(seconds: 1)
        #expect(world.servers("idle") == 3)
        world.pass(seconds: 60)
        #expect(world.servers("idle") == 3)
        world.backend.live[0].close()
        world.settle()
        world.pass(seconds: 1)
        #expect(world.servers("idle") == 3)
        one.send(terminate)
        world.settle()
        world.pass(seconds: 60)
        #expect(world.counted == 0)
    }

    @Test func `server_lifetime closes an idle server, and a busy one behind its client`() {
        let world = World()
        world.host.pool.lifetime = 100
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("select 2")
        #expect(world.backend.live.count == 2)
        world.pass(seconds: 101)
        #expect(world.backend.live.count == 1)
        #expect(one.ask("commit").status == "I")
        #expect(world.backend.live.isEmpty)
        #expect(two.ask("select 3").rows.first?.hasSuffix("#5003") == true)
    }

    @Test func `server_lifetime 0 means one use`() {
        let world = World()
        world.host.pool.lifetime = 0
        let one = world.client(name: "one")
        #expect(one.ask("select 1").status == "I")
        #expect(world.backend.live.isEmpty)
        #expect(one.ask("select 2").status == "I")
        #expect(world.backend.opened >= 2)
    }

    @Test func `server_connect_timeout gives a mute server up`() {
        let world = World(settings: ["server_connect_timeout": "5"])
        world.backend.isMute = true
        let one = world.connect()
        _ = one.login()
        world.pass(seconds: 4)
        #expect(one.read().isEmpty)
        world.pass(seconds: 2)
        let frames = one.read()
        #expect(frames.states == ["08006"])
        #expect(frames.errors.first?.hint == "See server_connect_timeout.")
        #expect(world.counted == 0)
    }

    @Test func `a server whose cancel request may still come serves nobody again`() {
        let world = World(settings: ["cancel_wait_timeout": "5"])
        world.backend.holdsCancels = true
        let one = world.client()
        _ = one.ask("hold")
        world.cancel(one)
        #expect(one.read().status == "I")
        world.pass(seconds: 6)
        #expect(world.shared.servers == 0)
        #expect(one.ask("select 1").rows.first?.hasSuffix("#5001") == false)
    }

    @Test func `a client that takes nothing more is forgotten after five seconds`() {
        let world = World()
        let one = world.client()
        world.host.pool.clientIdle = 1
        one.send(query("big 3000000"))
        world.settle()
        one.endOutput()
        world.settle()
        world.pass(seconds: 12)
        #expect(world.shared.clients == 0)
        #expect(world.complaints == [])
    }

    @Test func `a pool that nothing uses is forgotten after autodb_idle_timeout`() {
        let world = World(settings: ["autodb_idle_timeout": "100", "server_idle_timeout": "10"])
        let one = world.client()
        one.send(terminate)
        world.settle()
        world.pass(seconds: 50)
        #expect(world.threads[0].pools.count == 1)
        world.pass(seconds: 120)
        #expect(world.threads[0].pools.isEmpty)
        #expect(world.client().ask("select 1").status == "I")
    }

    // MARK: outages

    @Test func `while no server can be had, tries are spaced`() {
        let world = World()
        world.backend.refusal = "53300 sorry, too many clients already"
        let one = world.connect()
        _ = one.login()
        world.pass(seconds: 30)
        let tries = world.host.count(.route)
        #expect(tries > 5)
        #expect(tries < 60)
        #expect(one.read().isEmpty)
        world.backend.refusal = nil
        world.pass(seconds: 3)
        #expect(one.read().status == "I")
    }

    @Test func `a client with a query waits for the end of an outage`() {
        let world = World()
        let one = world.client(name: "one")
        _ = one.ask("select 1")
        world.backend.crash()
        world.settle()
        #expect(one.ask("select 2").isEmpty)
        world.pass(seconds: 20)
        #expect(world.clients("waiting") == 1)
        world.backend.start()
        world.pass(seconds: 5)
        #expect(one.read().rows == ["select 2@one#5002"])
        #expect(world.complaints == [])
    }

    @Test func `pools of one server program share its outage`() {
        let world = World()
        let clients = (0..<5).map { world.client(user: "user\($0)") }
        world.backend.crash()
        world.settle()
        for client in clients { _ = client.ask("select 1") }
        let before = world.host.count(.route)
        world.pass(seconds: 20)
        #expect(world.host.count(.route) - before < 40)
        world.backend.start()
        world.pass(seconds: 5)
        for client in clients { #expect(client.read().status == "I") }
    }

    @Test func `an outage of one server program is none of another`() {
        let world = World()
        let other = world.otherBackend()
        world.host.replies["far"] = { $0.address = other.address }
        let (near, far) = (world.client(), world.client(database: "far"))
        world.backend.crash()
        world.settle()
        #expect(near.ask("select 1").isEmpty)
        #expect(far.ask("select 1").status == "I")
    }
}
