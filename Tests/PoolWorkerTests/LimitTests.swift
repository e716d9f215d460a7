import Testing
import Wire

/// Limits of servers that pools share, and who gives way.
@Suite struct LimitTests {
    @Test func `pool_size limits a pool, and no other`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two, three) = (world.client(), world.client(), world.client(user: "bob"))
        _ = one.ask("begin")
        #expect(two.ask("begin").isEmpty)
        #expect(three.ask("begin").status == "T")
        #expect(world.backend.live.count == 2)
    }

    @Test func `an idle server of another pool is closed for one of a full database`() {
        let world = World()
        world.host.pool.ofDatabase = 1
        let (one, two) = (world.client(user: "ann"), world.client(user: "bob"))
        world.pass(seconds: 1)
        #expect(two.ask("select 2").isEmpty || world.backend.live.map(\.user) == ["bob"])
        world.pass(seconds: 1)
        #expect(two.read().status == "I" || world.backend.live.map(\.user) == ["bob"])
        #expect(world.backend.live.count == 1)
        #expect(one.ask("select 1").isEmpty || world.backend.live.map(\.user) == ["ann"])
        world.pass(seconds: 1)
        #expect(world.backend.live.map(\.user) == ["ann"])
        #expect(world.shared.servers(database: world.host.number("shop")) == 1)
        #expect(world.complaints == [])
    }

    @Test func `an idle server of another pool is closed for one of a full user`() {
        let world = World()
        world.host.pool.ofUser = 1
        let (one, two) = (world.client(database: "shop"), world.client(database: "hall"))
        world.pass(seconds: 1)
        _ = one.ask("select 1")
        world.pass(seconds: 1)
        #expect(world.backend.live.map(\.database) == ["shop"])
        _ = two.ask("select 2")
        world.pass(seconds: 1)
        #expect(world.backend.live.map(\.database) == ["hall"])
        #expect(world.complaints == [])
    }

    @Test func `idle servers of two pools are closed for one of a full database and a full user`() {
        let world = World()
        world.host.pool.ofDatabase = 1
        world.host.pool.ofUser = 1
        let (one, two) = (world.client(user: "bob"), world.client(user: "ann", database: "hall"))
        let three = world.connect()
        _ = three.login(user: "ann")
        world.pass(seconds: 1)
        #expect(three.read().status == "I")
        #expect(world.backend.live.map(\.user) == ["ann"])
        #expect(world.backend.live.map(\.database) == ["shop"])
        #expect(world.shared.queued == 0)
        for client in [one, two] { client.send(query("select 1")) }
        world.pass(seconds: 1)
        #expect([one, two].map { $0.read().status } == ["I", "I"])
        #expect(world.complaints == [])
    }

    @Test func `a busy server is closed for another pool behind its transaction`() {
        let world = World()
        world.host.pool.ofDatabase = 1
        let (one, two) = (world.client(user: "ann"), world.connect())
        _ = one.ask("begin")
        _ = two.login(user: "bob")
        world.pass(seconds: 1)
        #expect(two.read().isEmpty)
        #expect(world.shared.queued == 1)
        _ = one.ask("commit")
        world.pass(seconds: 1)
        #expect(two.read().status == "I")
        #expect(world.backend.live.map(\.user) == ["bob"])
        #expect(world.shared.queued == 0)
        #expect(world.complaints == [])
    }

    @Test func `pools of a full database share its servers evenly`() {
        let world = World()
        world.host.pool.ofDatabase = 4
        let ann = (0..<4).map { _ in world.client(user: "ann") }
        for client in ann { _ = client.ask("begin") }
        #expect(world.backend.live.count == 4)
        let bob = (0..<4).map { _ in world.connect() }
        for client in bob { _ = client.exchange(TestClient.startup(user: "bob") + query("begin")) }
        world.pass(seconds: 1)
        for client in ann {
            _ = client.ask("commit")
            client.send(query("begin"))
            world.pass(seconds: 0.4)
        }
        #expect(world.backend.live.count { $0.user == "ann" } == 2)
        #expect(world.backend.live.count { $0.user == "bob" } == 2)
        #expect(world.complaints == [])
    }

    @Test func `idle servers of a database are closed when the host asks for it`() {
        let world = World()
        let (one, two) = (world.client(), world.client(database: "hall"))
        _ = one.ask("select 1")
        _ = two.ask("select 2")
        world.shared.evict(database: world.host.number("shop"))
        world.settle()
        #expect(world.backend.live.map(\.database) == ["hall"])
        #expect(world.shared.clients(database: world.host.number("shop")) == 1)
        #expect(one.ask("select 3").status == "I")
    }

    @Test func `servers of a database that has moved serve nobody new`() {
        let world = World()
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("select 2")
        let other = world.otherBackend()
        world.host.replies["shop"] = {
            $0.address = other.address
            $0.facts = 7
        }
        world.shared.moved(database: world.host.number("shop"), moment: 7)
        world.settle()
        #expect(world.backend.live.count == 1)
        #expect(two.ask("select 3").status == "I")
        #expect(other.live.count == 1)
        #expect(one.ask("commit").status == "I")
        #expect(world.backend.live.isEmpty)
        #expect(world.complaints == [])
    }

    @Test func `a login that has seen a change gets a server from after it`() {
        let world = World(keepsOIDs: true)
        world.host.replies["ann"] = { $0.facts = 1 }
        let one = world.client()
        _ = one.ask("select 1")
        world.host.replies["ann"] = { $0.facts = 2 }
        let two = world.client()
        #expect(two.ask("select 2").status == "I")
        #expect(world.backend.live.map(\.process) == [5002])
    }

    // MARK: reload

    @Test func `a larger pool after a reload serves who waits already`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        #expect(two.ask("select 2").isEmpty)
        world.host.pool.size = 2
        world.reload()
        #expect(two.read().status == "I")
        #expect(world.backend.live.count == 2)
    }

    @Test func `a smaller max_client_conn holds for the next logins`() {
        let world = World()
        let clients = (0..<3).map { _ in world.client() }
        world.reload(["max_client_conn": "3"])
        #expect(world.connect().login().states == ["53300"])
        #expect(clients.allSatisfy { $0.ask("select 1").status == "I" })
        world.reload(["max_client_conn": "100000"])
        #expect(world.connect().login().status == "I")
    }

    @Test func `another pool mode after a reload holds for clients that are there`() {
        let world = World()
        world.host.pool.mode = .session
        let one = world.client()
        _ = one.ask("select 1")
        #expect(world.servers("active") == 1)
        world.host.pool.mode = .transaction
        world.reload()
        _ = one.ask("select 2")
        #expect(world.servers("idle") == 1)
        world.host.pool.mode = .statement
        world.reload()
        #expect(one.ask("begin").states == ["0A000"])
    }
}

