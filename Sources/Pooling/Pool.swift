import FixedStorage

/// One pool as one engine thread sees it: its idle servers, its waiting clients and its
/// counts. Indices are those of the thread's client and server tables.
///
/// A server is on the idle list, or leased, or being opened; the last two are counted.
/// A waiting client is on the waiting list, in the order of arrival.
@frozen
public struct Pool: BitwiseCopyable, Sendable {
    /// Servers to lease, the most recently used first.
    public var idle = IndexList<ServerKind>()
    /// Clients that need a server, the one that waits longest first.
    public var waiting = IndexList<ClientKind>()
    /// Servers leased, or busy with our own queries.
    public var leased: Int32 = 0
    /// Servers connecting or logging in.
    public var opening: Int32 = 0
    /// Clients of this pool on this thread.
    public var clients: Int32 = 0
    /// The latest change of what its clients' logins take on for a server's life: no server from
    /// before it is idle, or is leased to anyone any more.
    public var facts: UInt64 = 0
    public var mode: PoolMode
    /// Counts releases, so that other threads get their turn.
    var releases: UInt32 = 0

    @inlinable
    public init(mode: PoolMode) { self.mode = mode }

    /// Servers of any state.
    public var servers: Int { idle.count + Int(leased) + Int(opening) }

    /// The idle server that is next, unless somebody waits for it.
    @inlinable
    public var next: ServerIndex { @_noLocks get { waiting.isEmpty ? idle.first : .absent } }

    /// Leases the idle server that is next; there is one.
    @inlinable @_noLocks @inline(__always) @discardableResult
    public mutating func leaseNext(_ servers: inout ServerLinks) -> ServerIndex {
        leased &+= 1
        return idle.popFirst(&servers)
    }

    /// A leased server is free again, and nobody waits.
    @inlinable @_noLocks @inline(__always)
    public mutating func becameIdle(_ server: ServerIndex, _ servers: inout ServerLinks) {
        leased &-= 1
        idle.pushFirst(server, &servers)
    }

    /// The same, to be the last to be leased again.
    @_noLocks
    public mutating func becameIdleLast(_ server: ServerIndex, _ servers: inout ServerLinks) {
        leased &-= 1
        idle.pushLast(server, &servers)
    }

    /// A leased server goes to another thread.
    @_noLocks
    public mutating func handedOver() { leased &-= 1 }

    /// A client needs a server. Returns the server it now has, or `absent`: then it is
    /// on the waiting list. Nobody overtakes: while others wait, it queues.
    @_noLocks
    public mutating func lease(
        _ client: ClientIndex, _ clients: inout ClientLinks, _ servers: inout ServerLinks
    ) -> ServerIndex {
        let server = waiting.isEmpty ? idle.popFirst(&servers) : .absent
        if server == .absent {
            waiting.pushLast(client, &clients)
        } else {
            leased &+= 1
        }
        return server
    }

    /// What becomes of a server that is free again.
    @frozen
    public enum Release: BitwiseCopyable, Sendable {
        /// It is leased to this client, which waited.
        case toClient(ClientIndex)
        /// It is on the idle list.
        case idle
        /// A client on another thread waits: hand it over (it is no longer counted here).
        case toOtherThread
    }

    /// A leased server is free again.
    /// - Parameter foreign: how many clients of the pool wait on other threads.
    @_noLocks
    public mutating func release(
        _ server: ServerIndex, foreign: Int32, _ clients: inout ClientLinks, _ servers: inout ServerLinks
    ) -> Release {
        releases &+= 1
        if foreign > 0 && (waiting.isEmpty || releases & 3 == 0) {
            leased &-= 1
            return .toOtherThread
        }
        let client = waiting.popFirst(&clients)
        if client != .absent { return .toClient(client) }
        becameIdle(server, &servers)
        return .idle
    }

    /// A new server is ready, or one came from another thread: as if it had been leased.
    public mutating func opened() {
        opening -= 1
        leased += 1
    }

    public mutating func adopted() { leased += 1 }

    /// Takes an idle server off the list, to close it or to use it for ourselves.
    @inlinable @_noLocks
    public mutating func takeIdle(_ server: ServerIndex, _ servers: inout ServerLinks) {
        idle.remove(server, &servers)
        leased &+= 1
    }

    /// A waiting client gave up.
    public mutating func abandon(_ client: ClientIndex, _ clients: inout ClientLinks) {
        waiting.remove(client, &clients)
    }

    /// Clients wait for whom no server is being opened.
    public var isShort: Bool { waiting.count > Int(opening) }
}
