import Pooling
import TestSupport
import Testing
import Wire

/// A client is gone; its server comes back to the pool as if the client had never been.
@Suite struct RecoveryTests {
    /// One client that is in the middle of something, and one that waits for the only server.
    private struct Scene {
        let world = World()
        let one: TestClient
        let two: TestClient

        init(_ statements: [[UInt8]], mode: PoolTable.Mode = .transaction) {
            world.host.pool.size = 1
            world.host.pool.mode = mode
            one = world.client(name: "one")
            two = world.client(name: "two")
            for statement in statements { _ = one.exchange(statement) }
            _ = two.ask("select two")
        }

        var session: BackendSession? { world.backend.live.first }

        /// The client's stream ends in order.
        func leave() {
            one.close()
            world.settle()
        }

        /// The client's connection fails: bytes that it has not read make the kernel reset it.
        func reset() {
            session?.say(message(BackendTag.noticeResponse, "SWARNING\0\0"))
            world.settle()
            leave()
        }
    }

    @Test func `an open transaction is rolled back before the next client`() {
        let scene = Scene([query("begin"), query("select 1")])
        #expect(scene.two.read().isEmpty)
        scene.leave()
        #expect(scene.two.read().rows == ["select two@two#5001"])
        #expect(scene.session?.heard.suffix(3).first == "ROLLBACK")
        #expect(scene.world.complaints == [])
    }

    @Test func `a failed transaction is rolled back, too`() {
        let scene = Scene([query("begin"), query("fail")])
        scene.leave()
        #expect(scene.two.read().rows == ["select two@two#5001"])
        #expect(scene.session?.heard.contains("ROLLBACK") == true)
    }

    @Test func `a Terminate in a transaction rolls it back`() {
        let scene = Scene([query("begin")])
        scene.one.send(terminate)
        scene.world.settle()
        #expect(scene.two.read().status == "I")
        #expect(scene.session?.heard.contains("ROLLBACK") == true)
    }

    @Test(arguments: [PoolTable.Mode.transaction, .statement, .session])
    func `a statement of a client whose connection fails is cancelled at once`(mode: PoolTable.Mode) {
        let scene = Scene([query("hold")], mode: mode)
        scene.reset()
        #expect(scene.world.backend.cancels.map(\.hit) == [true])
        #expect(scene.two.read().rows == ["select two@two#5001"])
        #expect(scene.world.complaints == [])
    }

    @Test func `a statement of a client that said Terminate is done`() {
        let scene = Scene([query("hold")])
        scene.one.send(terminate)
        scene.world.settle()
        #expect(scene.world.backend.cancels.isEmpty)
        scene.session?.finish()
        scene.world.settle()
        #expect(scene.two.read().rows == ["select two@two#5001"])
    }

    @Test(arguments: [PoolTable.Mode.transaction, .statement])
    func `a statement of a client whose stream has ended may take a while`(mode: PoolTable.Mode) {
        let scene = Scene([query("hold")], mode: mode)
        scene.one.endOutput()
        scene.world.settle()
        scene.world.pass(seconds: 3)
        #expect(scene.world.backend.cancels.isEmpty)
        scene.session?.finish()
        scene.world.settle()
        #expect(scene.one.read().rows == ["hold@one#5001"])
        #expect(scene.one.hasEnded)
        #expect(scene.two.read().status == "I")
    }

    @Test(arguments: [PoolTable.Mode.transaction, .statement, .session])
    func `a statement of a client whose stream has ended is cancelled in the end`(mode: PoolTable.Mode) {
        let scene = Scene([query("hold")], mode: mode)
        scene.one.endOutput()
        scene.world.settle()
        scene.world.pass(seconds: 6)
        #expect(scene.world.backend.cancels.map(\.hit) == [true])
        #expect(scene.two.read().status == "I")
    }

    @Test(arguments: [PoolTable.Mode.transaction, .statement, .session], [false, true])
    func `a Query among messages without a Sync costs the server, not the pool`(
        mode: PoolTable.Mode, saysGoodbye: Bool
    ) {
        let scene = Scene([execution("fail") + query("select 1")], mode: mode)
        if saysGoodbye { scene.one.send(terminate) }
        scene.leave()
        scene.world.pass(seconds: 6)
        #expect(scene.two.read().rows.count == 1)
        #expect(scene.world.shared.clients == 1)
    }

