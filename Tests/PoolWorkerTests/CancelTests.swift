import Testing
import Wire

@Suite struct CancelTests {
    @Test func `a running statement is cancelled with its server's own key`() {
        let world = World()
        let one = world.client()
        _ = one.ask("hold")
        let session = world.backend.live[0]
        let request = world.cancel(one)
        #expect(world.backend.cancels.map(\.process) == [session.process])
        #expect(world.backend.cancels.map(\.key) == [session.key])
        #expect(one.read().states == ["57014"])
        #expect(request.hasEnded)
        #expect(world.servers("idle") == 1)
        #expect(world.complaints == [])
    }

    @Test func `the connection of a cancel request ends when the request is through`() {
        let world = World()
        world.backend.holdsCancels = true
        let one = world.client()
        _ = one.ask("hold")
        let request = world.cancel(one)
        #expect(!request.hasEnded)
        #expect(one.read().states == ["57014"])
        #expect(world.servers("settling") == 1)
        world.backend.endCancels()
        world.settle()
        _ = request.read()
        #expect(request.hasEnded)
        #expect(world.servers("idle") == 1)
    }

    @Test func `a server is given to nobody while a cancel request is on its way`() {
        let world = World()
        world.host.pool.size = 1
        world.backend.holdsCancels = true
        let (one, two) = (world.client(), world.client())
        _ = one.ask("hold")
        world.cancel(one)
        #expect(two.ask("select 2").isEmpty)
        world.backend.endCancels()
        world.settle()
        #expect(two.read().status == "I")
    }

    @Test func `a cancel request that never ends is given up`() {
        let world = World(settings: ["cancel_wait_timeout": "4"])
        world.backend.holdsCancels = true
        let one = world.client()
        _ = one.ask("hold")
        let request = world.cancel(one)
        world.pass(seconds: 3)
        #expect(world.servers("canceller") == 1)
        world.pass(seconds: 2)
        #expect(world.servers("canceller") == 0)
        _ = request.read()
        #expect(request.hasEnded)
        #expect(world.complaints == [])
    }

    @Test func `a cancel request goes to the server program of the client's server`() {
        let world = World()
        let other = world.otherBackend()
        world.host.replies["far"] = { $0.address = other.address }
        let (near, far) = (world.client(), world.client(database: "far"))
        _ = near.ask("hold near")
        _ = far.ask("hold far")
        world.cancel(far)
        #expect(world.backend.cancels.isEmpty)
        #expect(other.cancels.map(\.hit) == [true])
        #expect(far.read().states == ["57014"])
        #expect(near.read().isEmpty)
    }

    @Test func `a cancel request goes where its server was opened, not where the pool's next ones are`() {
        let world = World()
        let one = world.client()
        _ = one.ask("hold one")
        let other = world.otherBackend()
        world.host.replies["shop"] = { $0.address = other.address }
        let two = world.client()
        _ = two.ask("hold two")
        #expect(other.holding.count == 1)
        world.cancel(one)
        #expect(other.cancels.isEmpty)
        #expect(world.backend.cancels.map(\.hit) == [true])
        #expect(one.read().states == ["57014"])
        #expect(two.read().isEmpty)
    }

    @Test func `a host that can interrupt a backend needs no request`() {
        let world = World()
        let backend = world.backend
        world.host.interrupt = { process, _ in
            backend.live.first { $0.process == UInt32(process) }?.cancel() ?? false
        }
        let one = world.client()
        _ = one.ask("hold")
        let request = world.cancel(one)
        #expect(request.hasEnded)
        #expect(one.read().states == ["57014"])
        #expect(world.backend.cancels.isEmpty)
    }

    @Test func `an idle client is not harmed`() {
        let world = World()
        let one = world.client()
        _ = one.ask("select 1")
        #expect(world.cancel(one).hasEnded)
        #expect(world.backend.cancels.isEmpty)
        #expect(one.ask("select 2").status == "I")
    }

    @Test func `an idle client in a transaction is not harmed`() {
        let world = World()
        let one = world.client()
        _ = one.ask("begin")
        #expect(world.cancel(one).hasEnded)
        #expect(world.backend.cancels.isEmpty)
        #expect(one.ask("select 2").status == "T")
    }

