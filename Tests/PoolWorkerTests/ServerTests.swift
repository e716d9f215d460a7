import CLedger
import FixedStorage
import Pooling
import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// The ways of a server from one state to another.
@Suite struct ServerTests {
    private let nobody = LedgerClient.nobody

    /// One that runs a query of the worker's own, which ends in this status.
    private func runs(
        _ task: Server.Task, linked: Bool = true, fails: Bool = false, status: UInt8 = TransactionStatus.idle
    ) -> Server {
        var server = linked ? makeLinkedServer() : makeFreeServer()
        server.runs(task, 50)
        if fails { server.notesError() }
        #expect(server.ready([status]) == true)
        return server
    }

    @Test func `a server logs in, and may log in again as another role`() {
        var server = makeServer(now: 3)
        server.routed(facts: 8)
        server.connects(Stream(descriptor: -1), 4)
        #expect(server.state == .connecting && server.since == 4 && server.connected == 3)
        server.logsIn()
        server.confirms()
        server.logsIn()
        server.confirms()
        server.isOpened(6)
        #expect(server.facts == 8 && server.opened == 6 && server.isNew)
        server.startsLife(until: 100, isWanted: true, 7)
        #expect(!server.isNew && server.wanted && !server.obsolete)
    }

    @Test func `a lifetime is over at its instant, and not before`() {
        var server = makeFreeServer()
        server.startsLife(until: 100, isWanted: false, 99)
        #expect(!server.obsolete)
        server.ages(100)
        #expect(server.obsolete)
    }

    @Test func `a link starts with nothing to be answered`() {
        var server = makeFreeServer()
        server.rests(5)
        #expect(server.state == .idle && server.since == 5)
        server.linked(to: 7, nobody, 6)
        #expect(server.state == .active && server.client == 7 && server.since == 6)
        #expect(server.traffic.isAnswered && !server.traffic.isMarked)
        server.unlinked()
        #expect(server.client == .absent)
    }

    @Test func `time limits begin anew with an answer, once for each`() {
        var server = makeLinkedServer(now: 10)
        _ = server.traffic.frontend(FrontendTag.query)
        server.noticesAnswer(20)
        #expect(server.since == 10, "nothing is answered")
        #expect(server.ready([TransactionStatus.idle]) == true)
        server.noticesAnswer(30)
        server.noticesAnswer(40)
        #expect(server.since == 30)
    }

    @Test(arguments: [
        (Server.Task.parameters, Server.Outcome.suits), (.welcome, .welcomes), (.handOver, .clientHandedOver),
        (.fence, .hasRead), (.rollback, .rolledBack),
    ])
    func `a query of the worker's own that is done gives the server back to its client`(
        task: Server.Task, outcome: Server.Outcome
    ) {
        var server = runs(task)
        #expect(server.state == .setup && server.since == 50)
        #expect(server.taskDone() == outcome)
        #expect(server.state == .active && server.task == .none && server.traffic.isAnswered)
    }

    @Test(arguments: [
        (Server.Task.parameters, Server.Outcome.refused), (.welcome, .refused), (.fence, .violation),
        (.rollback, .unfit), (.reset, .unfit),
    ])
    func `a query of the worker's own may fail`(task: Server.Task, outcome: Server.Outcome) {
        var server = runs(task, fails: true)
        #expect(server.taskDone() == outcome)
        var next = server
        next.runs(.parameters, 60)
        #expect(next.ready([TransactionStatus.idle]) == true)
        #expect(next.taskDone() == .suits, "the next query has not failed")
    }

    @Test(arguments: [(Server.Task.fence, Server.Outcome.violation), (.rollback, .unfit), (.reset, .unfit)])
    func `a server in a transaction is not at rest`(task: Server.Task, outcome: Server.Outcome) {
        var server = runs(task, linked: false, status: TransactionStatus.inTransaction)
        #expect(server.state == .resetting)
        #expect(server.taskDone() == outcome)
    }

    @Test func `a reset that leaves pins is no reset`() {
        let entry = reserve(MemoryLayout<CledgerServer>.stride).bindMemory(
            to: CledgerServer.self, capacity: 1)
        var server = makeServer()
        server.routed(facts: 0)
        server.connects(Stream(descriptor: -1), 0)
        server.logsIn()
        server.confirms()
        server.meetsAgent(3, LedgerServer(entry), parameters: 0)
        for (pins, outcome) in [(UInt32(1), Server.Outcome.stillPinned), (0, .clean)] {
            entry.pointee.pins = pins
            server.isFree()
            server.runs(.reset, 1)
            #expect(server.ready([TransactionStatus.idle]) == true)
            #expect(server.taskDone() == outcome)
        }
    }

    @Test func `an end of a query that there was none of is a violation`() {
        var server = makeLinkedServer()
        #expect(server.taskDone() == .violation)
        #expect(server.ready([TransactionStatus.idle]) == false)
        _ = server.traffic.frontend(FrontendTag.query)
        #expect(server.ready([]) == false)
        #expect(server.ready([73, 73]) == false)
        #expect(server.ready([73]) == true)
    }

    @Test func `a client that leaves in the middle of a message takes its server along`() {
        var server = makeLinkedServer()
        #expect(server.clientLeaves(nobody, isPartial: true, finishing: false, 9) == .lost)
        #expect(server.client == .absent)
    }