    @Test(arguments: [PoolTable.Mode.transaction, .statement])
    func `a Sync goes behind a Query that the server skips`(mode: PoolTable.Mode) {
        let scene = Scene([execution("fail") + query("select 1") + sync], mode: mode)
        #expect(scene.one.ask("select 2").rows.last == "select 2@one#5001")
    }

    @Test func `in statement mode all that a client has sent before its stream's end is done`() {
        let scene = Scene([query("hold")], mode: .statement)
        scene.one.send(query("select 1") + query("select 2"))
        scene.one.endOutput()
        scene.world.settle()
        scene.session?.finish()
        scene.world.settle()
        #expect(scene.one.read().rows == ["hold@one#5001", "select 1@one#5001", "select 2@one#5001"])
        #expect(scene.one.hasEnded)
        #expect(scene.two.read().status == "I")
    }

    @Test func `a COPY is failed`() {
        let scene = Scene([query("copyin"), message(FrontendTag.copyData, "1\n")])
        scene.leave()
        #expect(scene.session?.tags.contains("Qdf") == true)
        #expect(scene.two.read().rows == ["select two@two#5001"])
    }

    @Test func `a COPY in a transaction is failed and rolled back`() {
        let scene = Scene([query("begin"), query("copyin"), message(FrontendTag.copyData, "1\n")])
        scene.leave()
        #expect(scene.session?.heard.contains("ROLLBACK") == true)
        #expect(scene.two.read().status == "I")
    }

    @Test func `messages without a Sync are rolled back and synced after a failed connection`() {
        let scene = Scene([execution("select 1")])
        scene.reset()
        #expect(scene.session?.heard.contains("ROLLBACK") == true)
        #expect(scene.two.read().rows == ["select two@two#5001"])
    }

    @Test func `messages without a Sync end the server behind a stream that ends in order`() {
        let scene = Scene([execution("select 1")])
        scene.leave()
        #expect(scene.two.read().rows == ["select two@two#5002"])
        #expect(scene.world.complaints == [])
    }

    @Test func `a part of a message costs the server`() {
        let scene = Scene([Array(query("select 1").prefix(8))])
        scene.leave()
        #expect(scene.two.read().rows == ["select two@two#5002"])
        #expect(scene.world.backend.opened == 2)
        #expect(scene.world.complaints == [])
    }

    @Test func `a part of a message costs the server also where the connection fails`() {
        let scene = Scene([query("begin"), Array(query("select 1").prefix(8))])
        scene.reset()
        #expect(scene.session?.heard.contains("ROLLBACK") == false)
        #expect(scene.two.read().rows == ["select two@two#5002"])
        #expect(scene.world.complaints == [])
    }

    @Test func `a part of a header costs nothing`() {
        let scene = Scene([query("begin"), Array(query("select 1").prefix(3))])
        scene.leave()
        #expect(scene.two.read().rows == ["select two@two#5001"])
    }

    @Test func `the rest of an answer is read and dropped`() {
        let scene = Scene([])
        _ = scene.two.read()
        scene.session?.allowance = 10
        scene.one.send(query("big 200000"))
        scene.world.settle()
        scene.one.close()
        scene.world.settle()
        scene.session?.allowance = nil
        scene.world.settle()
        #expect(scene.two.ask("select 3").rows == ["select 3@two#5001"])
        #expect(scene.world.complaints == [])
    }

    @Test func `a server that does not come back in time is closed`() {
        let world = World(settings: ["cancel_wait_timeout": "2"])
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("begin")
        world.backend.live[0].allowance = 0
        one.close()
        world.settle()
        #expect(two.ask("select two").isEmpty)
        #expect(world.servers("resetting") == 1)
        world.pass(seconds: 3)
        #expect(two.read().rows == ["select two@two#5002"])
        #expect(world.complaints == [])
    }

    @Test func `a rollback that fails costs the server`() {
        let world = World()
        let one = world.client()
        _ = one.ask("begin")
        world.backend.live[0].intercept = { session, _ in
            session.say(error: "XX000 no")
            session.ready()
            return true
        }
        one.close()
        world.settle()
        #expect(world.counted == 0)
        #expect(world.backend.live.isEmpty)
    }

    @Test func `a server that dies while it recovers is forgotten`() {
        let scene = Scene([query("begin"), query("hold")])
        scene.one.send(terminate)
        scene.world.settle()
        scene.session?.close()
        scene.world.settle()
        #expect(scene.two.read().rows == ["select two@two#5002"])
        #expect(scene.world.complaints == [])
    }

