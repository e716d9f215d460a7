import CTestHost
import Engine
import Pooling
import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// How a session starts on a server with an agent.
@Suite struct AgentStartTests {
    /// A client that has sent these parameters and whom the host has answered.
    private func start(
        _ parameters: [(String, String)], ignoring: Set<String> = [], user: UInt32 = 4, facts: UInt64 = 0
    ) -> AgentStart {
        let pair = Pair()
        pair.stream.input = .take()
        #expect(pair.stream.input.append(startupPacket([("user", "ann")] + parameters)) == true)
        let login = ClientLoginState()
        let terms = ClientStartup.Terms(hostName: "test", keepsOIDs: true, ignored: [], refusal: nil)
        guard case .identified = login.readStartup(&pair.stream, terms) else { fatalError("refused") }
        var given = CtestAnswer()
        given.method = 1
        given.user_id = user
        given.facts = facts
        let answer = ctest_answer_new(&given)!
        defer { ctest_free(answer) }
        var output: [UInt8] = []
        guard case .proved = login.begin(HostAnswer(OpaquePointer(answer)), DerivedVerifiers(), &output)
        else {
            fatalError("not proved")
        }
        return AgentStart(login, ignoring: ignoring)
    }

    private func parameters(_ list: [(String, String)]) -> [PoolRecord.Parameter] {
        list.map { (bytes($0.0), bytes($0.1)) }
    }

    @Test func `an agent is told all parameters in their order, but those to be ignored`() {
        let start = start(
            [("work_mem", "1MB"), ("Extra", "x"), ("TimeZone", "UTC")], ignoring: ["extra", "timezone"])
        let body = bytes("work_mem\0") + bytes("1MB\0") + bytes("TimeZone\0") + bytes("UTC\0") + [0]
        #expect(start.packet == [0, 0, 0, UInt8(4 + body.count)] + body)
    }

    @Test func `what is remembered for a client holds for others of its role with the same parameters`() {
        let zone = ("TimeZone", "UTC")
        #expect(start([zone]).key == start([zone]).key)
        #expect(start([zone]).key != start([("TimeZone", "utc")]).key)
        #expect(start([zone]).key != start([]).key)
        #expect(start([zone]).key != start([zone], user: 5).key)
        #expect(start([zone]).key != start([zone], facts: 1).key)
    }

    @Test func `names of applications make no difference, but whether there is one does`() {
        let named = [start([("application_name", "a")]), start([("application_name", "b")])]
        #expect(named[0].key == named[1].key && named[0].packet != named[1].packet)
        #expect(named[0].key != start([]).key)
    }

    @Test func `a client is told its own name, the last one, as PostgreSQL spells it`() {
        #expect(start([("TimeZone", "UTC")]).ownMessages(maskingNames: false).isEmpty)
        let last = start([("application_name", "a"), ("Application_Name", "ü")])
        let own = last.ownMessages(maskingNames: false)
        #expect(own == parameterMessages(parameters([("application_name", "\\xc3\\xbc")])))
        let masked = last.ownMessages(maskingNames: true)
        #expect(masked == parameterMessages(parameters([("application_name", "??")])))
    }

    @Test func `the name is not remembered where the client has set it`() {
        let reported = parameters([("TimeZone", "UTC"), ("application_name", "a")])
        #expect(start([]).remembered(of: reported) == parameterMessages(reported))
        let named = start([("application_name", "a")])
        #expect(named.remembered(of: reported) == parameterMessages([reported[0]]))
    }
}
