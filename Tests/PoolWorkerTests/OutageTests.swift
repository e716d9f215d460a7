import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// Why no server can be had, and how long attempts pause.
@Suite struct OutageTests {
    private static let ms: UInt64 = 1_000_000
    private let full = ErrorFields(.fatal, "53300", "too many connections")
    private let wrong = ErrorFields(.fatal, "28000", "no")

    /// The pause after an outage of so long, where the longest may be a minute.
    private func pause(_ outage: Outage, _ error: ErrorFields, after age: UInt64) -> UInt64? {
        var outage = outage
        for now in [0, age] {
            outage.failed(error, started: now, now: now, longest: 60_000 * Self.ms, isFull: false)
        }
        return outage.retryAt(age).map { $0 - age }
    }

    @Test func `what may pass by itself is tried again sooner, at a place sooner than for a pool`() {
        let hour: UInt64 = 3_600_000 * Self.ms
        #expect(pause(.ofPool, wrong, after: hour) == 60_000 * Self.ms)
        #expect(pause(.ofPool, full, after: hour) == 2000 * Self.ms)
        #expect(pause(.ofPlace, full, after: hour) == 500 * Self.ms)
        #expect(pause(.ofPlace, wrong, after: hour) == 60_000 * Self.ms)
        #expect(pause(.ofPool, full, after: 4000 * Self.ms) == 500 * Self.ms, "an eighth of the outage")
    }

    @Test func `the reason is known until it is over`() {
        var outage = Outage.ofPool
        #expect(outage.succeeded(0) == false && outage.passesByItself == false)
        outage.failed(full, started: 1, now: 1, longest: 1000 * Self.ms, isFull: false)
        #expect(outage.failure == full && outage.passesByItself)
        #expect(outage.succeeded(2) == true && outage.failure == nil && outage.retryAt(2) == nil)
    }

    @Test func `a full place has room for a few more after a success, and keeps its reason`() {
        var outage = Outage.ofPlace
        outage.failed(full, started: 1, now: 1, longest: 1000 * Self.ms, isFull: true)
        #expect(outage.isFull && outage.retryAt(2) != nil)
        #expect(outage.succeeded(2) == true && outage.failure == full)
        for _ in 0..<2 {
            #expect(outage.retryAt(3) == nil)
            outage.tried(3, longest: 1000 * Self.ms)
        }
        #expect(outage.retryAt(3) != nil)
        outage.hasten(3, 5)
        #expect(outage.retryAt(7) == 8 && outage.retryAt(8) == nil)
    }
}
