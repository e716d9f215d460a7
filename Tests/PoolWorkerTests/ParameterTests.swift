import TestSupport
import Testing
import Wire

@Suite struct ParameterTests {
    @Test func `a server gets the parameters of the client it is about to serve`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.ask("select 1").rows == ["select 1@one#5001"])
        #expect(two.ask("select 2").rows == ["select 2@two#5001"])
        #expect(one.ask("select 3").rows == ["select 3@one#5001"])
    }

    @Test func `no client is told of another one's parameters`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.ask("select 1").tags == "DCZ")
        #expect(two.ask("select 2").tags == "DCZ")
    }

    @Test func `a parameter that a client sets follows it`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.ask("set TimeZone to E'PST'").tags == "SCZ")
        #expect(one.parameters["TimeZone"] == "PST")
        _ = two.ask("select 2")
        #expect(world.backend.live[0].parameters["TimeZone"] == "UTC")
        _ = one.ask("select 1")
        #expect(world.backend.live[0].parameters["TimeZone"] == "PST")
    }

    @Test func `the server's spelling is what a login is told`() {
        let world = World()
        world.backend.prepare = { session in
            session.intercept = { session, frame in
                guard text(frame.body).hasPrefix("SET TimeZone") else { return false }
                session.report("TimeZone", "Europe/Berlin")
                session.ready()
                return true
            }
        }
        let parameters = [("user", "ann"), ("database", "shop"), ("TimeZone", "berlin")]
        let one = world.connect()
        #expect(one.exchange(startupPacket(parameters)).status == "I")
        #expect(one.parameters["TimeZone"] == "Europe/Berlin")
        let asked = world.backend.live[0].tags
        let two = world.connect()
        #expect(two.exchange(startupPacket(parameters)).status == "I")
        #expect(two.parameters["TimeZone"] == "Europe/Berlin")
        #expect(world.backend.live[0].tags == asked)
    }

    @Test func `a value that the server refuses ends the login with the server's words`() {
        let world = World()
        world.backend.prepare = { session in
            session.intercept = { session, frame in
                guard text(frame.body).hasPrefix("SET TimeZone") else { return false }
                session.say(error: "22023 unknown time zone")
                session.ready()
                return true
            }
        }
        let one = world.connect()
        let frames = one.exchange(startupPacket([("user", "ann"), ("TimeZone", "mars")]))
        #expect(frames.tags == "RE")
        #expect(frames.states == ["22023"])
        #expect(frames.errors.first?.severity == .fatal)
        #expect(world.complaints == [])
        #expect(world.client(user: "ann", database: "ann").ask("select 1").status == "I")
    }

    @Test func `a server that dies while it is set up ends its client`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("select 1")
        world.backend.live[0].intercept = { session, _ in
            session.close()
            return true
        }
        #expect(two.ask("select 2").states == ["08006"])
        #expect(two.hasEnded)
        #expect(one.ask("select 1").status == "I")
        #expect(world.complaints == [])
    }

    @Test func `sets of parameters are given back with their clients`() {
        let world = World()
        let before = world.threads[0].parameterSets
        for number in 0..<10 {
            let client = world.client(name: "c\(number)")
            _ = client.ask("select 1")
            client.send(terminate)
            world.settle()
        }
        #expect(world.threads[0].parameterSets <= before + 2)
    }

    @Test func `a promotion is told to the clients of a pool`() {
        let world = World()
        world.backend.reported = Backend.usual.map {
            ($0.name, $0.name == "in_hot_standby" ? "on" : $0.value)
        }
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        #expect(one.parameters["in_hot_standby"] == "on")
        _ = one.ask("standby off")
        #expect(one.parameters["in_hot_standby"] == "off")
        #expect(two.read().tags == "S")
        #expect(two.parameters["in_hot_standby"] == "off")
        #expect(world.client(name: "three").parameters["in_hot_standby"] == "off")
    }

    @Test func `a promotion is told behind the transaction of a client`() {
        let world = World()
        world.backend.reported = Backend.usual.map {
            ($0.name, $0.name == "in_hot_standby" ? "on" : $0.value)
        }
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = two.ask("begin")
        _ = one.ask("standby off")
        #expect(two.read().isEmpty)
        #expect(two.ask("select 1").tags == "DCZ")
        world.keepHouse()
        #expect(two.read().isEmpty)
        _ = two.ask("commit")
        world.keepHouse()
        _ = two.read()
        #expect(two.parameters["in_hot_standby"] == "off")
        #expect(world.threads[0].notificationBytes == 0)
    }
}
