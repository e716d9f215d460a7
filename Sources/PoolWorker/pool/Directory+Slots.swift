import Pooling
import Wire

/// A server program, by its address: what all pools know of it that have servers there.
/// Guarded by the directory's lock.
final class Place {
    let number: UInt32
    /// It can't be reached, is starting or stopping, or has no connection free.
    var backoff = Backoff()
    var failure: ErrorFields?

    init(number: UInt32) { self.number = number }
}

/// Whether and when servers may be opened, and who gets those that others give up.
extension Directory {
    /// The longest pause of those who wait for a connection of a server that has none free, or
    /// that is starting or stopping: it may have one at any moment.
    private static let longestForPlace: UInt64 = 500_000_000
    /// The same where it is the role or the database that has none free.
    private static let longestForPool: UInt64 = 2_000_000_000
    /// Between the end of a connection and the next attempt: its process may take so long to end.
    static let moment: UInt64 = 10_000_000

    /// Counts one more server of the pool if it may be opened now.
    /// - Returns: what is in the way; nil: the server is counted.
    func open(_ record: PoolRecord, thread: Int, now: UInt64, longest: UInt64) -> ServerDemand.Obstacle? {
        locked {
            guard record.backoff.mayTry(now) else {
                return .outage(until: record.backoff.retryAt, isFull: false)
            }
            if let backoff = record.place?.backoff, !backoff.mayTry(now) {
                return .outage(until: backoff.retryAt, isFull: backoff.isFull)
            }
            let reached = reached(record)
            guard reached.isEmpty else { return .limits(reached) }
            record.backoff.tried(now, longest: pause(longest, record.failure, Self.longestForPool))
            if let place = record.place {
                place.backoff.tried(now, longest: pause(longest, place.failure, Self.longestForPlace))
            }
            countServer(record, 1)
            unused.remove(record.index)
            slots.remove(pool: record.index, thread: thread)
            return nil
        }
    }

    private func pause(_ longest: UInt64, _ failure: ErrorFields?, _ passing: UInt64) -> UInt64 {
        failure?.passesByItself == true ? min(longest, passing) : longest
    }

    /// A server could not be had.
    /// - Parameters:
    ///   - started: when the attempt was begun.
    ///   - ofPlace: the pool has no part in it: others would fare alike.
    func failed(
        _ record: PoolRecord, _ error: ErrorFields, started: UInt64, ofPlace: Bool, now: UInt64,
        longest: UInt64
    ) {
        let longest = pause(longest, error, ofPlace ? Self.longestForPlace : Self.longestForPool)
        locked {
            if ofPlace, let place = record.place {
                place.failure = error
                place.backoff.failed(
                    started: started, now: now, longest: longest, full: error.isServerFull)
            } else {
                record.failure = error
                record.backoff.failed(started: started, now: now, longest: longest)
            }
        }
    }

    /// A server could be had; or its place was reached, which is not in the pool's way then.
    /// - Returns: whether others that wait should try now: of the pool, of the place.
    func succeeded(_ record: PoolRecord, ofPool: Bool, now: UInt64) -> (pool: Bool, place: UInt32?) {
        locked {
            let pool = ofPool && record.backoff.succeeded(now)
            if ofPool { record.failure = nil }
            guard let place = record.place, place.backoff.succeeded(now) else { return (pool, nil) }
            return (pool, place.number)
        }
    }

    /// Why no server can be had now; nil: nothing is known to be in the way.
    func obstacle(_ record: PoolRecord, now: UInt64) -> ErrorFields? {
        locked {
            if !record.backoff.mayTry(now) { return record.failure }
            guard let place = record.place, !place.backoff.mayTry(now) else { return nil }
            return place.failure
        }
    }

    /// Under the lock.
    private func owner(_ record: PoolRecord) -> SlotOwner {
        // (a place that isn't known yet is nobody else's)
        SlotOwner(
            pool: record.index, database: record.databaseID, user: record.userID,
            place: record.place?.number ?? UInt32.max - record.index.number)
    }

    /// Clients of a pool wait for a server that only another pool can give. One that has servers waits
    /// when that is urgent.
    /// - Returns: whether others should be asked now.
    func queue(_ record: PoolRecord, thread: Int, _ plan: ServerDemand.Plan) -> Bool {
        locked {
            guard plan.isUrgent || record.servers == 0 else { return false }
            return slots.add(owner(record), thread: thread, scopes: plan.scopes)
        }
    }

    /// Drops pools of which no client waits.
    func keepQueued(_ waits: (PoolIndex) -> Bool) { locked { slots.keep(waits) } }

    func isWanted(_ record: PoolRecord) -> Bool {
        queued.value != 0 && locked { slots.wants(owner(record)) }
    }

    /// Is a free server to be closed for another pool? As `SlotQueue.giveWay`.
    func giveWay(
        _ record: PoolRecord, age: UInt64, idle: UInt64, slice: UInt64, waits: (PoolIndex) -> Bool
    ) -> SlotQueue.Answer {
        locked {
            slots.keep(waits)
            guard !slots.waiters.isEmpty else { return .unwanted }
            countServer(record, -1)
            defer { countServer(record, 1) }
            return slots.giveWay(owner(record), age: age, idle: idle, slice: slice) {
                servers(of: $0)
            } helps: {
                isInTheWay(record, of: $0)
            }
        }
    }

    /// Whether a server of a pool, which is not counted now, keeps another pool from opening one. It may
    /// do so for one of two limits: then it is not the only one that has to be closed.
    private func isInTheWay(_ record: PoolRecord, of pool: PoolIndex) -> Bool {
        guard let waiting = self.record(pool) else { return false }
        let reached = reached(waiting)
        if reached.contains(.pool) { return false }
        if reached.isEmpty { return true }
        countServer(record, 1)
        defer { countServer(record, -1) }
        return !self.reached(waiting).isDisjoint(with: counted(record, with: waiting))
    }

    /// The limits for which servers of both pools are counted.
    private func counted(_ one: PoolRecord, with other: PoolRecord) -> PoolLimits.Reached {
        var limits: PoolLimits.Reached = []
        if one.databaseID == other.databaseID { limits.insert(.database) }
        if one.userID == other.userID { limits.insert(.user) }
        return limits
    }

    /// A server of the pool is gone.
    /// - Parameter held: there was a connection, so that one more is free now.
    /// - Returns: who may open a server instead; it is counted.
    func giveBack(_ record: PoolRecord, held: Bool, now: UInt64) -> SlotQueue.Waiter? {
        locked {
            countServer(record, -1)
            defer { noteUnused(record, now: now) }
            return freed(record, held: held, now)
        }
    }

    private func servers(of pool: PoolIndex) -> Int { record(pool)?.servers ?? Int.max }

    private func mayOpen(_ pool: PoolIndex) -> Bool { record(pool).map { reached($0).isEmpty } ?? false }

    /// Under the lock.
    func freed(_ record: PoolRecord, held: Bool, _ now: UInt64) -> SlotQueue.Waiter? {
        if held {
            if record.failure?.passesByItself == true { record.backoff.hasten(now, Self.moment) }
            if record.place?.backoff.isFull == true {
                record.place?.backoff.hasten(now, Self.moment)
            }
        }
        guard !slots.waiters.isEmpty else { return nil }
        let next = slots.next(after: owner(record), held: held) {
            servers(of: $0)
        } mayOpen: {
            mayOpen($0)
        }
        guard let next, let other = self.record(next.owner.pool) else { return nil }
        countServer(other, 1)
        unused.remove(other.index)
        return next
    }
}
