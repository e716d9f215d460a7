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
            return ends.servers[s].handedOver ? false : handOver(listenerOf: s)
        }
        listening.wanting.insert(ends.servers[s].pool)
        openHub(ends.servers[s].pool)
        return false
    }

    private mutating func openHub(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        switch shared.directory.claimHub(record, now: now) {
        case .opening, .failed: return
        case .ready:
            listening.wanting.remove(p)
            return handOverListeners(record.databaseID)
        case nil: break
        }
        guard let s = ends.servers.insert(Server(pool: p, ledger: ends.nobody, now: now, isForHub: true))
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
        guard server.hasAgent, let h = hubs.insert(Hub(server.stream, id: id, pool: server.pool, now: now))
        else { return closeServer(s, .evicted) }
        serverLogins.forget(s)
        parameterSets.release(server.parameters)
        ends.servers[s].gone()
        ends.servers.remove(s)
        hubs[h].stream.renew(poller, hubToken(h))
        server.ledger.announce(.hub)
        sendHub(h, [0, 0, 0, 4])
    }

    private func hubToken(_ h: HubIndex) -> PollToken {
        PollToken(.hub, index: h.number, generation: hubs.generation(h))
    }

    private mutating func sendHub(_ h: HubIndex, _ bytes: [UInt8]) {
        switch hubs[h].stream.send(bytes) {
        case .all: break
        case .waits: hubs[h].stream.watchOutput(true, poller, hubToken(h))
        case .failed: closeHub(h, .serverGone)
        }
    }

    mutating func hubEvent(_ h: HubIndex, _ event: PollEvent) {
        guard event.token.matches(hubs.generation(h)) else { return }
        if event.isWritable {
            if hubs[h].stream.output.isEmpty {
                hubs[h].stream.watchOutput(false, poller, hubToken(h))
            } else {
                sendHub(h, [])
            }
        }
        guard event.isReadable, event.token.matches(hubs.generation(h)) else { return }
        hubs[h].stream.signs.readable = true
        if event.isHungUp { hubs[h].stream.signs.hungUp = true }
        readHub(h)
    }

    private mutating func readHub(_ h: HubIndex) {
        let generation = hubs.generation(h)
        while hubs.generation(h) == generation {
            switch hubs[h].takeFrame() {
            case .needMore:
                let n = hubs[h].stream.receive()
                if n == Stream.wouldBlock { return }
                if n <= 0 { return closeHub(h, .serverGone) }
            case .skipped: break
            case .malformed: closeHub(h, .serverMalformed)
            case .frame(let tag, let body): hubFrame(h, tag, body)
            }
        }
    }

    private mutating func hubFrame(_ h: HubIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) {
        switch tag {
        case BackendTag.agent: hubSaid(h, body)
        case BackendTag.readyForQuery: if !hubs[h].isReading { hubReady(h) }
        default:
            // It says goodbye: the end of the stream follows.
            let fields = ErrorFields(body: body)
            shared.log(.info, "\(describe(h)) \(fields.severity.rawValue): \(fields.message)")
        }
    }

    /// The hub has answered: it reads.
    private mutating func hubReady(_ h: HubIndex) {
        hubs[h].reads()
        shared.directory.hubStarted(hubs[h].id)
        if settings.log_connections { shared.log(.info, "\(describe(h)) listens for clients") }
        shared.post(.hubReady(hubs[h].id))
    }

    mutating func hubIsReady(_ hub: HubID) {
        if listening.answered[hub.slot] == nil { listening.answered[hub.slot] = 0 }
        listening.wanting = listening.wanting.filter { ends.pools.record($0)?.databaseID != hub.database }
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
        let hub = hubs[h]
        let isWarning: Bool =
            switch reason {
            case .serverGone, .serverMalformed: true
            default: false
            }
        if isWarning || settings.log_disconnections {
            shared.log(isWarning ? .warning : .info, "\(describe(h)) closing because: \(reason.text)")
        }
        shared.ledger.giveBack(server: hub.id.slot)
        hubs[h].stream.close(poller)
        hubs.remove(h)
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

    /// Clients that listened by it would miss notifications without knowing.
    mutating func hubIsGone(_ hub: HubID) {
        listening.answered[hub.slot] = nil
        for (c, mine) in listening.clients where mine == hub { closeClient(c, .hubGone) }
        // One that has said UNLISTEN may wait for its last notifications.
        for (s, due) in listening.requests where due.hub == hub {
            listening.requests[s] = nil
            if ends.servers[s].client != .absent { closeClient(ends.servers[s].client, .hubGone) }
        }
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
        ends.servers.indices.contains {
            ends.servers[$0].state != .gone && ends.servers[$0].pool == p
                && ends.servers[$0].pins & PinReasons.listen != 0
        }
    }

    mutating func checkHub(_ h: HubIndex) {
        if isUsed(h) {
            hubs[h].isOfUse(now)
        } else if isDue(hubs[h].since, settings.server_idle_timeout) {
            closeHub(h, .serverIdle)
        }
    }

    /// Clients listen by it.
    func isUsed(_ h: HubIndex) -> Bool { shared.directory.listeners(database: hubs[h].id.database) > 0 }
}
