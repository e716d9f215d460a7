import Pooling
import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// What clients are told of their sessions' parameters by what servers of their pool have said.
@Suite struct WelcomeTests {
    private let pools = Pools()
    private let record: PoolRecord
    private static let second: UInt64 = 1_000_000_000

    init() { record = pools.enter(1, 1) }

    private func parameters(_ list: [(String, String)]) -> [PoolRecord.Parameter] {
        list.map { (bytes($0.0), bytes($0.1)) }
    }

    private func wanted(_ list: [(String, String)]) -> ParameterValues {
        var values = ParameterSets.noValues
        for (name, value) in list { values[TrackedParameter.index(bytes(name))!] = bytes(value) }
        return values
    }

    /// A server has logged in.
    private func keep(_ list: [(String, String)], facts: UInt64 = 0, now: UInt64 = 0) {
        pools.directory.keepWelcome(record, parameters(list), facts: facts, now: now)
    }

    private func messages(_ list: [(String, String)]) -> [UInt8] { parameterMessages(parameters(list)) }

    private func told(_ list: [(String, String)] = []) -> [UInt8]? {
        pools.directory.welcome(wanted(list), record)?.messages
    }

    private static let said = [("server_version", "16.4"), ("TimeZone", "UTC"), ("application_name", "")]

    @Test func `without a server nothing is known`() { #expect(told() == nil) }

    @Test func `a client is told all that a server has said, in that order`() {
        keep(Self.said)
        #expect(told() == messages(Self.said))
        #expect(told([("TimeZone", "UTC")]) == messages(Self.said), "that is what it has anyway")
    }

    @Test func `a name of its own is laid over, and for other values a server is asked`() {
        keep(Self.said)
        let named = [("server_version", "16.4"), ("TimeZone", "UTC"), ("application_name", "psql")]
        #expect(told([("application_name", "psql")]) == messages(named))
        #expect(told([("TimeZone", "utc")]) == nil)
    }

    @Test func `what a server has taken for a client's spelling is remembered`() {
        keep(Self.said)
        let want = wanted([("TimeZone", "prc")])
        let welcome = pools.directory.resolve(want, have: wanted([("TimeZone", "PRC")]), record)
        #expect(
            welcome.messages
                == messages([("server_version", "16.4"), ("TimeZone", "PRC"), ("application_name", "")]))
        #expect(told([("TimeZone", "prc")]) == welcome.messages)
        #expect(told([("TimeZone", "PRC")]) == nil, "another spelling")
    }

    @Test func `a value that servers report anew is what clients are told next`() {
        keep(Self.said)
        _ = told()
        #expect(pools.directory.correct(record, bytes("server_version"), bytes("16.5")) == true)
        #expect(pools.directory.correct(record, bytes("server_version"), bytes("16.5")) == false)
        #expect(pools.directory.correct(record, bytes("unknown"), bytes("x")) == false)
        #expect(pools.directory.told(record, bytes("server_version")) == bytes("16.5"))
        #expect(
            told() == messages([("server_version", "16.5"), ("TimeZone", "UTC"), ("application_name", "")]))
    }

    @Test func `a server from before the latest facts says nothing, and new facts forget the old`() {
        _ = pools.enter(1, 1, facts: 5)
        keep(Self.said, facts: 4)
        #expect(told() == nil)
        keep(Self.said, facts: 5)
        #expect(told() != nil)
        _ = pools.enter(1, 1, facts: 5)
        #expect(told() != nil, "they are the same")
        _ = pools.enter(1, 1, facts: 6)
        #expect(told() == nil)
    }

    @Test func `a standby is asked once in a second, if a server is there for it`() {
        func asks(_ now: UInt64, hasIdle: Bool = true) -> Bool {
            pools.directory.asksStandby(record, hasIdle: hasIdle, now)
        }
        keep([("in_hot_standby", "off")])
        #expect(!asks(5 * Self.second))
        keep([("in_hot_standby", "on")], now: 10)
        #expect(!asks(9 + Self.second))
        #expect(asks(10 + Self.second))
        #expect(!asks(9 + 2 * Self.second), "a login has asked")
        #expect(asks(10 + 2 * Self.second, hasIdle: false), "one may be opened")
        pools.directory.settled(record, settings(size: 1))
        #expect(pools.open(record) == nil)
        #expect(!asks(20 * Self.second, hasIdle: false))
        #expect(asks(20 * Self.second))
    }

    @Test func `what is long is not remembered`() {
        keep([("application_name", "")])
        // a key, the values, and the message: three times the name, and what the message has beside it
        for (size, isKept) in [(1000, true), (2800, false)] {
            let name = String(repeating: "x", count: size)
            #expect(told([("application_name", name)]) != nil)
            #expect((record.welcomes[wanted([("application_name", name)])] != nil) == isKept, "\(size)")
        }
    }

    @Test func `of many names the first hundred are forgotten together`() {
        keep(Self.said)
        for number in 0..<100 { _ = told([("application_name", "\(number)")]) }
        #expect(record.welcomes.count == 100)
        _ = told([("application_name", "99")])
        #expect(record.welcomes.count == 100, "it was known")
        _ = told([("application_name", "one more")])
        #expect(record.welcomes.count == 1)
    }

    @Test func `what an agent said is remembered, unless the settings were read anew meanwhile`() {
        let answer = PoolRecord.Answer(messages: bytes("m"), reports: 1, idleTimeout: 2)
        let asked = pools.directory.locked { pools.directory.reloads }
        pools.directory.remember(record, bytes("key"), answer, asked: asked)
        #expect(pools.directory.answer(bytes("key"), record)?.messages == bytes("m"))
        pools.directory.forgetAnswers()
        #expect(pools.directory.answer(bytes("key"), record) == nil)
        pools.directory.remember(record, bytes("key"), answer, asked: asked)
        #expect(pools.directory.answer(bytes("key"), record) == nil, "it was asked before")
    }

    @Test func `clients that think of ever new parameters cost a bounded memory`() {
        let other = pools.enter(1, 2)
        let answer = PoolRecord.Answer(
            messages: [UInt8](repeating: 1, count: 8188), reports: 1, idleTimeout: 0)
        func remember(_ number: Int, _ record: PoolRecord, more: Int = 0) {
            let key = (0..<4 + more).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) }
            pools.directory.remember(record, key, answer, asked: 0)
        }
        remember(1, other, more: 1)
        #expect(other.answers.isEmpty, "a byte too long")
        remember(1, other)
        #expect(other.answers.count == 1)
        // each takes 8192 bytes and 512 beside them, of 16 MB for all
        for number in 0..<999 { remember(number, record) }
        #expect(record.answers.count == 999 && other.answers.count == 1)
        for number in 999..<1926 { remember(number, record) }
        #expect(
            other.answers.count == 1 && record.answers.count == 926, "its own first thousand are forgotten")
        remember(1926, record)
        #expect(other.answers.isEmpty && record.answers.count == 1, "all have forgotten theirs")
    }
}
