import TestSupport
import Testing
import Wire

@Suite struct LeaseTests {
    @Test func `a server is free again behind each transaction`() {
        let world = World()
        let (one, two) = (world.client(name: "one"), world.client(name: "one"))
        #expect(one.ask("select 1").rows == ["select 1@one#5001"])
        #expect(two.ask("select 2").rows == ["select 2@one#5001"])
        #expect(world.servers("idle") == 1)
        #expect(world.backend.opened == 1)
        #expect(world.complaints == [])
    }

    @Test func `an open transaction keeps its server`() {
        let world = World()
        let (one, two) = (world.client(name: "a"), world.client(name: "a"))
        #expect(one.ask("begin").status == "T")
        #expect(two.ask("select 2").rows == ["select 2@a#5002"])
        #expect(one.ask("select 1").rows == ["select 1@a#5001"])
        #expect(one.ask("fail").status == "E")
        #expect(world.servers("active") == 1)
        #expect(one.ask("rollback").status == "I")
        #expect(world.servers("idle") == 2)
    }

    @Test func `in session mode a client keeps its server until it leaves`() {
        let world = World()
        world.host.pool.mode = .session
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.ask("select 1").status == "I")
        #expect(two.ask("select 2").isEmpty)
        #expect(world.clients("waiting") == 1)
        one.send(terminate)
        world.settle()
        #expect(two.read().rows == ["select 2@two#5001"])
        #expect(world.backend.live[0].heard.contains("DISCARD ALL"))
    }

    @Test func `a reset query that fails costs the server`() {
        let world = World(settings: ["server_reset_query": "fail reset"])
        world.host.pool.mode = .session
        let one = world.client()
        _ = one.ask("select 1")
        one.send(terminate)
        world.settle()
        #expect(world.backend.live.isEmpty)
        #expect(world.counted == 0)
        #expect(world.host.hasLogged("could not bring the server back to idle"))
    }

    @Test func `in statement mode a transaction block is refused, and rolled back`() {
        let world = World()
        world.host.pool.mode = .statement
        let one = world.client()
        let frames = one.ask("begin")
        #expect(frames.states == ["0A000"])
        #expect(one.hasEnded)
        #expect(world.counted == 0)
        #expect(world.client().ask("select 1").status == "I")
    }

    @Test func `in statement mode each statement of a pipeline waits for the one before`() {
        let world = World()
        world.host.pool.mode = .statement
        let one = world.client()
        one.send(query("hold 1") + query("select 2"))
        world.settle()
        #expect(world.backend.live[0].tags == "Q")
        world.backend.live[0].finish()
        world.settle()
        #expect(one.read().tags == "DCZDCZ")
    }

    @Test func `in statement mode data for a COPY may come before the COPY has begun`() {
        let world = World()
        world.host.pool.mode = .statement
        let one = world.client()
        world.backend.live[0].allowance = 0
        one.send(query("copyin"))
        world.settle()
        one.send(message(FrontendTag.copyData, "1\n") + message(FrontendTag.copyDone))
        world.settle()
        world.backend.live[0].allowance = nil
        world.settle()
        #expect(one.read().tags == "GCZ")
        #expect(world.servers("idle") == 1)
    }

    @Test func `a pipeline of queries stays on one server`() {
        let world = World()
        let one = world.client(name: "one")
        let frames = one.exchange(query("select 1") + query("select 2") + query("select 3"))
        #expect(frames.rows == (1...3).map { "select \($0)@one#5001" })
        #expect(world.servers("idle") == 1)
    }

    @Test func `a client without a Sync keeps its server`() {
        let world = World()
        let one = world.client(name: "one")
        #expect(one.exchange(execution("select 1")).tags == "12DC")
        #expect(world.servers("active") == 1)
        #expect(one.exchange(sync).tags == "Z")
        #expect(world.servers("idle") == 1)
    }

    @Test func `an error in the extended protocol is answered up to the Sync`() {
        let world = World()
        let one = world.client()
        let frames = one.exchange(execution("fail") + execution("select 2") + sync)
        #expect(frames.tags == "12EZ")
        #expect(one.ask("select 3").status == "I")
    }

    @Test func `a Flush at the end of a link is fenced`() {
        let world = World()
        let one = world.client()
        let frames = one.exchange(execution("select 1") + sync + message(FrontendTag.flush))
        #expect(frames.tags == "12DCZ")
        #expect(world.backend.live[0].tags.hasSuffix("SHS"))
        #expect(world.servers("idle") == 1)
    }

    @Test func `a query may come in pieces`() {
        let world = World()
        let one = world.client(name: "one")
        for byte in query("select 1") {
            one.send([byte])
            world.settle()
        }
        #expect(one.read().rows == ["select 1@one#5001"])
        #expect(world.servers("idle") == 1)
    }

    @Test func `nobody gets a server in the middle of a message`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        let statement = query("select 1")
        one.send(Array(statement.prefix(9)))
        world.settle()
        #expect(two.ask("select 2").isEmpty)
        one.send(Array(statement.dropFirst(9)))
        world.settle()
        #expect(one.read().rows == ["select 1@one#5001"])
        #expect(two.read().rows == ["select 2@two#5001"])
    }

    @Test func `a large answer comes whole to a client that reads late`() {
        let world = World()
        let one = world.client()
        one.send(query("big 3000000"))
        world.settle()
        var frames: [Frame] = []
        for _ in 0..<1000 where frames.status == nil {
            frames += one.read()
            world.settle()
        }
        #expect(frames.tags == "DCZ")
        #expect(frames.first?.body.count ?? 0 > 3_000_000)
        #expect(world.servers("idle") == 1)
    }

    @Test func `a large query goes whole to a server that reads late`() {
        let world = World()
        let one = world.client()
        one.send(query("hold"))
        world.settle()
        // Nothing is read of what follows until the statement is over.
        one.send(query("select \(String(repeating: "x", count: 3_000_000))"))
        world.settle()
        world.backend.live[0].finish()
        var frames: [Frame] = []
        for _ in 0..<1000 where frames.tags != "DCZDCZ" {
            one.flush()
            world.settle()
            frames += one.read()
        }
        #expect(frames.tags == "DCZDCZ")
        #expect(frames.last { $0.tag == BackendTag.dataRow }?.body.count ?? 0 > 3_000_000)
    }

    @Test func `COPY in and out are carried`() {
        let world = World()
        let one = world.client()
        #expect(one.ask("copyin").tags == "G")
        #expect(one.exchange(message(FrontendTag.copyData, "1\n")).isEmpty)
        let done = message(FrontendTag.copyData, "2\n") + message(FrontendTag.copyDone)
        #expect(one.exchange(done).tags == "CZ")
        #expect(world.backend.live[0].copied == 2)
        #expect(one.ask("copyout").tags == "HdcCZ")
        #expect(world.servers("idle") == 1)
    }

    @Test func `an unknown message ends the client, behind its answers`() {
        let world = World()
        let one = world.client()
        let frames = one.exchange(query("select 1") + bytes("y") + [0, 0, 0, 4])
        #expect(frames.tags == "DCZE")
        #expect(frames.states == ["08P01"])
        #expect(one.hasEnded)
        #expect(world.servers("idle") == 1)
    }

    @Test func `a message of impossible length ends the client without a word`() {
        let world = World()
        let one = world.client()
        #expect(one.exchange(bytes("Q") + [0, 0, 0, 1]).isEmpty)
        #expect(one.hasEnded)
        #expect(world.complaints == [])
    }
}

