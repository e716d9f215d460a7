import Testing
import Wire

@testable import Pooling

@Suite struct LastAnswerTests {
    /// After these messages of a client.
    private func traffic(_ sent: String) -> Traffic {
        var traffic = Traffic()
        for character in sent { _ = traffic.frontend(tag(character)) }
        return traffic
    }

    @Test func `a client that is owed nothing has had its last answer`() {
        #expect(Traffic().lastAnswer(isPartial: false) == .hasCome)
        var answered = traffic("QQ")
        for _ in 0..<2 { _ = answered.ready(TransactionStatus.inTransaction) }
        #expect(answered.lastAnswer(isPartial: false) == .hasCome)
    }

    @Test(arguments: ["Q", "QQ", "PBES", "F"])
    func `an answer comes that was asked for`(sent: String) {
        #expect(traffic(sent).lastAnswer(isPartial: false) == .comes)
    }

    @Test(arguments: ["", "Q", "PBES"])
    func `the half of a message has no answer that could be told`(sent: String) {
        #expect(traffic(sent).lastAnswer(isPartial: true) == .unknown)
    }

    @Test(arguments: ["P", "PBE", "PH"])
    func `what has no Sync has no answer that could be told`(sent: String) {
        #expect(traffic(sent).lastAnswer(isPartial: false) == .unknown)
    }

    @Test func `a COPY that waits for its data has no more answer`() {
        var copying = traffic("Q")
        copying.copyInStarted()
        #expect(copying.lastAnswer(isPartial: false) == .hasCome)
    }
}