    @Test(arguments: [false, true])
    func `what a client sent before it left is done, also while its server is set up`(terminates: Bool) {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("select 1")
        world.backend.live[0].allowance = 0
        _ = two.exchange(query("select 2") + (terminates ? terminate : []))
        two.close()
        world.settle()
        world.backend.live[0].allowance = nil
        world.settle()
        #expect(world.backend.live[0].heard.last == "select 2")
        #expect(one.ask("select 3").rows == ["select 3@one#5001"])
        #expect(world.complaints == [])
    }

    @Test func `a client that left while its server is set up, and never will be, does not keep it`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        _ = one.ask("select 1")
        world.backend.live[0].allowance = 0
        _ = two.exchange(query("select 2"))
        two.close()
        world.settle()
        #expect(world.shared.clients == 2)
        world.pass(seconds: 6)
        #expect(world.shared.clients == 1)
        world.pass(seconds: 60)
        #expect(one.ask("select 3").rows == ["select 3@one#5002"])
    }

    @Test func `a client whose connection fails while its server is set up leaves it to others`() {
        let world = World()
        world.host.pool.size = 1
        let (one, two) = (world.client(name: "one"), world.client(name: "two"))
        two.send(query("select 0"))
        world.settle()
        _ = one.ask("select 1")
        world.backend.live[0].allowance = 0
        two.send(query("select 2"))
        world.settle()
        two.close()
        world.settle()
        world.backend.live[0].allowance = nil
        world.settle()
        #expect(one.ask("select 3").rows == ["select 3@one#5001"])
        #expect(world.complaints == [])
    }
}

/// A server is gone.
@Suite struct ServerEndTests {
    @Test func `a client is told of a server that goes in the middle of its statement`() {
        let world = World()
        let one = world.client()
        #expect(one.ask("crash").states == ["08006"])
        #expect(one.hasEnded)
        #expect(world.counted == 0)
        #expect(world.client().ask("select 1").status == "I")
    }

    @Test func `a server's own last words are all that its client hears`() {
        let world = World()
        let one = world.client()
        #expect(one.ask("die").states == ["57P01"])
        #expect(one.hasEnded)
        #expect(world.complaints == [])
    }

    @Test func `a server that goes in the middle of a message ends its client without words`() {
        let world = World()
        let one = world.client()
        one.send(query("hold"))
        world.settle()
        world.backend.live[0].say(bytes("D") + [0, 0, 1, 0, 0])
        world.settle()
        world.backend.live[0].close()
        world.settle()
        #expect(one.read().isEmpty)
        #expect(one.partial == 6)
        #expect(one.hasEnded)
    }

    @Test func `an idle server that goes is noticed, and no client hears of it`() {
        let world = World()
        let one = world.client()
        _ = one.ask("select 1")
        world.backend.live[0].close()
        world.settle()
        #expect(world.counted == 0)
        #expect(one.ask("select 2").status == "I")
    }

    @Test func `an idle server that says goodbye is closed`() {
        let world = World()
        let one = world.client()
        _ = one.ask("select 1")
        world.backend.live[0].refuse("57P01 terminated")
        world.settle()
        #expect(world.counted == 0)
        #expect(one.ask("select 2").status == "I")
        #expect(world.host.hasLogged("FATAL: terminated"))
    }

    @Test(arguments: [bytes("Z") + [0, 0, 0, 5, 73], bytes("!") + [0, 0, 0, 4], bytes("D") + [0, 0, 0, 0]])
    func `a server that says what it may not is closed`(words: [UInt8]) {
        let world = World()
        let one = world.client()
        _ = one.ask("begin")
        world.backend.live[0].say(words)
        world.settle()
        #expect(one.read().states == ["08P01"])
        #expect(one.hasEnded)
        #expect(world.counted == 0)
        #expect(world.complaints == [])
    }

    @Test func `a server that takes nothing more is heard to the end`() {
        let world = World()
        let one = world.client()
        _ = one.ask("begin")
        let session = world.backend.live[0]
        session.refuse("57P01 terminated")
        _ = session.serve()
        let frames = one.ask("select 1")
        #expect(frames.states == ["57P01"])
        #expect(one.hasEnded)
    }
}
