import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// When servers are opened, and which are closed so that other pools can have one.
extension EngineThread {
    /// Opens servers for the clients that wait, as far as the limits allow.
    mutating func openServers(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        if ends.pools.isHeldBack(p, now) { askOtherThreads(p) }
        while true {
            switch ends.pools.nextStep(p, now) {
            case .rest: return
            case .open: openServer(p, record)
            case .giveBack: grant(shared.directory.giveBack(record, held: true, now: now))
            case .tryToOpen:
                if let obstacle = countServer(record) { return waitForServer(p, record, obstacle) }
                openServer(p, record)
            }
        }
    }

    /// Counts one more server of a pool. Returns what is in the way, if anything is.
    private func countServer(_ record: PoolRecord) -> ServerDemand.Obstacle? {
        guard shared.descriptors.mayOpenServer(clients: shared.clients, servers: shared.servers) else {
            return .descriptors
        }
        let longest = Clock.nanoseconds(tuning.server_login_retry)
        return shared.directory.open(record, thread: number, now: now, longest: longest)
    }

    /// No more servers for this pool now: those that others don't use have to do.
    private mutating func waitForServer(
        _ p: PoolIndex, _ record: PoolRecord, _ obstacle: ServerDemand.Obstacle
    ) {
        let plan = ends.pools.hindered(p, by: obstacle, tick: Self.tick, now)
        hasten(plan.pause)
        askOtherThreads(p)
        if !plan.scopes.isEmpty, shared.directory.queue(record, thread: number, plan) {
            shared.post(.makeRoom)
        }
        guard plan.tellsLogins, let failure = shared.directory.obstacle(record, now: now),
            !failure.passesByItself
        else { return }
        refuseWaiting(p, failure, loginsOnly: true)
    }

    /// Begins to open a server that is counted.
    private mutating func openServer(_ p: PoolIndex, _ record: PoolRecord) {
        guard let s = ends.add(Server(pool: p, ledger: ends.nobody, now: now)) else {
            // (the next turn of housekeeping tries again)
            ends.pools.mayOpen(p, at: now + Self.tick)
            return grant(shared.directory.giveBack(record, held: false, now: now))
        }
        ends.pools.opens(p)
        askRoute(s, record)
    }

    /// A server of the pool may be idle on another thread, whatever keeps it from having one more.
    private mutating func askOtherThreads(_ p: PoolIndex) {
        if ends.pools.asksOthers(p, now) { shared.post(.wanted(p, thread: number)) }
    }

    /// Housekeeping is due that soon.
    private func hasten(_ nanoseconds: UInt64) {
        if nanoseconds < Self.tick { csys_timer_hasten(ticker, nanoseconds) }
    }

    // MARK: slots that other pools have

    /// Other pools wait: of servers that are idle some are closed, the longest idle first;
    /// others are looked at when they become free.
    mutating func makeRoom() {
        guard shared.directory.queued.value > 0 else { return }
        // The clients of one may have gone, and no server that another has says so.
        shared.directory.keepQueued { ends.pools.isWaitedFor($0) }
        guard shared.directory.queued.value > 0 else { return }
        hasten(SlotQueue.slice)
        var wanted: [PoolIndex: Bool] = [:]
        var idle: [ServerIndex] = []
        for s in ends.servers.indices where ends.servers[s].state.isLoggedIn {
            let p = ends.servers[s].pool
            guard let record = ends.pools.record(p) else { continue }
            if wanted[p] == nil { wanted[p] = shared.directory.isWanted(record) }
            guard wanted[p] == true else { continue }
            if case .idle = ends.servers[s].state { idle.append(s) } else { ends.servers[s].isWanted(true) }
        }
        for s in idle.sorted(by: { ends.servers[$0].since < ends.servers[$1].since })
        where ends.servers[s].state == .idle && givesWay(s) {
            closeServer(s, .evicted)
        }
    }

    /// Whether a free server is to be closed for another pool.
    mutating func givesWay(_ s: ServerIndex) -> Bool {
        let server = ends.servers[s]
        ends.servers[s].isWanted(false)
        guard shared.directory.queued.value > 0, let record = ends.pools.record(server.pool) else {
            return false
        }
        let answer = shared.directory.giveWay(
            record, age: now &- server.opened, idle: server.state == .idle ? now &- server.since : 0,
            slice: SlotQueue.slice(login: server.opened &- server.connected)
        ) {
            ends.pools.isWaitedFor($0)
        }
        ends.servers[s].isWanted(answer == .later)
        return answer == .now
    }

    /// A pool that waited may open a server: its thread is told.
    func grant(_ waiter: SlotQueue.Waiter?) {
        guard let waiter else { return }
        shared.inboxes[waiter.thread].post(
            .slotGranted(waiter.owner.pool, later: waiter.scopes.contains(.place)))
    }

    /// - Parameter isFresh: the other server's process may take a moment to end.
    mutating func slotGranted(_ p: PoolIndex, isFresh: Bool) {
        guard ends.pools.isKnown(p) else { return }
        ends.pools.grant(p, at: isFresh ? now + Directory.moment : 0)
        if isFresh { hasten(Directory.moment) }
        agenda.post(.openServers(p))
    }

    // MARK: outages

    /// A server could be opened, or was reached at least: pools that wait for that try now.
    mutating func outageEnded(_ record: PoolRecord, ofPool: Bool = true) {
        let over = shared.directory.succeeded(record, ofPool: ofPool, now: now)
        guard over.pool || over.place != nil else { return }
        shared.post(.outageOver(place: over.place, pool: over.pool ? record.index : nil))
    }

    mutating func outageIsOver(place: UInt32?, pool: PoolIndex?) {
        // Pools without a server come first.
        for isFirst in [true, false] {
            for p in ends.pools.indices where ends.pools.isShort(p) && (ends.pools.servers(p) == 0) == isFirst
            {
                guard let record = ends.pools.record(p) else { continue }
                let here = shared.directory.locked { record.place?.number }
                guard p == pool || (place != nil && here == place) else { continue }
                ends.pools.mayOpen(p)
                agenda.post(.openServers(p))
            }
        }
    }
}

extension Server.State {
    /// There is a session at the other end.
    var isLoggedIn: Bool {
        switch self {
        case .idle, .active, .setup, .recovering, .resetting, .settling, .free: true
        case .routing, .connecting, .login, .confirming, .gone: false
        }
    }
}
