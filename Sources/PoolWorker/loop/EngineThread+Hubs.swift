import Engine
import FixedStorage
import Pooling
import Wire

/// The hubs: backends that read notifications for clients that listen, one for a database.
/// Until there is one, and where there can be none, a client that listens keeps its server.
extension EngineThread {
    /// Between a failure and the next try.
    private static var retryDelay: UInt64 { 1_000_000_000 }

    /// A client that listens keeps its server. True: it is being handed over to the hub.
    mutating func wantHub(_ s: ServerIndex) -> Bool {
        if shared.directory.hub(database: database(s)) != nil {
            return ends.servers[s].clientIsHandedOver ? false : handOver(listenerOf: s)
        }
        listening.wantsHub(ends.servers[s].pool)
        openHub(ends.servers[s].pool)
        return false
    }

    private mutating func openHub(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        switch shared.directory.claimHub(record, now: now) {
        case .opening, .failed: return
        case .ready:
            listening.hasNoNeed(p)
            return handOverListeners(record.databaseID)
        case nil: break
        }
        guard let s = ends.add(Server(pool: p, ledger: ends.nobody, now: now, isForHub: true))
        else {
            return hubEnded(p)
        }
        askRoute(s, record)
    }

    /// A server that was opened for it becomes the hub: it leaves the pools' servers.
    mutating func startHub(_ s: ServerIndex) {
        let server = ends.servers[s]
        let id = HubID(
            database: database(s), slot: server.slot, process: UInt32(bitPattern: server.pid))
        guard server.hasAgent,
            let h = hubs.add(server.stream, id: id, pool: server.pool, now: now, poller)
        else { return closeServer(s, .evicted) }
        forgetServer(s)
        server.ledger.announce(.hub)
        if !hubs.begin(h, poller) { closeHub(h, .serverGone) }
    }

    mutating func hubEvent(_ event: PollEvent) {
        let h = HubIndex(event.token.index)
        var next = hubs.take(event, poller)
        while let what = next {
            guard hubSaid(h, what) else { return }
            next = hubs.next(h)
        }
    }

    /// Does what an event of a hub asks for. Returns false if that has ended.
    private mutating func hubSaid(_ h: HubIndex, _ event: Hubs.Event) -> Bool {
        switch event {
        case .notification(let processID, let reference, let frame): deliver(frame, to: processID, reference)
        case .hasRead(let request): hubHasReadForAll(hubs[h].id.slot, request)
        case .isReady: hubReady(h)
        case .lastWords(let fields):
            shared.log(.info, "\(describe(h)) \(fields.severity.rawValue): \(fields.message)")
        case .gone:
            closeHub(h, .serverGone)
            return false
        case .malformed:
            closeHub(h, .serverMalformed)
            return false
        }
        return true
    }

    private mutating func hubHasReadForAll(_ slot: UInt32, _ request: UInt32) {
        hubHasRead(slot, request)
        for other in 0..<shared.threads where other != number {
            shared.inboxes[other].post(.hubRead(slot: slot, request: request))
        }
    }

    private func hubReady(_ h: HubIndex) {
        shared.directory.hubStarted(hubs[h].id)
        if tuning.log_connections { shared.log(.info, "\(describe(h)) listens for clients") }
        shared.post(.hubReady(hubs[h].id))
    }

    mutating func hubIsReady(_ hub: HubID) {
        listening.hubIsReady(hub, ends.pools)
        handOverListeners(hub.database)
    }

    private mutating func handOverListeners(_ database: UInt32) {
        for s in ends.servers.indices
        where ends.servers[s].state == .active && ends.servers[s].pins & PinReasons.listen != 0 {
            if self.database(s) == database { _ = handOver(listenerOf: s) }
        }
    }

    /// Lets the agent of a server that is kept for a listening client hand that over to the
    /// hub, by an empty query. Where something is under way it does so by itself at its end.
    private mutating func handOver(listenerOf s: ServerIndex) -> Bool {
        let c = ends.servers[s].client
        guard c != .absent, ends.servers[s].traffic.isReleasable, ends.servers[s].cancels == 0,
            ends.servers[s].bodyLeft == 0, !ends.servers[s].stream.input.hasMemory,
            ends.servers[s].stream.output.isEmpty,
            ends.clients[c].bodyLeft == 0
        else { return false }
        runTask(s, .handOver, [])
        return true
    }

    mutating func closeHub(_ h: HubIndex, _ reason: CloseReason) {
        let isWarning: Bool =
            switch reason {
            case .serverGone, .serverMalformed: true
            default: false
            }
        if isWarning || tuning.log_disconnections {
            shared.log(isWarning ? .warning : .info, "\(describe(h)) closing because: \(reason.text)")
        }
        let hub = hubs.close(h, poller)
        shared.ledger.giveBack(server: hub.id.slot)
        shared.countServer(-1)
        hubEnded(hub.pool)
        shared.post(.hubGone(hub.id))
    }

    /// A hub is gone, or there could be none.
    mutating func hubEnded(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        grant(shared.directory.hubEnded(record, retryAt: now + Self.retryDelay, now: now))
    }

    private func describe(_ h: HubIndex) -> String {
        guard let record = ends.pools.record(hubs[h].pool) else { return "H-\(number).\(h):" }
        return "H-\(number).\(h): \(record.database)/\(record.user) pid \(hubs[h].id.process)"
    }

    mutating func hubIsGone(_ hub: HubID) {
        for c in listening.hubIsGone(hub, ends) { closeClient(c, .hubGone) }
    }

    /// What is due by time; most of the time nothing.
    mutating func keepHubs() {
        guard listening.needsLook else { return }
        for p in listening.wantingPools {
            if keepsListener(p) { openHub(p) } else { listening.hasNoNeed(p) }
        }
        for c in listening.waitingClients { sendWaiting(c) }
    }

    private func keepsListener(_ p: PoolIndex) -> Bool {
        ends.servers.indices.contains {
            ends.servers[$0].state != .gone && ends.servers[$0].pool == p
                && ends.servers[$0].pins & PinReasons.listen != 0
        }
    }

    mutating func closeUnusedHubs() {
        guard !hubs.isEmpty else { return }
        let limit = Clock.nanoseconds(tuning.server_idle_timeout)
        for h in hubs.unused(for: limit, now, shared.directory) { closeHub(h, .serverIdle) }
    }
}
