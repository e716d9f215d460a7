/// Who a server is counted for, by the numbers of the pool and of what it shares with others.
public struct SlotOwner: Equatable, Sendable {
    public var pool: PoolIndex
    public var database: UInt32
    public var user: UInt32
    /// The server program that its servers are connections to.
    public var place: UInt32

    public init(pool: PoolIndex, database: UInt32, user: UInt32, place: UInt32) {
        self.pool = pool
        self.database = database
        self.user = user
        self.place = place
    }
}

/// Pools whose clients wait for a server that can't be opened, since a limit is reached that
/// they share with other pools: the next one that another pool can do without is closed for
/// them. It is known by the caller how many servers each has.
///
/// A pool gives way as soon as it has two servers more than the one that waits. Where both
/// would have one at most, it keeps its own for a slice of time, as opening one anew costs.
public struct SlotQueue: Sendable {
    /// What is used up: several limits at once where each is in the way.
    public struct Scopes: OptionSet, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let database = Scopes(rawValue: 1)
        public static let user = Scopes(rawValue: 2)
        /// The connections of the server program.
        public static let place = Scopes(rawValue: 4)
        /// The descriptors of the pooler's own process.
        public static let process = Scopes(rawValue: 8)
    }

    public struct Waiter: Equatable, Sendable {
        public let owner: SlotOwner
        /// The thread whose clients wait.
        public let thread: Int
        public fileprivate(set) var scopes: Scopes
        /// A server is being closed for it.
        var promised = false
    }

    public enum Answer: Equatable, Sendable {
        /// Nobody waits for what the server is counted for.
        case unwanted
        /// Somebody does, but has no claim to this server now.
        case later
        /// It is to be closed; `next` says who may open one then.
        case now
    }

    /// In the order of their coming.
    public private(set) var waiters: [Waiter] = []

    public init() {}

    /// For so long a pool keeps its only server, and any that may be needed again.
    public static let slice: UInt64 = 100_000_000

    /// The slice of a server whose login took so long: to open one again should cost less than it serves.
    public static func slice(login: UInt64) -> UInt64 { min(max(slice, 8 &* login), 10 &* slice) }

    /// A pool waits. Returns false if it is known to wait for this.
    public mutating func add(_ owner: SlotOwner, thread: Int, scopes: Scopes) -> Bool {
        if let place = waiters.firstIndex(where: { $0.owner.pool == owner.pool && $0.thread == thread }) {
            guard waiters[place].scopes != scopes else { return false }
            waiters[place].scopes = scopes
            waiters[place].promised = false
            return true
        }
        waiters.append(Waiter(owner: owner, thread: thread, scopes: scopes))
        return true
    }

    /// A pool waits no longer.
    public mutating func remove(pool: PoolIndex, thread: Int) {
        waiters.removeAll { $0.owner.pool == pool && $0.thread == thread }
    }

    /// A pool is no more.
    public mutating func remove(pool: PoolIndex) { waiters.removeAll { $0.owner.pool == pool } }

    /// Drops pools for which this is false.
    public mutating func keep(_ waits: (PoolIndex) -> Bool) { waiters.removeAll { !waits($0.owner.pool) } }

    private func matches(_ waiter: Waiter, _ owner: SlotOwner) -> Bool {
        guard waiter.owner.pool != owner.pool else { return false }
        let scopes = waiter.scopes
        return scopes.contains(.process)
            || (scopes.contains(.database) && waiter.owner.database == owner.database)
            || (scopes.contains(.user) && waiter.owner.user == owner.user)
            || (scopes.contains(.place) && waiter.owner.place == owner.place)
    }

    /// Whether somebody waits for a server that is counted for this pool.
    public func wants(_ owner: SlotOwner) -> Bool { waiters.contains { matches($0, owner) } }

    /// Is a free server to be closed for a pool that waits?
    /// - Parameters:
    ///   - owner: the pool it is one of.
    ///   - age: how long it has been open, in nanoseconds.
    ///   - idle: how long nobody has needed it; 0: somebody does.
    ///   - slice: how long it may be kept.
    ///   - servers: how many servers a pool has, without this one.
    ///   - helps: whether it is in a pool's way: without this one the limits allow for one more of that, or
    ///     one limit fewer is in the way, or one that this one counts for is exceeded still.
    public mutating func giveWay(
        _ owner: SlotOwner, age: UInt64, idle: UInt64, slice: UInt64 = Self.slice,
        servers: (PoolIndex) -> Int, helps: (PoolIndex) -> Bool
    ) -> Answer {
        var answer = Answer.unwanted
        var best: (place: Int, servers: Int)?
        let own = servers(owner.pool) + 1
        for place in waiters.indices where !waiters[place].promised && matches(waiters[place], owner) {
            let has = servers(waiters[place].owner.pool)
            answer = .later
            if has < best?.servers ?? Int.max,
                Self.yields(own, to: has, age: age, idle: idle, slice: slice),
                helps(waiters[place].owner.pool)
            {
                best = (place, has)
            }
        }
        guard let best else { return answer }
        waiters[best.place].promised = true
        return .now
    }

    private static func yields(
        _ own: Int, to other: Int, age: UInt64, idle: UInt64, slice: UInt64
    ) -> Bool {
        own > other + 1 || idle >= slice || (other == 0 && age >= slice)
    }

    /// A server is not counted any more: takes off the waiter that may open one instead.
    /// - Parameters:
    ///   - owner: the pool it was counted for; it has one less now.
    ///   - held: there was a connection.
    ///   - mayOpen: whether the limits of a pool allow for one more server now.
    public mutating func next(
        after owner: SlotOwner, held: Bool, servers: (PoolIndex) -> Int, mayOpen: (PoolIndex) -> Bool
    ) -> Waiter? {
        var best: (place: Int, servers: Int)?
        for place in waiters.indices where matches(waiters[place], owner) {
            if waiters[place].scopes.contains(.place) && !held { continue }
            // A pool to which one was promised goes first.
            let has = waiters[place].promised ? -1 : servers(waiters[place].owner.pool)
            guard mayOpen(waiters[place].owner.pool) else {
                // The limit is exceeded still: one more has to be closed.
                waiters[place].promised = false
                continue
            }
            if has < best?.servers ?? Int.max { best = (place, has) }
        }
        guard let best else { return nil }
        return waiters.remove(at: best.place)
    }
}
