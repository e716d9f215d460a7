/// When an engine thread opens servers for a pool, and what it does while it can't: one for each thread
/// and pool. The caller counts clients and servers, asks the limits and says what time it is, in
/// nanoseconds from any start.
public struct ServerDemand: Equatable, Sendable {
    /// What the thread counts in the pool.
    public struct Counts: Equatable, Sendable {
        public var clients: Int
        /// Of these, how many wait for a server.
        public var waiting: Int
        /// Servers of any state.
        public var servers: Int
        /// Of these, how many are being opened.
        public var opening: Int

        public init(clients: Int, waiting: Int, servers: Int, opening: Int) {
            self.clients = clients
            self.waiting = waiting
            self.servers = servers
            self.opening = opening
        }

        /// Clients wait for whom no server is being opened.
        public var areShort: Bool { waiting > opening }
    }

    public enum Step: Equatable, Sendable {
        /// Nothing now.
        case rest
        /// One more server is opened, if nothing is in the way.
        case tryToOpen
        /// One more server is opened, which is counted already.
        case open
        /// A server that is counted is not needed any more.
        case giveBack
    }

    /// What is in the way of one more server.
    public enum Obstacle: Equatable, Sendable {
        /// The process has no descriptor left for it.
        case descriptors
        /// Attempts have failed: the next one may be made then. `isFull`: there was no connection free.
        case outage(until: UInt64, isFull: Bool)
        case limits(PoolLimits.Reached)
    }

    /// What to do where no server can be opened now.
    public struct Plan: Equatable, Sendable {
        /// To wait in the `SlotQueue` for what other pools have of this; empty: not to wait there.
        public var scopes: SlotQueue.Scopes = []
        /// Clients have waited for a while: the pool waits there although it has servers.
        public var isUrgent = false
        /// Clients that log in are told why, unless waiting helps.
        public var tellsLogins = false
        /// Housekeeping is to come by in so many nanoseconds at the latest.
        public var pause: UInt64

        public init(pause: UInt64) { self.pause = pause }
    }

    /// Servers there have to be while the pool has clients.
    public private(set) var least = 0
    /// Servers that are counted for it and that it has not begun to open.
    public private(set) var granted = 0
    /// No new server before this instant: a limit is reached or the last one failed.
    private var openAfter: UInt64 = 0
    /// Each time housekeeping came by, from then to then, clients waited.
    private var shortSince: UInt64 = 0
    private var shortUntil: UInt64 = 0
    /// When other threads were asked for idle servers last.
    private var asked: UInt64 = 0

    public init() {}

    /// Between two questions to other threads.
    static let pauseOfAsking: UInt64 = 1_000_000
}

/// What is told to it.
extension ServerDemand {
    /// The pool's settings have come: so many servers there have to be.
    public mutating func settled(least: Int) {
        self.least = least
        openAfter = 0
    }

    /// What was in the way may have gone; or will have at this instant.
    public mutating func mayOpen(at moment: UInt64 = 0) { openAfter = moment }

    /// A server may be opened that is counted already.
    public mutating func grant(at moment: UInt64) {
        granted += 1
        openAfter = moment
    }

    /// Housekeeping comes by: a pool that is short each time does not have enough servers.
    /// - Parameter before: when it came by the last time.
    public mutating func looked(_ counts: Counts, before: UInt64, _ now: UInt64) {
        guard counts.areShort else { return }
        if shortUntil != before { shortSince = now }
        shortUntil = now
    }
}

/// What it says.
extension ServerDemand {
    /// What comes next. To be asked again until it says `rest`, or something is in the way.
    public mutating func next(_ counts: Counts, _ now: UInt64) -> Step {
        if now >= openAfter, wants(counts) {
            guard granted > 0 else { return .tryToOpen }
            granted -= 1
            return .open
        }
        guard granted > 0, !counts.areShort else { return .rest }
        granted -= 1
        return .giveBack
    }

    private func wants(_ counts: Counts) -> Bool {
        counts.areShort || (counts.clients > 0 && counts.servers < least)
    }

    /// Returns whether clients wait and no server may be opened before a later instant.
    public func isHeldBack(_ counts: Counts, _ now: UInt64) -> Bool { counts.areShort && now < openAfter }

    /// Something is in the way of one more server.
    /// - Parameters:
    ///   - looked: when housekeeping came by last.
    ///   - tick: after so many nanoseconds it comes by again.
    public mutating func hindered(
        by obstacle: Obstacle, _ counts: Counts, looked: UInt64, tick: UInt64, _ now: UInt64
    ) -> Plan {
        var plan = Plan(pause: tick)
        openAfter = now &+ tick
        switch obstacle {
        case .descriptors: plan.scopes = .process
        case .limits(let reached): plan.scopes = Self.scopes(reached)
        case .outage(let until, let isFull):
            openAfter = until
            plan.tellsLogins = counts.servers == 0
            if isFull { plan.scopes = .place }
        }
        if !counts.areShort { plan.scopes = [] }
        if !plan.scopes.isEmpty {
            openAfter = min(openAfter, now &+ SlotQueue.slice)
            plan.isUrgent = isUrgent(looked: looked, now)
        }
        plan.pause = openAfter > now ? openAfter &- now : SlotQueue.slice
        return plan
    }

    /// What other pools have that this one could use: nothing where it has all that it may have itself.
    private static func scopes(_ reached: PoolLimits.Reached) -> SlotQueue.Scopes {
        guard !reached.contains(.pool) else { return [] }
        var scopes: SlotQueue.Scopes = []
        if reached.contains(.database) { scopes.insert(.database) }
        if reached.contains(.user) { scopes.insert(.user) }
        return scopes
    }

    /// Whether clients have waited for a while each time housekeeping came by.
    private func isUrgent(looked: UInt64, _ now: UInt64) -> Bool {
        (shortUntil == looked || shortUntil == now) && shortUntil &- shortSince >= SlotQueue.slice
    }

    /// Returns whether other threads should be asked for idle servers. Servers that become free later look
    /// for clients that wait: so the first that waits asks, and those that join it in the same moment are
    /// counted by then.
    public mutating func asksOthers(_ counts: Counts, _ now: UInt64) -> Bool {
        guard counts.waiting == 1 || (counts.waiting > 1 && now &- asked >= Self.pauseOfAsking) else {
            return false
        }
        asked = now
        return true
    }
}
