import Auth
import Pooling
import Wire

/// Attempts to open servers that have failed: why, and when the next one may be made (`Backoff`).
struct Outage {
    private(set) var failure: ErrorFields?
    private var backoff = Backoff()
    /// The longest pause, in nanoseconds, where the cause may pass at any moment.
    private let longestPassing: UInt64

    private init(longestPassing: UInt64) { self.longestPassing = longestPassing }

    /// Of the server programs at a place: one that has no connection free, or is starting or stopping, may
    /// have one soon.
    static let ofPlace = Outage(longestPassing: 500_000_000)
    /// Of a pool: it is the role or the database that has none free.
    static let ofPool = Outage(longestPassing: 2_000_000_000)

    /// There is no connection free.
    var isFull: Bool { backoff.isFull }

    /// Returns when the next attempt may be made; nil: now.
    func retryAt(_ now: UInt64) -> UInt64? { backoff.mayTry(now) ? nil : backoff.retryAt }

    /// As `Backoff.mayBeForgotten`.
    func mayBeForgotten(_ now: UInt64) -> Bool { backoff.mayBeForgotten(now) }

    /// A server is about to be opened, as `retryAt` allows.
    /// - Parameter longest: the longest pause.
    mutating func tried(_ now: UInt64, longest: UInt64) {
        backoff.tried(now, longest: pause(longest))
    }

    /// An attempt failed that was begun at this instant.
    mutating func failed(_ error: ErrorFields, started: UInt64, now: UInt64, longest: UInt64, isFull: Bool) {
        failure = error
        backoff.failed(started: started, now: now, longest: pause(longest), full: isFull)
    }

    /// Returns whether attempts failed before: those that wait may try now.
    mutating func succeeded(_ now: UInt64) -> Bool {
        let wasFailing = backoff.succeeded(now)
        if !backoff.isFailing { failure = nil }
        return wasFailing
    }

    /// The cause may pass with a connection that is closed, or at any moment.
    var passesByItself: Bool { failure?.passesByItself == true }

    /// The cause may have gone: an attempt may succeed after so many nanoseconds.
    mutating func hasten(_ now: UInt64, _ moment: UInt64) { backoff.hasten(now, moment) }

    private func pause(_ longest: UInt64) -> UInt64 {
        passesByItself ? min(longest, longestPassing) : longest
    }
}
