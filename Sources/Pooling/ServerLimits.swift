/// What a server does, as far as it may take too long; instants in nanoseconds.
public enum ServerPhase: Sendable {
    /// It connects and logs in.
    case opens(since: UInt64)
    /// It waits for a client of its pool.
    /// - Parameters:
    ///   - isRetired: it is not to serve any more.
    ///   - servers: how many the pool has.
    ///   - needed: how many it keeps, however long they idle.
    case idle(since: UInt64, isRetired: Bool, servers: Int, needed: Int)
    /// It is brought back from a client that has left.
    case recovers(since: UInt64)
    /// Cancel requests are on their way to it.
    case settles(since: UInt64)
    /// It may take as long as it takes.
    case unlimited
}

/// How long servers may take for what they do, in nanoseconds; 0: as long as it takes.
public struct ServerLimits: Sendable {
    private let opening: UInt64
    private let idling: UInt64
    private let cancelling: UInt64
    /// A server whose client has left is not for ever.
    private let recovering: UInt64

    /// In any case so long for a recovery.
    private static let least: UInt64 = 1_000_000_000

    public init(opening: UInt64, idling: UInt64, cancelling: UInt64) {
        self.opening = opening
        self.idling = idling
        self.cancelling = cancelling
        recovering = max(cancelling, Self.least)
    }

    /// What has taken too long.
    public enum Excess: Sendable { case opening, lifetime, idling, recovery, cancel }

    /// Returns nil if a server may go on with what it does at this instant.
    public func excess(_ phase: ServerPhase, _ now: UInt64) -> Excess? {
        func isOver(_ limit: UInt64, since: UInt64) -> Bool { limit > 0 && now &- since >= limit }
        switch phase {
        case .opens(let since):
            return isOver(opening, since: since) ? .opening : nil
        case .idle(let since, let isRetired, let servers, let needed):
            if isRetired { return .lifetime }
            return isOver(idling, since: since) && servers > needed ? .idling : nil
        case .recovers(let since):
            return isOver(recovering, since: since) ? .recovery : nil
        case .settles(let since):
            return isOver(cancelling, since: since) ? .cancel : nil
        case .unlimited:
            return nil
        }
    }
}