    @Test func `a wrong key does nothing`() {
        let world = World()
        let one = world.client()
        _ = one.ask("hold")
        #expect(world.cancel(one, secret: one.secret ^ 1).hasEnded)
        let request = world.connect()
        request.send(StartupPacket.cancelPacket(processID: 4711, secret: one.secret))
        world.settle()
        _ = request.read()
        #expect(request.hasEnded)
        #expect(one.read().isEmpty)
        #expect(world.backend.holding.count == 1)
        #expect(world.shared.clients == 1)
    }

    @Test func `the key of a client that has left does nothing`() {
        let world = World()
        world.host.pool.size = 1
        let one = world.client()
        one.send(terminate)
        world.settle()
        let two = world.client()
        _ = two.ask("hold")
        #expect(world.cancel(one).hasEnded)
        #expect(world.backend.holding.count == 1)
    }

    @Test func `a client that waits is answered at once, and its request dropped`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("select two")
        #expect(world.cancel(two).hasEnded)
        let frames = two.read()
        #expect(frames.tags == "EZ")
        #expect(frames.states == ["57014"])
        _ = one.ask("commit")
        #expect(!world.backend.live[0].heard.contains("select two"))
        #expect(two.ask("select three").status == "I")
        #expect(world.complaints == [])
    }

    @Test func `the request of a client that waits is dropped as far as its Sync`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client(name: "two"))
        _ = one.ask("begin")
        _ = two.exchange(execution("select a"))
        world.cancel(two)
        #expect(two.read().isEmpty)
        #expect(world.clients("discarding") == 1)
        let frames = two.exchange(execution("select b") + sync)
        #expect(frames.states == ["57014"])
        #expect(frames.status == "I")
        two.send(query("select c"))
        world.settle()
        _ = one.ask("commit")
        #expect(two.read().rows == ["select c@two#5001"])
    }

    @Test func `a large request of a client that waits is dropped whole`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client(name: "two"))
        _ = one.ask("begin")
        let large = query("select \(String(repeating: "x", count: 500_000))")
        two.send(large + query("select c"))
        world.settle()
        world.cancel(two)
        var frames: [Frame] = []
        for _ in 0..<100 where frames.isEmpty {
            two.flush()
            world.settle()
            frames = two.read()
        }
        #expect(frames.states == ["57014"])
        _ = one.ask("commit")
        #expect(two.read().rows == ["select c@two#5001"])
    }

    @Test func `data that is left of a cancelled COPY is no request that could be cancelled`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client(name: "two"))
        _ = one.ask("begin")
        let data = message(FrontendTag.copyData, "1\n") + message(FrontendTag.copyDone)
        _ = two.exchange(query("copyin") + data)
        world.cancel(two)
        #expect(two.read().states == ["57014"])
        world.cancel(two)
        #expect(two.ask("select two").isEmpty)
        _ = one.ask("commit")
        #expect(two.read().rows == ["select two@two#5001"])
        #expect(world.complaints == [])
    }

    @Test func `a client whose server is being set up is cancelled before its statement runs`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("select 1")
        let session = world.backend.live[0]
        session.allowance = 0
        _ = two.ask("select two")
        #expect(world.servers("setup") == 1)
        #expect(world.cancel(two).hasEnded)
        session.allowance = nil
        world.settle()
        #expect(two.read().states == ["57014"])
        #expect(!session.heard.contains("select two"))
        #expect(world.backend.cancels.isEmpty)
        #expect(two.ask("select three").rows == ["select three@two#5001"])
    }

    @Test func `a cancelled transaction stays with its client`() {
        let world = World()
        let one = world.client(name: "one")
        _ = one.ask("begin")
        _ = one.ask("hold")
        world.cancel(one)
        #expect(one.read().status == "E")
        #expect(world.servers("active") == 1)
        #expect(one.ask("rollback").status == "I")
    }

    @Test func `a cancel request whose connection ends early is carried out`() {
        let world = World()
        let one = world.client()
        _ = one.ask("hold")
        let request = world.connect()
        request.send(StartupPacket.cancelPacket(processID: one.process, secret: one.secret))
        request.close()
        world.settle()
        #expect(one.read().states == ["57014"])
        #expect(world.shared.clients == 1)
    }

    @Test func `a cancel request without an end is no request`() {
        let world = World()
        let request = world.connect()
        request.send(
            written {
                $0.packet {
                    $0.int32(1234 << 16 | 5678)
                    $0.int32(1)
                }
            })
        world.settle()
        #expect(request.read().isEmpty)
        #expect(request.hasEnded)
    }
}
