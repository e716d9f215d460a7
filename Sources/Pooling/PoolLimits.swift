/// How many servers may be opened; 0 means no limit.
public struct PoolLimits: Equatable, Sendable {
    public var pool: Int
    public var database: Int
    public var user: Int

    public init(pool: Int, database: Int, user: Int) {
        self.pool = pool
        self.database = database
        self.user = user
    }

    /// Limits that allow for no more servers.
    public struct Reached: OptionSet, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The pool has all the servers it may have.
        public static let pool = Reached(rawValue: 1)
        /// All pools of the database together have.
        public static let database = Reached(rawValue: 2)
        /// All pools of the user together have.
        public static let user = Reached(rawValue: 4)
    }

    /// Returns the limits that are in the way of one more server beside those already open, or being
    /// opened.
    public func reached(poolServers: Int, databaseServers: Int, userServers: Int) -> Reached {
        var reached: Reached = []
        if pool > 0 && poolServers >= pool { reached.insert(.pool) }
        if database > 0 && databaseServers >= database { reached.insert(.database) }
        if user > 0 && userServers >= user { reached.insert(.user) }
        return reached
    }
}
