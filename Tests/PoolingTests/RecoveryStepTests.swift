import FixedStorage
import TestSupport
import Testing
import Wire

@testable import Pooling

@Suite struct RecoveryStepTests {
    private func step(
        _ traffic: inout Traffic, ending: Bool = false, interrupted: Bool = false, inMessage: Bool = false,
        cancelled: Bool = false
    ) -> Recovery.Step {
        Recovery(
            isEnding: ending, isInterrupted: interrupted, isInMessage: inMessage, isCancelled: cancelled
        ).step(&traffic)
    }

    /// The tags of a step's messages.
    private func tags(_ step: Recovery.Step) -> String {
        guard case .send(let bytes) = step else { return "\(step)" }
        var (tags, at) = ("", 0)
        while at < bytes.count {
            tags.append(Character(UnicodeScalar(bytes[at])))
            at += 1 + bytes[(at + 1)...(at + 4)].reduce(0) { $0 << 8 | Int($1) }
        }
        return tags
    }

    /// After these messages of a client.
    private func traffic(_ sent: String) -> Traffic {
        var traffic = Traffic()
        for character in sent { _ = traffic.frontend(tag(character)) }
        return traffic
    }

    private func answered(_ traffic: inout Traffic, _ status: UInt8) {
        let wasExpected = traffic.ready(status)
        #expect(wasExpected)
    }

    @Test func `a server with nothing to do rests, unless it is in a message or cancelled`() {
        var traffic = Traffic()
        #expect(step(&traffic) == .rest)
        #expect(step(&traffic, inMessage: true) == .wait)
        #expect(step(&traffic, cancelled: true) == .wait)
    }

    @Test func `a running statement is interrupted once`() {
        var traffic = traffic("Q")
        #expect(step(&traffic) == .interrupt)
        #expect(step(&traffic, interrupted: true) == .wait)
        answered(&traffic, TransactionStatus.idle)
        #expect(step(&traffic, interrupted: true) == .rest)
    }

    @Test(arguments: [TransactionStatus.inTransaction, TransactionStatus.failed])
    func `an open transaction is rolled back`(status: UInt8) {
        var traffic = traffic("Q")
        answered(&traffic, status)
        #expect(step(&traffic) == .rollBack)
        #expect(step(&traffic, cancelled: true) == .wait)
    }

    @Test func `what is not synced is rolled back behind a Sync, in a block of its own if need be`() {
        var outside = traffic("PBE")
        #expect(tags(step(&outside)) == "PBEPBES")
        #expect(step(&outside) == .interrupt)
        var inside = traffic("Q")
        answered(&inside, TransactionStatus.inTransaction)
        _ = inside.frontend(FrontendTag.parse)
        #expect(tags(step(&inside)) == "PBES")
        answered(&inside, TransactionStatus.inTransaction)
        #expect(step(&inside) == .rollBack)
    }

    @Test func `behind messages without an answer goes a Sync`() {
        var traffic = traffic("H")
        #expect(tags(step(&traffic)) == "S")
        #expect(step(&traffic, interrupted: true) == .wait)
        answered(&traffic, TransactionStatus.idle)
        #expect(step(&traffic) == .rest)
    }

    @Test func `a COPY of a Query fails, and has its answer`() {
        var traffic = traffic("Q")
        traffic.copyInStarted()
        #expect(tags(step(&traffic)) == "f")
        #expect(step(&traffic, interrupted: true) == .wait)
        traffic.failed()
        answered(&traffic, TransactionStatus.idle)
        #expect(tags(step(&traffic)) == "S")
        answered(&traffic, TransactionStatus.idle)
        #expect(step(&traffic) == .rest)
    }

    @Test func `a COPY of an Execute fails, and needs a Sync`() {
        var traffic = traffic("PBES")
        traffic.copyInStarted()
        #expect(tags(step(&traffic)).hasPrefix("f"))
        #expect(tags(step(&traffic, interrupted: true)) == "wait")
    }

    @Test func `where answers can't be counted the server is interrupted, and told that this was all`() {
        var traffic = traffic("PQ")
        #expect(traffic.isUncertain)
        #expect(step(&traffic) == .interrupt)
        #expect(step(&traffic, interrupted: true) == .end([FrontendTag.terminate, 0, 0, 0, 4]))
        #expect(step(&traffic, ending: true) == .interrupt)
        #expect(step(&traffic, ending: true, interrupted: true) == .wait)
    }

    @Test func `whatever a client has sent, its server soon waits or rests`() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            var traffic = Traffic()
            for _ in 0..<random.below(12) {
                switch random.below(6) {
                case 0: traffic.copyInStarted()
                case 1: traffic.failed()
                case 2:
                    _ = traffic.ready(
                        [TransactionStatus.idle, TransactionStatus.inTransaction][random.below(2)])
                default: _ = traffic.frontend(tag(Array("QPBEDSHCdcfF")[random.below(12)]))
                }
            }
            var (ending, interrupted, steps) = (false, false, 0)
            loop: while true {
                steps += 1
                switch step(&traffic, ending: ending, interrupted: interrupted) {
                case .wait, .rollBack, .rest: break loop
                case .send: break
                case .interrupt: interrupted = true
                case .end: ending = true
                }
                #expect(steps < 5)
            }
        }
    }

    @Test func `what a client leaves is taken away in session mode, and where it was pinned`() {
        func reset(
            _ mode: PoolMode, pinned: Bool = false, awaitsStart: Bool = false, configured: Bool = true
        ) -> Recovery.Reset {
            Recovery.Reset(isPinned: pinned, awaitsStart: awaitsStart, mode: mode, isConfigured: configured)
        }
        #expect(reset(.session) == .configured)
        #expect(reset(.session, configured: false) == .nothing)
        #expect(reset(.transaction) == .nothing)
        #expect(reset(.statement) == .nothing)
        #expect(reset(.transaction, pinned: true) == .discardAll)
        #expect(reset(.session, pinned: true) == .discardAll)
        #expect(reset(.transaction, awaitsStart: true) == .discardAll)
    }
}
