import Wire

/// What a client's connection waits for, and since when, as far as limits of time go by it. Time is in
/// nanoseconds, from any start; the caller says what time it is.
public enum ClientWait: Equatable, Sendable {
    /// For the client to prove who it is.
    case login(since: UInt64)
    /// For a server that the client may have.
    case server(since: UInt64)
    /// For the client's next request, outside a transaction.
    case request(since: UInt64)
    /// For the client, inside a transaction, or in the middle of what it asks for.
    /// - hasBegun: it is outside a transaction, and has sent no more than a part of a first message.
    case transaction(since: UInt64, hasBegun: Bool)
    /// For the last statement of a client whose stream has ended.
    case lastStatement(since: UInt64)
    /// For the end of the client's cancel request.
    case cancel(since: UInt64)
    /// For the client to take its last bytes.
    case farewell(since: UInt64)

    /// What a link waits for. Returns nil if that is its server.
    /// - Parameters:
    ///   - bodyLeft: bytes that the client has still to send of the message last begun.
    ///   - since: when the server answered last.
    public init?(onLink traffic: Traffic, bodyLeft: Int, since: UInt64) {
        guard traffic.isAnswered || bodyLeft > 0 || traffic.needsSync else { return nil }
        let isOpen = traffic.status != TransactionStatus.idle
        if traffic.isAnswered && !isOpen {
            self = .request(since: since)
        } else {
            let hasBegun = bodyLeft > 0 && traffic.isAtFirstMessage && !isOpen
            self = .transaction(since: since, hasBegun: hasBegun)
        }
    }
}

/// How long a client may stay as it is, in nanoseconds; 0: as long as it likes.
public struct ClientLimits: Sendable {
    /// What a client is closed for.
    public enum Limit: Sendable {
        case login, queryWait, idle, idleSession, transaction, lastStatement, cancel, farewell
    }

    public enum Verdict: Equatable, Sendable {
        case over(Limit)
        /// The first limit is over at this moment, if nothing happens before.
        case later(UInt64)
        case never
    }

    /// client_login_timeout
    public var login: UInt64 = 0
    /// query_wait_timeout
    public var queryWait: UInt64 = 0
    /// client_idle_timeout
    public var idle: UInt64 = 0
    /// idle_session_timeout, the client's own setting.
    public var idleSession: UInt64 = 0
    /// idle_transaction_timeout
    public var transaction: UInt64 = 0
    /// A statement may go on whose client's stream has ended without Terminate: mostly nobody waits for
    /// it any more, and its server is not for ever.
    public var lastStatement: UInt64 = 5_000_000_000
    /// cancel_wait_timeout
    public var cancel: UInt64 = 0
    /// For a peer that takes nothing any more.
    public var farewell: UInt64 = 5_000_000_000

    public init() {}

    /// Which limit is over at this moment, or when the first will be.
    public func verdict(_ wait: ClientWait, now: UInt64) -> Verdict {
        switch wait {
        case .login(let since): return Self.look(.login, login, since, now)
        case .server(let since): return Self.look(.queryWait, queryWait, since, now)
        case .request(let since): return idleVerdict(since, now)
        case .transaction(let since, let hasBegun):
            let verdict = Self.look(.transaction, transaction, since, now)
            // As with PostgreSQL a client is idle until it has sent the rest.
            return hasBegun ? Self.first(verdict, idleVerdict(since, now)) : verdict
        case .lastStatement(let since): return Self.look(.lastStatement, lastStatement, since, now)
        case .cancel(let since): return Self.look(.cancel, cancel, since, now)
        case .farewell(let since): return Self.look(.farewell, farewell, since, now)
        }
    }

    private func idleVerdict(_ since: UInt64, _ now: UInt64) -> Verdict {
        Self.first(
            Self.look(.idle, idle, since, now), Self.look(.idleSession, idleSession, since, now))
    }

    private static func look(_ limit: Limit, _ span: UInt64, _ since: UInt64, _ now: UInt64) -> Verdict {
        if span == 0 { return .never }
        return now &- since >= span ? .over(limit) : .later(since &+ span)
    }

    /// Of two limits the one that counts; if both are over, the first.
    private static func first(_ one: Verdict, _ other: Verdict) -> Verdict {
        switch (one, other) {
        case (.over, _), (_, .never): one
        case (_, .over), (.never, _): other
        case (.later(let one), .later(let other)): .later(min(one, other))
        }
    }
}
