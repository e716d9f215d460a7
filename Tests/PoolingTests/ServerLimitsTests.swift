import Testing

@testable import Pooling

@Suite struct ServerLimitsTests {
    private static let second: UInt64 = 1_000_000_000
    private let limits = ServerLimits(opening: 15 * second, idling: 600 * second, cancelling: 10 * second)
    private let none = ServerLimits(opening: 0, idling: 0, cancelling: 0)
    private let start = 77 * second

    private func excess(_ limits: ServerLimits, _ phase: ServerPhase, after seconds: Double) -> ServerLimits
        .Excess?
    {
        limits.excess(phase, start + UInt64(seconds * 1e9))
    }

    @Test func `a server has so long to connect and log in`() {
        #expect(excess(limits, .opens(since: start), after: 14.9) == nil)
        #expect(excess(limits, .opens(since: start), after: 15) == .opening)
        #expect(excess(none, .opens(since: start), after: 1e6) == nil)
    }

    @Test func `a server may idle for so long, unless its pool keeps it`() {
        func idle(_ servers: Int, needed: Int = 2, retired: Bool = false) -> ServerPhase {
            .idle(since: start, isRetired: retired, servers: servers, needed: needed)
        }
        #expect(excess(limits, idle(3), after: 599) == nil)
        #expect(excess(limits, idle(3), after: 600) == .idling)
        #expect(excess(limits, idle(2), after: 6000) == nil)
        #expect(excess(none, idle(3), after: 6000) == nil)
        #expect(excess(limits, idle(2, retired: true), after: 0) == .lifetime)
    }

    @Test func `a recovery has as long as a cancel, and a second at least`() {
        #expect(excess(limits, .recovers(since: start), after: 9.9) == nil)
        #expect(excess(limits, .recovers(since: start), after: 10) == .recovery)
        #expect(excess(none, .recovers(since: start), after: 0.9) == nil)
        #expect(excess(none, .recovers(since: start), after: 1) == .recovery)
    }

    @Test func `a server waits so long for cancel requests`() {
        #expect(excess(limits, .settles(since: start), after: 9.9) == nil)
        #expect(excess(limits, .settles(since: start), after: 10) == .cancel)
        #expect(excess(none, .settles(since: start), after: 1e6) == nil)
    }

    @Test func `what a client asks for may take as long as it takes`() {
        #expect(excess(limits, .unlimited, after: 1e6) == nil)
    }
}