    @Test func `a server whose client leaves recovers, and may finish what it was asked`() {
        for finishing in [false, true] {
            var server = makeLinkedServer()
            let left = LedgerClient(reference: 12)
            #expect(server.clientLeaves(left, isPartial: false, finishing: finishing, 9) == .recovers)
            #expect(server.state == .recovering && server.since == 9 && server.client == .absent)
            #expect(server.finishing == finishing && server.interrupted == finishing)
            #expect(server.forgetsLeft().reference == 12)
            #expect(server.forgetsLeft().reference == nobody.reference)
        }
    }

    @Test func `behind the answer to the worker's own query a server is reset`() {
        var server = makeLinkedServer()
        server.runs(.parameters, 1)
        #expect(server.clientLeaves(nobody, isPartial: true, finishing: false, 9) == .waits)
        #expect(server.state == .resetting && server.task == .reset)
    }

    @Test func `an interrupt is for a statement of this client, and of the one that has left`() {
        var server = makeLinkedServer(7)
        #expect(!server.runsStatement(of: 7), "it runs none")
        _ = server.traffic.frontend(FrontendTag.query)
        #expect(server.runsStatement(of: 7) && !server.runsStatement(of: 8))
        _ = server.clientLeaves(nobody, isPartial: false, finishing: false, 9)
        #expect(server.runsStatement(of: .absent))
        #expect(!makeFreeServer().runsStatement(of: .absent))
    }

    @Test func `a server is cancelled until the last request has ended`() {
        var server = makeLinkedServer()
        server.cancelBegins()
        server.cancelBegins()
        #expect(server.cancelEnds() == false)
        #expect(server.cancelled && server.cancels == 1)
        #expect(server.cancelEnds() == true)
        #expect(!server.cancelled)
    }

    @Test func `the start of a session is known for one client at a time`() {
        var server = makeLinkedServer()
        server.startsSession(of: 4, nobody)
        server.heardStart(but: 4)
        #expect(server.startedFor == 4)
        server.heardStart(but: 5)
        #expect(server.startedFor == .absent)
    }

    @Test func `what resets a server depends on pins, on a start not heard, and on the mode`() {
        var server = makeLinkedServer()
        func reset(_ mode: PoolMode, isConfigured: Bool = true) -> Recovery.Reset {
            server.resetAfterClient(mode, isConfigured: isConfigured)
        }
        #expect(reset(.transaction) == .nothing && reset(.session) == .configured)
        #expect(reset(.session, isConfigured: false) == .nothing)
        server.isKept(for: 1)
        #expect(reset(.transaction) == .discardAll)
        server.isKept(for: 0)
        server.startsSession(of: 4, nobody)
        #expect(reset(.transaction) == .discardAll)
        #expect(reset(.transaction) == .nothing, "it is heard now")
    }

    @Test func `a server from another thread is looked at, and keeps an agent's entry alone`() {
        var server = makeFreeServer()
        server.arrives(parameters: 5, nobody: .ofNobody())
        #expect(server.readable && server.parameters == 5)
        #expect(server.takes(parameters: 6) == 5)
    }

    // MARK: what it says where no client reads

    private func hears(_ server: inout Server, _ tag: UInt8, _ body: String = "") -> String {
        let news = server.hears(tag, bytes(body)[...])
        return String("\(news)".prefix { $0 != "(" })
    }

    @Test func `what messages mean depends on what the server does`() {
        var setup = makeLinkedServer()
        setup.runs(.parameters, 0)
        #expect(hears(&setup, BackendTag.notificationResponse) == "notification")
        #expect(hears(&setup, BackendTag.parameterStatus) == "parameter")
        #expect(hears(&setup, BackendTag.errorResponse) == "failure")
        #expect(hears(&setup, BackendTag.copyInResponse) == "violation")
        #expect(hears(&setup, BackendTag.readyForQuery, "I") == "taskDone")
        #expect(setup.taskDone() == .refused)

        var idle = makeFreeServer()
        idle.rests(0)
        #expect(hears(&idle, BackendTag.notificationResponse) == "nothing")
        #expect(hears(&idle, BackendTag.noticeResponse) == "nothing")
        #expect(hears(&idle, BackendTag.readyForQuery, "I") == "violation")
        #expect(hears(&idle, BackendTag.dataRow) == "violation")
        #expect(!idle.hungUp)
        #expect(hears(&idle, BackendTag.errorResponse) == "goodbye")
        #expect(idle.hungUp && idle.readable, "its end comes soon")
    }

    @Test func `a server that recovers says how far it is, and nothing more once it is to end`() {
        var server = makeLinkedServer()
        _ = server.traffic.frontend(FrontendTag.query)
        _ = server.clientLeaves(nobody, isPartial: false, finishing: false, 0)
        #expect(hears(&server, BackendTag.errorResponse) == "nothing")
        #expect(hears(&server, BackendTag.copyInResponse) == "recovers")
        #expect(server.traffic.isCopyingIn)
        #expect(hears(&server, BackendTag.readyForQuery, "I") == "recovers")
        server.isToEnd()
        #expect(hears(&server, BackendTag.readyForQuery, "I") == "nothing")
    }
}
