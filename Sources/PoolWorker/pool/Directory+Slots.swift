import Pooling
import Wire

/// A server program, by its address: what all pools know of it that have servers there.
/// Guarded by the directory's lock.
final class Place {
    let number: UInt32
    /// It can't be reached, is starting or stopping, or has no connection free.
    var outage = Outage.ofPlace

    init(number: UInt32) { self.number = number }
}

/// Whether and when servers may be opened, and who gets those that others give up.
extension Directory {
    /// Between the end of a connection and the next attempt: its process may take so long to end.
    static let moment: UInt64 = 10_000_000

    /// Counts one more server of the pool if it may be opened now.
    /// - Returns: what is in the way; nil: the server is counted.
    func open(_ record: PoolRecord, thread: Int, now: UInt64, longest: UInt64) -> ServerDemand.Obstacle? {
        locked {
            if let moment = record.outage.retryAt(now) { return .outage(until: moment, isFull: false) }
            if let place = record.place, let moment = place.outage.retryAt(now) {
                return .outage(until: moment, isFull: place.outage.isFull)
            }
            let reached = reached(record)
            guard reached.isEmpty else { return .limits(reached) }
            record.outage.tried(now, longest: longest)
            record.place?.outage.tried(now, longest: longest)
            countServer(record, 1)
            unused.remove(record.index)
            slots.remove(pool: record.index, thread: thread)
            return nil
        }
    }

    /// A server could not be had.
    /// - Parameters:
    ///   - started: when the attempt was begun.
    ///   - ofPlace: the pool has no part in it: others would fare alike.
    func failed(
        _ record: PoolRecord, _ error: ErrorFields, started: UInt64, ofPlace: Bool, now: UInt64,
        longest: UInt64
    ) {
        locked {
            if ofPlace, let place = record.place {
                place.outage.failed(
                    error, started: started, now: now, longest: longest, isFull: error.isServerFull)
            } else {
                record.outage.failed(error, started: started, now: now, longest: longest, isFull: false)
            }
        }
    }

    /// A server could be had; or its place was reached, which is not in the pool's way then.
    /// - Returns: whether others that wait should try now: of the pool, of the place.
    func succeeded(_ record: PoolRecord, ofPool: Bool, now: UInt64) -> (pool: Bool, place: UInt32?) {
        locked {
            let pool = ofPool && record.outage.succeeded(now)
            guard let place = record.place, place.outage.succeeded(now) else { return (pool, nil) }
            return (pool, place.number)
        }
    }

    /// Why no server can be had now; nil: nothing is known to be in the way.
    func obstacle(_ record: PoolRecord, now: UInt64) -> ErrorFields? {
        locked {
            if record.outage.retryAt(now) != nil { return record.outage.failure }
            guard let outage = record.place?.outage, outage.retryAt(now) != nil else { return nil }
            return outage.failure
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
            if record.outage.passesByItself { record.outage.hasten(now, Self.moment) }
            if let place = record.place, place.outage.isFull { place.outage.hasten(now, Self.moment) }
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
