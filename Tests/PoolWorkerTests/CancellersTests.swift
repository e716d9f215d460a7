import CSys
import CTestHost
import FixedStorage
import Pooling
import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// Cancel requests on their way to servers.
@Suite struct CancellersTests {
    private let pools = Pools()
    private let watcher = TestPoller()
    private let backend: Backend
    private let shared: Shared
    private let requester = CancelRequester(thread: 0, client: 9, generation: 3)
    private static let number = SharedCounter()

    init() {
        backend = Backend("carpool-cancellers-\(getpid())-\(Self.number.add(1))")
        let settings = ctest_settings_new()!
        shared = SharedProbe.make(host: pools.host, settings: settings, notify: -1)
        ctest_free(UnsafeMutableRawPointer(settings))
    }

    private var connector: Connector {
        let name = [0] + Array(backend.address.utf8)
        return Connector(address: withUnsafeBytes(of: UInt16(AF_UNIX)) { Array($0) } + name)
    }

    private func tables(_ entries: Int = 8) -> Cancellers { Cancellers(entries: entries, reserve: reserved) }

    /// A client whose statement runs on a server.
    private func running(_ ends: inout Ends) -> (c: ClientIndex, s: ServerIndex) {
        var client = makeClient()
        client.welcomed(0)
        let c = ends.add(client)!
        return (c, ends.add(makeBusyServer(c))!)
    }

    /// What the events of now have done.
    private func done(_ cancellers: inout Cancellers, _ ends: inout Ends) -> [Cancellers.Done] {
        watcher.events().compactMap {
            cancellers.event(CancellerIndex($0.token.index), $0, &ends, watcher.poller, shared)
        }
    }

    private func interrupt(
        _ c: ClientIndex, _ s: ServerIndex, _ cancellers: inout Cancellers, _ ends: inout Ends,
        nowhere: Bool = false
    ) -> Bool {
        cancellers.interrupt(c, s, nowhere ? nil : connector, for: requester, &ends, watcher.poller, shared)
    }

    @Test func `a request is sent, and done when the server program closes the connection`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        #expect(cancellers.count == 1 && ends.servers[s].cancels == 1 && shared.servers == 1)
        #expect(done(&cancellers, &ends).isEmpty)
        while backend.serve() {}
        #expect(backend.cancels.map(\.process) == [4711] && backend.cancels.map(\.key) == [99])
        let done = done(&cancellers, &ends)
        #expect(done.map(\.server) == [s] && done.map { $0.requester?.client } == [9])
        #expect(cancellers.count == 0 && ends.servers[s].cancels == 0 && shared.servers == 0)
        end(&cancellers)
    }

    @Test func `a request that comes too late is not sent`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        #expect(ends.servers[s].ready([TransactionStatus.idle]) == true)
        #expect(done(&cancellers, &ends).map(\.server) == [s])
        while backend.serve() {}
        #expect(backend.cancels.isEmpty)
        end(&cancellers)
    }

    @Test func `a request for a server that has gone lets no other go on`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        ends.removeServer(s)
        #expect(ends.add(makeBusyServer(c)) == s)
        ends.servers[s].cancelBegins()
        let done = done(&cancellers, &ends)
        #expect(done.count == 1 && done[0].server == nil && done[0].requester?.client == 9)
        #expect(ends.servers[s].cancels == 1, "that is another one's")
        end(&cancellers)
    }

    @Test func `where a client has left its request is for the statement that it left`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        _ = ends.servers[s].clientLeaves(.nobody, isPartial: false, finishing: false, 0)
        cancellers.clientLeft(s, ends)
        #expect(done(&cancellers, &ends).isEmpty)
        while backend.serve() {}
        #expect(backend.cancels.count == 1)
        end(&cancellers)
    }

    @Test func `where a client has left its request is for no statement of one that has its index next`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        _ = ends.servers[s].clientLeaves(.nobody, isPartial: false, finishing: false, 0)
        cancellers.clientLeft(s, ends)
        var next = makeBusyServer(c)
        next.cancelBegins()
        ends.servers[s] = next
        #expect(done(&cancellers, &ends).map(\.server) == [s])
        while backend.serve() {}
        #expect(backend.cancels.isEmpty)
        end(&cancellers)
    }

    @Test func `four requests are on their way to a server at most, and it goes on behind the last`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        for _ in 0..<4 { #expect(interrupt(c, s, &cancellers, &ends) == true) }
        #expect(interrupt(c, s, &cancellers, &ends) == false)
        #expect(done(&cancellers, &ends).isEmpty)
        while backend.serve() {}
        #expect(done(&cancellers, &ends).map(\.server) == [nil, nil, nil, s])
        end(&cancellers)
    }

    @Test func `nothing is on its way without a place, a process, room, or need`() {
        var cancellers = tables(1)
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        #expect(interrupt(c, s, &cancellers, &ends, nowhere: true) == false)
        let unborn = ends.add(makeServer())!
        #expect(interrupt(c, unborn, &cancellers, &ends) == false)
        pools.host.interrupt = { process, _ in process == 4711 }
        #expect(interrupt(c, s, &cancellers, &ends) == false, "a signal has done it")
        pools.host.interrupt = { _, _ in false }
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        #expect(interrupt(c, s, &cancellers, &ends) == false, "there is room for one")
        #expect(ends.servers[s].cancels == 1 && shared.servers == 1)
        end(&cancellers)
    }

    @Test func `requests that take too long are given up at their limit`() {
        var cancellers = tables()
        var ends = makeEnds(pools)
        let (c, s) = running(&ends)
        ends.turnBegins(100)
        #expect(interrupt(c, s, &cancellers, &ends) == true)
        ends.turnBegins(109)
        #expect(cancellers.closeOld(10, &ends, watcher.poller, shared).isEmpty)
        ends.turnBegins(110)
        #expect(cancellers.closeOld(0, &ends, watcher.poller, shared).isEmpty, "0 is no limit")
        #expect(cancellers.closeOld(10, &ends, watcher.poller, shared).map(\.server) == [s])
        #expect(cancellers.count == 0)
        end(&cancellers)
    }

    private func end(_ cancellers: inout Cancellers) {
        cancellers.closeAll()
        backend.end()
        for inbox in shared.inboxes { csys_close(inbox.descriptor) }
    }
}
