import CSys
import Engine
import Testing
import Wire

/// Two engine threads with one set of pools.
@Suite struct HandOverTests {
    private func world(size: Int32 = 1, settings: [String: String] = [:]) -> World {
        let world = World(threads: 2, settings: settings)
        world.host.pool.size = size
        return world
    }

    @Test func `a server goes to the thread whose client waits`() {
        let world = world()
        let (one, two) = (world.client(name: "one"), world.client(name: "two", thread: 1))
        _ = one.ask("begin")
        #expect(two.ask("select two").isEmpty)
        #expect(world.threads[1].clients["waiting"] == 1)
        _ = one.ask("commit")
        #expect(two.read().rows == ["select two@two#5001"])
        #expect(world.threads[0].servers == [:])
        #expect(world.threads[1].servers == ["idle": 1])
        #expect(world.backend.opened == 1)
        #expect(world.complaints == [])
    }

    @Test func `an idle server is fetched by the thread that needs it`() {
        let world = world()
        let (one, two) = (world.client(name: "one"), world.client(name: "two", thread: 1))
        #expect(one.ask("select one").status == "I")
        #expect(two.ask("select two").rows == ["select two@two#5001"])
        #expect(one.ask("select one").rows == ["select one@one#5001"])
        #expect(world.backend.opened == 1)
        #expect(world.complaints == [])
    }

    @Test func `clients that take turns fetch the server each time, and wait for no housekeeping`() {
        let world = world(size: 2)
        let clients = (0..<6).map { world.client(name: "c\($0)", thread: $0 % 2) }
        for round in 0..<8 {
            for (index, client) in clients.enumerated() {
                #expect(client.ask("select \(round)").status == "I", "client \(index), round \(round)")
            }
        }
        for client in clients[..<2] { #expect(client.ask("begin").status == "T") }
        for client in clients[..<2] { _ = client.ask("commit") }
        // two that wait on one thread get both servers of the other
        world.settle()
        let (third, fifth) = (clients[3], clients[5])
        third.send(query("select 3"))
        fifth.send(query("select 5"))
        world.settle()
        #expect(third.read().status == "I" && fifth.read().status == "I")
        #expect(world.backend.opened == 2)
        #expect(world.complaints == [])
    }

    @Test func `both threads get their turn with one server`() {
        let world = world()
        let clients = (0..<8).map { world.client(name: "c\($0)", thread: $0 % 2) }
        for round in 0..<4 {
            for client in clients { client.send(query("select \(round)")) }
            world.settle()
            for (index, client) in clients.enumerated() {
                #expect(client.read().rows == ["select \(round)@c\(index)#5001"])
            }
        }
        #expect(world.complaints == [])
    }

    @Test(arguments: [[1, 1, 1], [1, 1, 1, 1], [1, 3, 1], [5, 1, 2]])
    func `of threads whose clients wait all the time each gets its turn`(clients: [Int]) {
        let world = World(threads: clients.count)
        world.host.pool.size = 1
        var busy = clients.enumerated().flatMap { thread, count in
            (0..<count).map { (client: world.client(name: "c\(thread)-\($0)", thread: thread), answers: 0) }
        }
        for (client, _) in busy { client.send(query("select 0")) }
        for step in 0..<6000 {
            _ = world.turn(step % world.parts)
            for index in busy.indices where busy[index].client.read().status == "I" {
                busy[index].answers += 1
                busy[index].client.send(query("select \(busy[index].answers)"))
            }
        }
        let counts = busy.map(\.answers)
        #expect(counts.min()! * 8 > counts.max()!, "\(counts)")
    }

    @Test func `a cancel request finds its client on another thread`() {
        let world = world(size: 2)
        let one = world.client(thread: 1)
        _ = one.ask("hold")
        let request = world.cancel(one, thread: 0)
        #expect(one.read().states == ["57014"])
        #expect(request.hasEnded)
    }

    @Test func `a cancel request finds a server that came from another thread`() {
        let world = world()
        let (one, two) = (world.client(), world.client(thread: 1))
        _ = one.ask("begin")
        _ = two.ask("hold")
        _ = one.ask("commit")
        #expect(world.backend.holding.count == 1)
        world.cancel(two)
        #expect(two.read().states == ["57014"])
        #expect(world.backend.cancels.map(\.hit) == [true])
    }

    @Test func `a server that is handed over while its receiver leaves is not lost`() {
        let world = world()
        let (one, two) = (world.client(), world.client(thread: 1))
        _ = one.ask("begin")
        _ = two.ask("select two")
        one.send(query("commit"))
        // The first thread passes the server on; the second has not taken it yet.
        while world.threads[0].turn(world.now) || world.backend.serve() {}
        two.close()
        world.settle()
        #expect(world.servers("idle") == 1)
        #expect(one.ask("select one").status == "I")
        #expect(world.complaints == [])
    }

    @Test func `a closed server's slot goes to the thread whose client waits`() {
        let world = world()
        let (one, two) = (world.client(), world.client(name: "two", thread: 1))
        _ = one.ask("begin")
        _ = two.ask("select two")
        world.backend.live[0].close()
        world.settle()
        world.pass(seconds: 1)
        #expect(two.read().rows == ["select two@two#5002"])
        #expect(world.complaints == [])
    }

    @Test func `limits hold for both threads together`() {
        let world = world(size: 2)
        let clients = (0..<4).map { world.client(thread: $0 % 2) }
        for client in clients { _ = client.ask("begin") }
        #expect(world.backend.live.count == 2)
        #expect(world.shared.servers == 2)
        for client in clients where client.read().isEmpty { _ = client.exchange(terminate) }
        #expect(world.complaints == [])
    }

    @Test func `a promotion is told to clients of both threads`() {
        let world = world(size: 2)
        world.backend.reported = Backend.usual.map {
            ($0.name, $0.name == "in_hot_standby" ? "on" : $0.value)
        }
        let (one, two) = (world.client(), world.client(thread: 1))
        _ = one.ask("standby off")
        _ = two.read()
        #expect(two.parameters["in_hot_standby"] == "off")
    }

    @Test func `the acceptor deals clients out in turn`() throws {
        let folder = "/tmp"
        let port = 20_000 + Int(getpid()) % 10_000
        let listener = try Listener.unix(directory: folder, port: port, backlog: 16, mode: 0o700)
        let world = World(threads: 2, listeners: [listener])
        var clients: [TestClient] = []
        for _ in 0..<4 {
            let client = TestClient(world, socket: Socket(connectUnix(listener.name)))
            #expect(client.login().status == "I")
            clients.append(client)
        }
        #expect(world.threads.map { $0.clients["idle"] } == [2, 2])
        world.shared.drain(false)
        world.settle()
        #expect(connectUnix(listener.name) < 0)
        clients = []
        world.settle()
        #expect(world.isNotified)
        csys_close(listener.descriptor)
    }

    @Test func `too many connections are turned away before they have said a word`() throws {
        let port = 30_000 + Int(getpid()) % 10_000
        let listener = try Listener.unix(directory: "/tmp", port: port, backlog: 16, mode: 0o700)
        let world = World(settings: ["max_client_conn": "1"], listeners: [listener])
        var silent: [TestClient] = []
        var refusals = 0
        for _ in 0..<150 where refusals == 0 {
            let client = TestClient(world, socket: Socket(connectUnix(listener.name)))
            world.settle()
            refusals += client.read().states.count
            silent.append(client)
        }
        #expect(refusals == 1)
        #expect(silent.last?.hasEnded == true)
        listener.refuse()
        csys_close(listener.descriptor)
    }
}
