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

    public enum Verdict: Equatable, Sendable {
        case open
        /// The pool has all the servers it may have.
        case poolFull
        /// All pools of the database, or of the user, together have.
        case databaseFull
        case userFull
    }

    /// May one more server be opened beside those already open (or being opened)?
    public func mayOpen(poolServers: Int, databaseServers: Int, userServers: Int) -> Verdict {
        if pool > 0 && poolServers >= pool { return .poolFull }
        if database > 0 && databaseServers >= database { return .databaseFull }
        if user > 0 && userServers >= user { return .userFull }
        return .open
    }
}
