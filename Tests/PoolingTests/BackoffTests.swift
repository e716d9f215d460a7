import Testing

@testable import Pooling

@Suite struct BackoffTests {
    static let ms: UInt64 = 1_000_000
    let longest = 15_000 * Self.ms

    /// An attempt at each moment that allows for one; how long servers were missed at the end of
    /// an outage that began at 0 and lasted so long, and how many attempts it took.
    private func outage(lasting: UInt64, attempts: Int, full: Bool = false) -> (gap: UInt64, tries: Int) {
        var backoff = Backoff()
        var now: UInt64 = 0
        var tries = 0
        while true {
            guard backoff.mayTry(now) else {
                now = backoff.retryAt
                continue
            }
            var started = 0
            while started < attempts && backoff.mayTry(now) {
                backoff.tried(now, longest: longest)
                started += 1
            }
            tries += started
            let began = now
            now += Self.ms
            if began >= lasting { return (now - lasting, tries) }
            for _ in 0..<started {
                backoff.failed(started: began, now: now, longest: longest, full: full)
                now += 1000
            }
        }
    }

    @Test func `a silence is a fraction of the outage, however many servers were wanted`() {
        for length in [1, 100, 300, 1000, 5000, 30_000] {
            let lasting = UInt64(length) * Self.ms
            for attempts in [1, 20, 400] {
                let (gap, tries) = outage(lasting: lasting, attempts: attempts)
                #expect(gap <= max(lasting / 8, 50 * Self.ms) + 2 * Self.ms, "\(length) ms, \(attempts)")
                #expect(tries <= attempts + 60, "\(length) ms, \(attempts)")
            }
        }
    }

    @Test func `the pause has a longest`() {
        let (gap, tries) = outage(lasting: 1_000_000 * Self.ms, attempts: 1)
        #expect(gap <= longest + 2 * Self.ms)
        #expect(tries < 200)
    }

    @Test func `while an outage lasts one tries for all`() {
        var backoff = Backoff()
        backoff.failed(started: 0, now: 5, longest: longest)
        let due = backoff.retryAt
        #expect(!backoff.mayTry(due - 1))
        #expect(backoff.mayTry(due))
        backoff.tried(due, longest: longest)
        #expect(!backoff.mayTry(due))
    }

    @Test func `one that hangs keeps others from trying only for a while`() {
        var backoff = Backoff()
        backoff.failed(started: 0, now: 5, longest: longest)
        backoff.tried(backoff.retryAt, longest: longest)
        #expect(backoff.mayTry(backoff.retryAt))
    }

    @Test func `the first success ends it for all`() {
        var backoff = Backoff()
        for _ in 0..<20 { backoff.failed(started: 0, now: 5, longest: longest) }
        let was = backoff.succeeded(6)
        #expect(was)
        #expect(backoff.mayTry(6))
        // those that were under way then say nothing
        backoff.failed(started: 4, now: 7, longest: longest)
        #expect(backoff.mayTry(7))
        let again = backoff.succeeded(8)
        #expect(!again)
        backoff.failed(started: 7, now: 9, longest: longest)
        #expect(!backoff.mayTry(9))
    }

    @Test func `a full server is tried by two more after each success`() {
        var backoff = Backoff()
        backoff.failed(started: 0, now: 5, longest: longest, full: true)
        let was = backoff.succeeded(6)
        #expect(was)
        var tries = 0
        while backoff.mayTry(7) && tries < 10 {
            backoff.tried(7, longest: longest)
            tries += 1
        }
        #expect(tries == 2)
        backoff.failed(started: 7, now: 8, longest: longest, full: true)
        #expect(!backoff.mayTry(8))
    }

    @Test func `a full server that took all for a while is not full any more`() {
        var backoff = Backoff()
        backoff.failed(started: 0, now: 5, longest: longest, full: true)
        _ = backoff.succeeded(6)
        let later = 5 + Backoff.calm
        backoff.tried(later, longest: longest)
        #expect(!backoff.isFailing)
    }

    @Test func `a cause that may have gone is looked for after a moment`() {
        var backoff = Backoff()
        backoff.hasten(1, 10)
        #expect(backoff.mayTry(1))
        backoff.failed(started: 0, now: 5, longest: longest)
        backoff.hasten(6, 10)
        #expect(backoff.retryAt == 16)
    }

    @Test func `an outage is remembered as long again as its pause`() {
        var backoff = Backoff()
        #expect(backoff.mayBeForgotten(1))
        backoff.failed(started: 0, now: 1000, longest: longest)
        let pause = backoff.retryAt - 1000
        #expect(!backoff.mayBeForgotten(backoff.retryAt))
        #expect(!backoff.mayBeForgotten(backoff.retryAt + pause - 1))
        #expect(backoff.mayBeForgotten(backoff.retryAt + pause))
    }
}