/// The end of the worker, in order.
@Suite struct EndTests {
    @Test func `a stop tells every client 57P01`() {
        let world = World(threads: 2)
        let (one, two, three) = (world.client(), world.client(thread: 1), world.connect())
        _ = one.ask("begin")
        world.shared.stop()
        world.settle()
        #expect(one.read().states == ["57P01"])
        #expect(two.read().states == ["57P01"])
        #expect(three.read().states == ["57P01"])
        #expect([one, two, three].map(\.hasEnded) == [true, true, true])
        #expect(world.threads.allSatisfy { !$0.isRunning })
        #expect(world.shared.clients == 0)
        #expect(world.backend.live.isEmpty)
    }

    @Test func `a drain of transactions ends clients outside of them, others behind them`() {
        let world = World()
        let (idle, busy) = (world.client(), world.client())
        _ = busy.ask("begin")
        world.shared.drain(true)
        world.settle()
        #expect(idle.read().states == ["57P01"])
        #expect(busy.read().isEmpty)
        #expect(busy.ask("select 1").status == "T")
        #expect(!world.isNotified)
        let last = busy.ask("commit")
        #expect(last.tags == "CZE")
        #expect(last.states == ["57P01"])
        #expect(world.isNotified)
        #expect(world.shared.clients == 0)
    }

    @Test func `a drain of transactions lets who waits have its turn`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client(name: "two"))
        _ = one.ask("begin")
        _ = two.ask("select two")
        world.shared.drain(true)
        world.settle()
        _ = one.ask("commit")
        let frames = two.read()
        #expect(frames.rows == ["select two@two#5001"])
        #expect(frames.states == ["57P01"])
        #expect(world.isNotified)
    }

    @Test func `a drain of clients waits for them, and takes no new ones`() {
        let world = World()
        let one = world.client()
        world.shared.drain(false)
        world.settle()
        #expect(world.connect().login().states == ["57P03"])
        #expect(one.ask("select 1").status == "I")
        #expect(!world.isNotified)
        one.send(terminate)
        world.settle()
        #expect(world.isNotified)
    }

    @Test(arguments: [true, false])
    func `a drain waits for nobody who has not said who it is`(transactions: Bool) {
        let world = World()
        let silent = world.connect()
        let half = world.connect()
        half.send([0, 0, 0, 50, 0, 3])
        world.settle()
        world.shared.drain(transactions)
        world.settle()
        #expect(silent.read().isEmpty && !silent.hasEnded)
        world.pass(seconds: 1)
        for client in [silent, half] {
            #expect(client.read().states == ["57P03"])
            #expect(client.hasEnded)
        }
        #expect(world.shared.clients == 0)
    }

    @Test func `a drain without clients is over at once`() {
        let world = World()
        world.shared.drain(false)
        #expect(world.isNotified)
    }
}
