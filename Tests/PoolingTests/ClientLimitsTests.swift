import Testing
import Wire

@testable import Pooling

@Suite struct ClientLimitsTests {
    private static let second: UInt64 = 1_000_000_000

    /// Each limit has its own length, so that none can stand in for another.
    private let limits = {
        var limits = ClientLimits()
        limits.login = 10
        limits.queryWait = 20
        limits.idle = 30
        limits.idleSession = 40
        limits.transaction = 50
        limits.lastStatement = 60
        limits.cancel = 70
        limits.farewell = 80
        return limits
    }()

    @Test(arguments: [
        (ClientWait.login(since: 100), ClientLimits.Limit.login, UInt64(110)),
        (.server(since: 100), .queryWait, 120), (.request(since: 100), .idle, 130),
        (.transaction(since: 100, hasBegun: false), .transaction, 150),
        (.lastStatement(since: 100), .lastStatement, 160), (.cancel(since: 100), .cancel, 170),
        (.farewell(since: 100), .farewell, 180),
    ])
    func `each wait has its limit, which is over at its last moment and not before`(
        wait: ClientWait, limit: ClientLimits.Limit, end: UInt64
    ) {
        #expect(limits.verdict(wait, now: 100) == .later(end))
        #expect(limits.verdict(wait, now: end - 1) == .later(end))
        #expect(limits.verdict(wait, now: end) == .over(limit))
        #expect(limits.verdict(wait, now: end + 1000) == .over(limit))
    }

    @Test func `a limit of 0 is never over`() {
        var none = ClientLimits()
        #expect(none.verdict(.login(since: 0), now: .max) == .never)
        #expect(none.verdict(.request(since: 0), now: .max) == .never)
        none.idleSession = 5
        #expect(none.verdict(.request(since: 7), now: 8) == .later(12))
    }

    @Test func `of the pool's and the client's own idle limit the first one counts`() {
        var limits = limits
        #expect(limits.verdict(.request(since: 0), now: 30) == .over(.idle))
        limits.idleSession = 10
        #expect(limits.verdict(.request(since: 0), now: 5) == .later(10))
        #expect(limits.verdict(.request(since: 0), now: 10) == .over(.idleSession))
        // The pool's is named where both are over.
        #expect(limits.verdict(.request(since: 0), now: 30) == .over(.idle))
        limits.idle = 0
        #expect(limits.verdict(.request(since: 0), now: 30) == .over(.idleSession))
    }

    @Test func `a part of a first message lets a client be idle, beside the limit of transactions`() {
        var limits = limits
        let wait = ClientWait.transaction(since: 0, hasBegun: true)
        #expect(limits.verdict(wait, now: 0) == .later(30))
        #expect(limits.verdict(wait, now: 30) == .over(.idle))
        limits.transaction = 20
        #expect(limits.verdict(wait, now: 0) == .later(20))
        #expect(limits.verdict(wait, now: 30) == .over(.transaction))
        limits.transaction = 0
        #expect(limits.verdict(wait, now: 30) == .over(.idle))
    }

    @Test func `a peer has five seconds for a last statement and last bytes`() {
        let limits = ClientLimits()
        for wait in [ClientWait.lastStatement(since: 0), .farewell(since: 0)] {
            #expect(limits.verdict(wait, now: 5 * Self.second - 1) == .later(5 * Self.second))
            #expect(limits.verdict(wait, now: 5 * Self.second) != .later(5 * Self.second))
        }
    }

    // MARK: links

    /// A link on which the client has sent these messages.
    private func link(_ tags: String, status: UInt8 = TransactionStatus.idle) -> Traffic {
        var traffic = Traffic()
        traffic.status = status
        for tag in tags.utf8 { _ = traffic.frontend(tag) }
        return traffic
    }

    private func wait(_ traffic: Traffic, bodyLeft: Int = 0) -> ClientWait? {
        ClientWait(onLink: traffic, bodyLeft: bodyLeft, since: 7)
    }

    @Test func `while the server owes an answer no limit counts`() {
        #expect(wait(link("Q")) == nil)
        #expect(wait(link("PBES")) == nil)
        #expect(wait(link("Q", status: TransactionStatus.inTransaction)) == nil)
    }

    @Test func `a quiet link waits for a request`() {
        #expect(wait(link("")) == .request(since: 7))
        #expect(wait(link(""), bodyLeft: 3) == .request(since: 7))
    }

    @Test func `an open transaction waits for its client`() {
        for status in [TransactionStatus.inTransaction, TransactionStatus.failed] {
            #expect(wait(link("", status: status)) == .transaction(since: 7, hasBegun: false))
            #expect(wait(link("", status: status), bodyLeft: 3) == .transaction(since: 7, hasBegun: false))
        }
    }

    @Test func `messages without a Sync wait for it`() {
        #expect(wait(link("PBE")) == .transaction(since: 7, hasBegun: false))
    }

    @Test func `a part of a first message is known as such, one behind others is not`() {
        #expect(wait(link("Q"), bodyLeft: 3) == .transaction(since: 7, hasBegun: true))
        #expect(wait(link("QQ"), bodyLeft: 3) == .transaction(since: 7, hasBegun: false))
        #expect(
            wait(link("Q", status: TransactionStatus.inTransaction), bodyLeft: 3)
                == .transaction(since: 7, hasBegun: false))
    }
}
