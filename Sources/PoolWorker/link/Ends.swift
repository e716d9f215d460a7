import Engine
@_spi(TableOwner) import FixedStorage
import Pooling

/// The two ends of an engine thread's links, clients and servers, and its part of the pools: what the
/// common transaction needs, and nothing else.
struct Ends: ~Copyable {
    var clients: Table<Client, ClientKind>
    var servers: Table<Server, ServerKind>
    var pools: ThreadPools
    let ledger: LedgerClients
    /// Stands in for the ledger's entry of a server without an agent.
    let nobody = LedgerServer.ofNobody()
    /// Where bytes are received that need not be kept.
    let scratch = Scratch()
    /// The instant of the turn.
    private(set) var now = Clock.now()

    /// - Parameters:
    ///   - entries: how many clients, and how many servers, there may be.
    ///   - reserve: as for `Table`.
    init(
        pools: consuming ThreadPools, ledger: LedgerClients, entries: Int,
        reserve: (Int) -> UnsafeMutableRawPointer
    ) {
        unsafe clients = Table(capacity: entries, reserve: reserve)
        unsafe servers = Table(capacity: entries, reserve: reserve)
        self.pools = pools
        self.ledger = ledger
    }

    /// A turn of the loop begins at this instant.
    @_noLocks @inline(__always)
    mutating func turnBegins(_ now: UInt64) { self.now = now }

    // MARK: entries

    /// Returns nil if there are too many clients.
    mutating func add(_ client: Client) -> ClientIndex? { clients.insert(client) }

    /// Returns nil if there are too many servers.
    mutating func add(_ server: Server) -> ServerIndex? { servers.insert(server) }

    /// A client is gone: its socket is closed, and its entry is free.
    mutating func removeClient(_ c: ClientIndex, _ poller: borrowing Poller) {
        clients[c].gone(poller)
        clients.remove(c)
    }

    /// A server is gone, or what it was is something else's now: its entry is free.
    mutating func removeServer(_ s: ServerIndex) {
        servers[s].gone()
        servers.remove(s)
    }

    // MARK: links

    /// Client and server belong together from now on.
    @_noLocks
    mutating func link(_ c: ClientIndex, _ s: ServerIndex) {
        ledger.note(server: servers[s].slot, of: clients[c].ledger)
        Relay.link(&clients[c], c, &servers[s], s, now)
    }

    @_noLocks
    mutating func unlink(_ c: ClientIndex, _ s: ServerIndex) { Relay.unlink(&clients[c], &servers[s], now) }

    /// A server that is closed counts in its pool no more.
    mutating func uncount(_ s: ServerIndex) {
        let (p, isForHub) = (servers[s].pool, servers[s].isForHub)
        switch servers[s].state {
        case .routing, .connecting, .login, .confirming:
            if !isForHub { pools.openingEnded(p) }
        case .idle:
            pools.takeIdle(s, p)
            pools.leasedEnded(p)
        case .active, .setup, .recovering, .resetting, .settling, .free:
            pools.leasedEnded(p)
        case .gone:
            break
        }
    }

    @_noLocks
    func serverToken(_ s: ServerIndex) -> PollToken {
        PollToken(.server, index: s.number, generation: servers.generation(s))
    }

    /// Moves what a linked client sends.
    @_noLocks @inline(never)
    mutating func pumpClient(_ c: ClientIndex) -> PumpStop {
        let s = clients[c].server
        let pooled = pools.mode(clients[c].pool) != .session
        return Relay.allToServer(&clients[c], &servers[s], scratch, pooled: pooled)
    }

    /// Moves what a linked server sends.
    @_noLocks @inline(never)
    mutating func pumpServer(_ s: ServerIndex) -> PumpStop {
        Relay.allToClient(&servers[s], &clients[servers[s].client], scratch, pools.mode(servers[s].pool))
    }
}
