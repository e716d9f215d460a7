import CWorker
import FixedStorage
import Pooling
import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// What a thread knows of clients that listen.
@Suite struct ListeningTests {
    private let pools = Pools()
    private let hub = HubID(database: 1, slot: 3, process: 40)
    private let frame = message(BackendTag.notificationResponse, "news")

    init() { pools.directory.hubStarted(hub) }

    private var listeners: Int { pools.directory.listeners(database: 1) }

    @Test func `a client listens once, however often it says so`() {
        var listening = Listening()
        for _ in 0..<2 { #expect(listening.note(7, hub, listens: true, pools.directory) == true) }
        #expect(listeners == 1)
        for _ in 0..<2 { #expect(listening.note(7, hub, listens: false, pools.directory) == true) }
        #expect(listeners == 0)
        _ = listening.note(7, hub, listens: true, pools.directory)
        for _ in 0..<2 { listening.forget(7, pools.directory) }
        #expect(listeners == 0)
    }

    @Test func `by a hub that has gone nobody listens`() {
        var listening = Listening()
        let old = HubID(database: 1, slot: 3, process: 39)
        #expect(listening.note(7, old, listens: true, pools.directory) == false)
        #expect(listening.note(7, old, listens: false, pools.directory) == false)
        #expect(listeners == 0)
    }

    // MARK: requests to a hub

    @Test func `a server waits until its hub has read as far as its request`() {
        var listening = Listening()
        #expect(listening.hasCome(10, of: hub, for: 1) == false)
        #expect(listening.hasCome(11, of: hub, for: 2) == false)
        #expect(listening.hubHasRead(3, 9).isEmpty)
        #expect(listening.hubHasRead(4, 50).isEmpty, "another hub")
        #expect(listening.hubHasRead(3, 10) == [1])
        #expect(listening.hubHasRead(3, 10).isEmpty, "it waits no more")
        #expect(listening.hasCome(10, of: hub, for: 1) == true)
        #expect(listening.hubHasRead(3, 500) == [2])
    }

    @Test func `numbers of requests wrap around`() {
        var listening = Listening()
        _ = listening.hubHasRead(3, .max)
        #expect(listening.hasCome(.max - 1, of: hub, for: 1) == true)
        #expect(listening.hasCome(0, of: hub, for: 1) == false)
        #expect(listening.hubHasRead(3, 0) == [1])
        #expect(listening.hasCome(.max, of: hub, for: 1) == true)
    }

    @Test func `a server that ends waits no more`() {
        var listening = Listening()
        _ = listening.hasCome(10, of: hub, for: 1)
        listening.forget(ServerIndex(1))
        #expect(listening.hubHasRead(3, 10).isEmpty)
    }

    @Test func `a hub that is gone takes along who listens, and who waits for it`() {
        var listening = Listening()
        var ends = makeEnds(pools)
        let waiting = ends.add(makeLinkedServer(6))!
        let orphan = ends.add(makeFreeServer())!
        _ = listening.note(5, hub, listens: true, pools.directory)
        _ = listening.hubHasRead(3, 20)
        #expect(listening.hasCome(21, of: hub, for: waiting) == false)
        #expect(listening.hasCome(22, of: hub, for: orphan) == false)
        let other = HubID(database: 2, slot: 4, process: 41)
        #expect(listening.hubIsGone(other, ends).isEmpty)
        #expect(listening.hubIsGone(hub, ends) == [5, 6])
        #expect(
            listening.hasCome(1, of: hub, for: waiting) == false, "the next hub in the slot has read nothing")
    }

    @Test func `pools want a hub until one of their database is ready`() {
        var listening = Listening()
        var part = pools.part()
        let (here, there) = (pools.enter(1, 1), pools.enter(2, 1))
        for record in [here, there] {
            _ = part.meet(record, settings())
            listening.wantsHub(record.index)
        }
        #expect(listening.needsLook == true)
        listening.hubIsReady(hub, part)
        #expect(listening.wantingPools == [there.index])
        listening.hasNoNeed(there.index)
        #expect(listening.needsLook == false)
    }

    @Test func `a hub that says again that it reads has still read what it had`() {
        var listening = Listening()
        let part = pools.part()
        listening.hubIsReady(hub, part)
        #expect(listening.hasCome(0, of: hub, for: 1) && !listening.hasCome(1, of: hub, for: 1))
        _ = listening.hubHasRead(3, 5)
        listening.hubIsReady(hub, part)
        #expect(listening.hasCome(5, of: hub, for: 1) == true)
    }

    // MARK: frames that wait

    /// A client that is linked to a server in this state.
    private func linked(to server: Server = makeLinkedServer(0), _ ends: inout Ends) -> ClientIndex {
        var client = makeClient()
        client.welcomed(0)
        let s = ends.add(server)!
        client.linked(to: s)
        return ends.add(client)!
    }

    /// Whether a frame for the client goes to it now.
    private func hears(_ c: ClientIndex, _ ends: borrowing Ends, isDue: Bool = false) -> Bool {
        var listening = Listening()
        listening.add(frame, for: c)
        return listening.next(for: c, isDue: isDue, ends) == frame
    }

    @Test func `a client hears outside of transactions and frames`() {
        var ends = makeEnds(pools)
        #expect(hears(linked(&ends), ends) == true, "its server has nothing to answer")
        let busy = linked(to: makeBusyServer(), &ends)
        #expect(hears(busy, ends) == false, "a statement runs")
        #expect(hears(busy, ends, isDue: true) == true)
        var server = makeBusyServer()
        #expect(server.ready([TransactionStatus.inTransaction]) == true)
        #expect(hears(linked(to: server, &ends), ends) == false, "a transaction is open")
        server = makeLinkedServer()
        server.bodyLeft = 1
        #expect(hears(linked(to: server, &ends), ends) == false, "it is within a frame")
        let c = linked(&ends)
        ends.unlink(c, ends.clients[c].server)
        #expect(hears(c, ends) == true, "it is idle")
        ends.clients[c].waits(1)
        #expect(hears(c, ends) == true, "it waits for a server")
        ends.clients[c].discards()
        #expect(hears(c, ends) == false)
    }

    @Test func `a client that takes no bytes hears nothing, even what is due`() {
        var ends = makeEnds(pools)
        let c = linked(&ends)
        ends.clients[c].stream.output = .take()
        #expect(ends.clients[c].stream.output.append(bytes("x")) == true)
        #expect(hears(c, ends, isDue: true) == false, "something waits for its socket")
        ends.clients[c].stream.output.giveBack()
        ends.clients[c].hearsNoMore()
        #expect(hears(c, ends, isDue: true) == false, "it is gone")
    }

    @Test func `frames come in order, and none twice`() {
        var listening = Listening()
        var ends = makeEnds(pools)
        let c = linked(&ends)
        for text in ["a", "b"] { listening.add(bytes(text), for: c) }
        #expect(listening.next(for: c, isDue: false, ends) == bytes("a"))
        #expect(listening.next(for: c, isDue: false, ends) == bytes("b"))
        #expect(listening.next(for: c, isDue: false, ends) == nil && !listening.isWaiting(c))
    }

    @Test func `as much waits for a client as may, and not a byte more`() {
        var listening = Listening()
        listening.add([UInt8](repeating: 0, count: Listening.mostOfClient - WaitingFrames.overhead), for: 1)
        #expect(listening.isOverfull(1) == false)
        listening.forget(1, pools.directory)
        listening.add(
            [UInt8](repeating: 0, count: Listening.mostOfClient - WaitingFrames.overhead + 1), for: 1)
        #expect(listening.isOverfull(1) && !listening.isOverfull(2))
    }

    @Test func `where too much waits for all the client with the most has to go`() {
        var listening = Listening()
        for (c, count) in [(1, 10), (2, 30), (3, 20)] as [(ClientIndex, Int)] {
            listening.add([UInt8](repeating: 0, count: count), for: c)
        }
        let all = listening.waitingBytes
        #expect(listening.dropLargest(beyond: all) == nil)
        let dropped = listening.dropLargest(beyond: all - 1)
        #expect(dropped?.client == 2 && dropped?.held == 30 + WaitingFrames.overhead)
        #expect(listening.waitingBytes == all - 30 - WaitingFrames.overhead)
        #expect(Set(listening.waitingClients) == [1, 3])
    }

    @Test func `threads have equal shares of the memory for notifications`() {
        var tuning = CworkerTuning()
        tuning.max_notification_memory = 10
        #expect(Listening.most(tuning, threads: 1) == 10 << 20)
        #expect(Listening.most(tuning, threads: 4) == 10 << 18)
        #expect(Listening.most(tuning, threads: 0) == 10 << 20)
    }
}
