import Engine
import FixedStorage
import Pooling
import Wire

/// The hubs: backends that read notifications for clients that listen, one for a database.
/// Until there is one, and where there is none to be had, who listens keeps its server.
extension EngineThread {
    /// Between a failure and the next try.
    private static var retryDelay: UInt64 { 1_000_000_000 }

    /// A client that listens keeps its server. True: it is being handed over to the hub.
    mutating func wantHub(_ s: ServerIndex) -> Bool {
        if shared.directory.hub(database: database(s)) != nil {
            return servers[s].handedOver ? false : handOver(listenerOf: s)
        }
        listening.wanting.insert(servers[s].pool)
        openHub(servers[s].pool)
        return false
    }

    private mutating func openHub(_ p: PoolIndex) {
        guard let record = poolDetails[p]?.record else { return }
        switch shared.directory.claimHub(record, now: now) {
        case .opening, .failed: return
        case .ready:
            listening.wanting.remove(p)
            return handOverListeners(record.databaseID)
        case nil: break
        }
        guard let s = servers.insert(Server(pool: p, ledger: nobody, now: now)) else {
            return grant(shared.directory.hubEnded(record, retryAt: now + Self.retryDelay, now: now))
        }
        servers[s].isHub = true
        askRoute(s, record)
    }

    /// A server that was opened for it becomes the hub.
    mutating func startHub(_ s: ServerIndex) {
        guard servers[s].slot != 0 else { return closeServer(s, .evicted) }
        servers[s].state = .hub
        servers[s].since = now
        servers[s].traffic.ownQuery()
        servers[s].ledger.announce(.hub)
        if !sendServer(s, [0, 0, 0, 4]) { closeServer(s, .serverGone) }
    }

    private func hub(_ server: Server) -> Hub? {
        guard let record = poolDetails[server.pool]?.record else { return nil }
        return Hub(
            database: record.databaseID, slot: server.slot, process: UInt32(bitPattern: server.pid))
    }

    /// The hub has answered: it reads.
    mutating func hubReady(_ s: ServerIndex) {
        guard let hub = hub(servers[s]) else { return }
        shared.directory.hubStarted(hub)
        if settings.log_connections { shared.log(.info, "\(describeServer(s)) listens for clients") }
        shared.post(.hubReady(hub))
    }

    mutating func hubIsReady(_ hub: Hub) {
        if listening.answered[hub.slot] == nil { listening.answered[hub.slot] = 0 }
        listening.wanting = listening.wanting.filter { poolDetails[$0]?.record.databaseID != hub.database }
        handOverListeners(hub.database)
    }

    private mutating func handOverListeners(_ database: UInt32) {
        for s in servers.indices where servers[s].state == .active && servers[s].pins & PinReasons.listen != 0
        {
            if self.database(s) == database { _ = handOver(listenerOf: s) }
        }
    }

    /// Lets the agent of a server that is kept for a listening client hand that over to the
    /// hub, by an empty query. Where something is under way it does so by itself at its end.
    private mutating func handOver(listenerOf s: ServerIndex) -> Bool {
        let c = servers[s].client
        guard c != .absent, servers[s].traffic.isReleasable, servers[s].cancels == 0,
            servers[s].bodyLeft == 0, !servers[s].stream.input.hasMemory, servers[s].stream.output.isEmpty,
            clients[c].bodyLeft == 0
        else { return false }
        runTask(s, .handOver, [], state: .setup)
        return true
    }

    /// A hub's connection is closed.
    mutating func hubClosed(_ server: Server) {
        guard let record = poolDetails[server.pool]?.record, let hub = hub(server) else { return }
        grant(shared.directory.hubEnded(record, retryAt: now + Self.retryDelay, now: now))
        if server.state == .hub {
            shared.post(.hubGone(hub))
        }
    }

    /// Whoever listened by it would miss notifications without knowing.
    mutating func hubIsGone(_ hub: Hub) {
        listening.answered[hub.slot] = nil
        for (c, mine) in listening.clients where mine == hub { closeClient(c, .hubGone) }
    }

    /// What is due by time; most of the time nothing.
    mutating func keepHubs() {
        if !listening.wanting.isEmpty { openWantedHubs() }
        if !listening.waiting.isEmpty {
            for c in listening.waiting.clients { hear(c) }
        }
    }

    private mutating func openWantedHubs() {
        for p in listening.wanting {
            if keepsListener(p) { openHub(p) } else { listening.wanting.remove(p) }
        }
    }

    private func keepsListener(_ p: PoolIndex) -> Bool {
        servers.indices.contains {
            servers[$0].state != .gone && servers[$0].pool == p && servers[$0].pins & PinReasons.listen != 0
        }
    }

    mutating func checkHub(_ s: ServerIndex) {
        guard isUnusedHub(s) else {
            servers[s].since = now
            return
        }
        if isDue(servers[s].since, settings.server_idle_timeout) { closeServer(s, .serverIdle) }
    }

    /// Nobody listens by it.
    func isUnusedHub(_ s: ServerIndex) -> Bool {
        servers[s].state == .hub && shared.directory.listeners(database: database(s)) == 0
    }
}