@Suite struct WaitingTests {
    @Test func `who waits longest is served first`() {
        let world = World()
        world.host.pool.size = 1
        let holder = world.client()
        _ = holder.ask("begin")
        let others = (1...4).map { world.client(name: "c\($0)") }
        for (index, client) in others.enumerated() { #expect(client.ask("hold \(index)").isEmpty) }
        #expect(world.clients("waiting") == 4)
        _ = holder.ask("commit")
        for (index, client) in others.enumerated() {
            #expect(world.backend.live[0].heard.last == "hold \(index)")
            world.backend.live[0].finish()
            world.settle()
            #expect(client.read().rows == ["hold \(index)@c\(index + 1)#5001"])
        }
        #expect(world.clients("idle") == 5)
        #expect(world.complaints == [])
    }

    @Test func `nobody overtakes who waits`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two, three) = (world.client(), world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("hold two")
        one.send(query("commit") + query("select again"))
        world.settle()
        _ = three.ask("hold three")
        // The client that had the server goes on with it: its pipeline was there first.
        #expect(world.backend.live[0].heard.suffix(3) == ["commit", "select again", "hold two"])
        _ = one.read()
        #expect(one.ask("select last").isEmpty)
        world.backend.live[0].finish()
        world.settle()
        #expect(world.backend.live[0].heard.last == "hold three")
    }

    @Test func `who leaves the queue is skipped`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two, three) = (world.client(), world.client(), world.client())
        _ = one.ask("begin")
        _ = two.ask("select two")
        _ = three.ask("select three")
        two.send(terminate)
        two.close()
        world.settle()
        _ = one.ask("commit")
        #expect(three.read().status == "I")
        #expect(world.complaints == [])
    }

    @Test func `who waits and has sent a whole request is served although its stream has ended`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(), world.client(name: "two"))
        _ = one.ask("begin")
        two.send(query("select two"))
        two.endOutput()
        world.settle()
        #expect(world.clients("waiting") == 1)
        _ = one.ask("commit")
        #expect(two.read().rows == ["select two@two#5001"])
        #expect(two.hasEnded)
    }

    @Test func `logins wait in the same queue`() {
        let world = World()
        world.host.pool.size = 1
        let one = world.client()
        _ = one.ask("begin")
        // A spelling that only a server can tell: the login has to ask one.
        let two = world.connect()
        two.send(startupPacket([("user", "ann"), ("database", "shop"), ("DateStyle", "german")]))
        world.settle()
        let three = world.client()
        _ = three.ask("hold three")
        #expect(world.clients("welcome") == 1)
        _ = one.ask("commit")
        #expect(two.read().status == "I")
        #expect(two.parameters["DateStyle"] == "german")
        #expect(world.backend.live[0].heard.last == "hold three")
    }

    @Test func `a server is opened for each client that waits, up to the pool's size`() {
        let world = World()
        world.host.pool.size = 3
        let clients = (0..<5).map { _ in world.client() }
        for client in clients { _ = client.ask("begin") }
        #expect(world.backend.live.count == 3)
        #expect(world.clients("waiting") == 2)
        #expect(world.clients("active") == 3)
        #expect(world.complaints == [])
    }
}
