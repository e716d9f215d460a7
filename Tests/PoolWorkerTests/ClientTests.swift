import FixedStorage
import Pooling
import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// The ways of a client from one state to another, and its signs.
@Suite struct ClientTests {
    private func idle(_ now: UInt64 = 10) -> Client {
        var client = makeClient()
        client.entersPool(3, role: 5, processID: 17)
        client.welcomed(now)
        return client
    }

    @Test func `a client waits, is linked, and keeps its server in mind when it is unlinked`() {
        var client = idle()
        #expect(client.linkedServer == .absent)
        client.waits(20)
        #expect(client.state == .waiting && client.since == 20)
        client.linked(to: 4)
        #expect(client.state == .active && client.linkedServer == 4)
        client.unlinked(30)
        #expect(client.state == .idle && client.since == 30)
        #expect(client.server == 4 && client.linkedServer == .absent)
        client.losesServer()
        #expect(client.server == .absent)
    }

    @Test func `the link of a welcome goes on where it is not over`() {
        var client = makeClient()
        client.awaitsWelcome(5)
        #expect(client.state == .welcome && client.since == 5)
        client.linked(to: 2)
        client.welcomed(6)
        #expect(client.state == .idle)
        client.staysLinked()
        #expect(client.linkedServer == 2)
    }

    @Test func `a login whose server failed goes on with another`() {
        var client = makeClient()
        client.awaitsWelcome(5)
        client.linked(to: 2)
        client.unlinked(6)
        client.losesServer()
        client.loginGoesOn()
        #expect(client.state == .login && client.server == .absent)
        client.awaitsWelcome(7)
        #expect(client.state == .welcome)
    }

    @Test func `a pool and the ledger are left once`() {
        var client = makeClient()
        #expect(client.leavesPool() == false)
        client.entersPool(3, role: 5, processID: 17)
        client.entersLedger(LedgerClient(reference: 8), idleTimeout: 1, transactionTimeout: 2)
        #expect(client.leavesLedger().reference == 8)
        #expect(client.leavesLedger().reference == LedgerClient.nobody.reference)
        #expect(client.leavesPool() == true)
        #expect(client.leavesPool() == false)
    }

    @Test func `a set of parameters is exchanged for the one it had`() {
        var client = makeClient()
        #expect(client.changesParameters(4) == 0)
        #expect(client.changesParameters(6) == 4)
        #expect(client.parameters == 6)
    }

    @Test func `a client that has said its last is read no more, whatever the poller tells`() {
        var client = idle()
        let event = PollEvent(token: PollToken(.client, index: 0, generation: 0), mask: 0x1)
        client.notes(event)
        #expect(client.readable)
        client.ends(.terminate, 40)
        #expect(client.ended && !client.readable && client.since == 40)
        client.notes(event)
        #expect(!client.readable)
    }

    @Test func `who has only ended the stream to us may still read`() {
        let hangsUp = PollEvent(token: PollToken(.client, index: 0, generation: 0), mask: 0x2001)
        var client = idle()
        client.notes(hangsUp)
        #expect(client.isUnreachable, "it is not known yet what its stream has ended with")
        client.ends(.stream, 40)
        #expect(!client.isUnreachable)
    }

    @Test func `a client that closes has no server, no input, and is not unlinked`() {
        let pair = Pair()
        var client = makeClient(pair.stream)
        client.stream.input = .take()
        client.welcomed(1)
        client.linked(to: 4)
        client.closes(9)
        #expect(client.state == .closing && client.server == .absent && client.since == 9)
        #expect(!client.stream.input.hasMemory)
    }

    @Test func `the socket of a client that is gone is closed`() {
        let (pair, watcher) = (Pair(), TestPoller())
        var client = makeClient(pair.give())
        client.closes(9)
        client.gone(watcher.poller)
        #expect(client.state == .gone && !client.stream.isOpen)
        #expect(pair.peer.receive().isEmpty && pair.peer.hasEnded)
    }

    @Test func `bytes for a client keep their order when its socket takes no more for a while`() {
        let pair = Pair()
        var client = makeClient(pair.stream)
        defer { client.stream.output.giveBack() }
        var (sent, waits): ([UInt8], Bool) = ([], false)
        for round in 0..<100 where !waits {
            let part = [UInt8](repeating: UInt8(round), count: 16_384)
            waits = client.send(part)
            sent += part
        }
        #expect(waits && !client.hungUp)
        client.hearsNoMore()
        #expect(!client.hungUp, "something waits for it")
        var heard = pair.peer.receive()
        while client.flush() { heard += pair.peer.receive() }
        heard += pair.peer.receive()
        #expect(heard == sent && !client.stream.output.hasMemory)
        client.hearsNoMore()
        #expect(client.hungUp)
    }

    @Test func `more bytes than there is room for are as a client that has hung up`() {
        let pair = Pair()
        var client = makeClient(pair.stream)
        defer { client.stream.output.giveBack() }
        #expect(client.send([UInt8](repeating: 1, count: Block.size + 1)) == false)
        #expect(client.hungUp)
    }

    @Test func `a send that fails leaves it to a receive to say why`() {
        let pair = Pair()
        var client = makeClient(pair.stream)
        pair.peer.close()
        #expect(client.send(bytes("hello")) == false)
        #expect(client.hungUp && client.readable && !client.stream.output.hasMemory)
    }

    @Test func `only statement mode has a client go in steps`() {
        var client = makeClient()
        for (mode, steps) in [
            (PoolMode.statement, true), (.transaction, false), (.statement, true), (.session, false),
        ] {
            client.follows(mode)
            #expect(client.inSteps == steps)
        }
    }
}
