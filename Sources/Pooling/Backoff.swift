/// When servers may be opened again after attempts have failed. Time is in nanoseconds, from
/// any start; the caller says what time it is.
///
/// An outage is counted, not the servers that met it: attempts that were under way when it was
/// noticed say nothing new, and while it lasts there is one attempt at a time for all. The
/// pause before the next is an eighth of the outage so far, so that what was short stays short.
public struct Backoff: Equatable, Sendable {
    /// When the outage was noticed; nil: there is none.
    public private(set) var began: UInt64?
    /// No attempt before this.
    public private(set) var retryAt: UInt64 = 0
    /// The server had no connection free: one success does not mean that it has many.
    public private(set) var isFull = false
    /// Attempts that successes have earned since it was full.
    private var earned = 0
    /// Attempts from before this are of a round that has been counted.
    private var counted: UInt64 = 0

    public init() {}

    public var isFailing: Bool { began != nil }

    static let shortest: UInt64 = 50_000_000
    static let share: UInt64 = 8
    /// As long a full server has to take all who come to be one that is not full.
    static let calm: UInt64 = 1_000_000_000

    private func pause(_ now: UInt64, _ longest: UInt64) -> UInt64 {
        let outage = now &- (began ?? now)
        return min(max(longest, Self.shortest / 5), max(Self.shortest, outage / Self.share))
    }

    /// May a server be opened now? Asks without consequences.
    public func mayTry(_ now: UInt64) -> Bool { !isFailing || earned > 0 || now >= retryAt }

    /// Whether an outage need not be remembered where nothing waits: as long again as its last
    /// pause, so that pauses grow for a pool that is tried now and then.
    public func mayBeForgotten(_ now: UInt64) -> Bool {
        !isFailing || (now >= retryAt && now &- retryAt >= retryAt &- counted)
    }

    /// A server is about to be opened, as `mayTry` allows. Others wait for what comes of it.
    public mutating func tried(_ now: UInt64, longest: UInt64) {
        guard isFailing else { return }
        if isFull && now &- counted >= Self.calm && earned > 0 { return end() }
        if earned > 0 {
            earned -= 1
        } else {
            retryAt = now &+ pause(now, longest)
        }
    }

    /// An attempt failed.
    /// - Parameters:
    ///   - started: when it was begun.
    ///   - longest: the longest pause.
    ///   - full: there was no connection free.
    public mutating func failed(started: UInt64, now: UInt64, longest: UInt64, full: Bool = false) {
        guard started >= counted else { return }
        if began == nil { began = now }
        counted = now
        isFull = full
        earned = 0
        retryAt = now &+ pause(now, longest)
    }

    /// An attempt succeeded: for all, the outage is over. A server that was full takes two more.
    /// - Returns: whether there was an outage; those that wait may try now.
    public mutating func succeeded(_ now: UInt64) -> Bool {
        guard isFailing else { return false }
        if isFull {
            began = now
            earned = min(earned + 2, 64)
        } else {
            end()
            counted = now
        }
        return true
    }

    /// The cause may have gone: an attempt is due after a moment.
    public mutating func hasten(_ now: UInt64, _ moment: UInt64) {
        if isFailing { retryAt = min(retryAt, now &+ moment) }
    }

    private mutating func end() {
        began = nil
        retryAt = 0
        earned = 0
        isFull = false
    }
}
