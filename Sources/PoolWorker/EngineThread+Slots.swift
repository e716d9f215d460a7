import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// When servers are opened, and which are closed so that other pools can have one.
extension EngineThread {
    /// Opens servers for the clients that wait, as far as the limits allow.
    mutating func openServers(_ p: PoolIndex) {
        guard let details = poolDetails[p] else { return }
        let longest = Clock.nanoseconds(settings.server_login_retry)
        if pools[p].isShort, now < details.openAfter { askOtherThreads(p) }
        while pools[p].isShort || (pools[p].clients > 0 && pools[p].servers < details.minServers),
            now >= (poolDetails[p]?.openAfter ?? 0)
        {
            if takeGrant(p) {
                openServer(p, details.record)
                continue
            }
            guard shared.descriptors.mayOpenServer(clients: shared.clients, servers: shared.servers) else {
                // No socket for a server of this pool now, unless one of another pool is closed.
                poolDetails[p]?.openAfter = now + Self.tick
                askOtherThreads(p)
                return queueForSlot(p, .process)
            }
            switch shared.directory.open(details.record, thread: number, now: now, longest: longest) {
            case .now: openServer(p, details.record)
            case .later(let moment, let isFull): return waitForRetry(p, moment, isFull: isFull)
            case .limited(let verdict): return limitReached(p, verdict)
            }
        }
        while !pools[p].isShort, takeGrant(p) {
            grant(shared.directory.giveBack(details.record, held: true, now: now))
        }
    }

    /// Begins to open a server that is counted.
    private mutating func openServer(_ p: PoolIndex, _ record: PoolRecord) {
        guard let s = servers.insert(Server(pool: p, ledger: nobody, now: now)) else {
            // (the next turn of housekeeping tries again)
            poolDetails[p]?.openAfter = now + Self.tick
            return grant(shared.directory.giveBack(record, held: false, now: now))
        }
        pools[p].opening += 1
        askRoute(s, record)
    }

    /// Attempts have failed: those that log in hear of it, unless waiting helps.
    private mutating func waitForRetry(_ p: PoolIndex, _ moment: UInt64, isFull: Bool) {
        poolDetails[p]?.openAfter = moment
        askOtherThreads(p)
        if moment > now { hasten(moment - now) }
        guard let record = poolDetails[p]?.record else { return }
        if isFull { queueForSlot(p, .place) }
        guard pools[p].servers == 0, let failure = shared.directory.obstacle(record, now: now),
            !failure.passesByItself
        else { return }
        refuseWaiting(p, failure, loginsOnly: true)
    }

    /// No more servers for this pool now: those that others don't use have to do.
    private mutating func limitReached(_ p: PoolIndex, _ verdict: PoolLimits.Verdict) {
        poolDetails[p]?.openAfter = now + Self.tick
        askOtherThreads(p)
        switch verdict {
        case .open, .poolFull: break
        case .databaseFull: queueForSlot(p, .database)
        case .userFull: queueForSlot(p, .user)
        }
    }

    /// A server of the pool may be idle on another thread, whatever keeps it from having one more. Servers
    /// that become free later look for clients that wait: so the first that waits asks, and those that join
    /// it in the same moment are counted by then.
    private mutating func askOtherThreads(_ p: PoolIndex) {
        guard crowded, let asked = poolDetails[p]?.asked else { return }
        let waiting = pools[p].waiting.count
        guard waiting == 1 || (waiting > 1 && now &- asked >= Self.pauseOfAsking) else { return }
        poolDetails[p]?.asked = now
        shared.post(.wanted(p, thread: number))
    }

    private static var pauseOfAsking: UInt64 { 1_000_000 }

    /// Housekeeping is due that soon.
    private func hasten(_ nanoseconds: UInt64) {
        if nanoseconds < Self.tick { csys_timer_hasten(ticker, nanoseconds) }
    }

    // MARK: slots that other pools have

    /// Housekeeping has come by: a pool that is short each time does not have enough servers.
    mutating func noteShortage(_ p: PoolIndex) {
        guard pools[p].isShort, let details = poolDetails[p] else { return }
        if details.shortUntil != houseKept { poolDetails[p]?.shortSince = now }
        poolDetails[p]?.shortUntil = now
    }

    /// Clients of a pool wait for a server that only another pool can give. One that has
    /// servers asks when it has been short for a while.
    private mutating func queueForSlot(_ p: PoolIndex, _ scope: SlotQueue.Scope) {
        guard pools[p].isShort, let details = poolDetails[p] else { return }
        let record = details.record
        let isUrgent =
            (details.shortUntil == houseKept || details.shortUntil == now)
            && details.shortUntil &- details.shortSince >= SlotQueue.slice
        let openAfter = poolDetails[p]?.openAfter ?? 0
        poolDetails[p]?.openAfter = min(openAfter, now + SlotQueue.slice)
        hasten(SlotQueue.slice)
        if shared.directory.queue(record, thread: number, scope: scope, isUrgent: isUrgent) {
            shared.post(.makeRoom)
        }
    }

    /// Other pools wait: of servers that are idle some are closed, the longest idle first;
    /// others are looked at when they become free.
    mutating func makeRoom() {
        guard shared.directory.queued.value > 0 else { return }
        // The clients of one may have gone, and no server that another has says so.
        shared.directory.keepQueued { isWaitedFor($0) }
        guard shared.directory.queued.value > 0 else { return }
        hasten(SlotQueue.slice)
        var wanted: [PoolIndex: Bool] = [:]
        var idle: [ServerIndex] = []
        for s in servers.indices where servers[s].state.isLoggedIn {
            let p = servers[s].pool
            guard let record = poolDetails[p]?.record else { continue }
            if wanted[p] == nil { wanted[p] = shared.directory.isWanted(record) }
            guard wanted[p] == true else { continue }
            if case .idle = servers[s].state { idle.append(s) } else { servers[s].wanted = true }
        }
        for s in idle.sorted(by: { servers[$0].since < servers[$1].since })
        where servers[s].state == .idle && givesWay(s) {
            closeServer(s, .evicted)
        }
    }

    /// Clients of the pool wait, on whatever thread.
    private func isWaitedFor(_ p: PoolIndex) -> Bool {
        crowded ? waitingCounters.total(p) > 0 : !pools[p].waiting.isEmpty
    }

    /// Whether a free server is to be closed for another pool.
    mutating func givesWay(_ s: ServerIndex) -> Bool {
        let server = servers[s]
        servers[s].wanted = false
        guard shared.directory.queued.value > 0, let record = poolDetails[server.pool]?.record else {
            return false
        }
        // To open one again should cost less than it serves.
        let login = server.opened &- server.connected
        let slice = min(max(SlotQueue.slice, 8 &* login), 10 &* SlotQueue.slice)
        let idle = server.state == .idle ? now &- server.since : 0
        let answer = shared.directory.giveWay(
            record, age: now &- server.opened, idle: idle, slice: slice
        ) {
            isWaitedFor($0)
        }
        servers[s].wanted = answer == .later
        return answer == .now
    }

    /// A pool that waited may open a server: its thread is told.
    func grant(_ waiter: SlotQueue.Waiter?) {
        guard let waiter else { return }
        shared.inboxes[waiter.thread].post(
            .slotGranted(waiter.owner.pool, later: waiter.scope == .place))
    }

    /// - Parameter isFresh: the other server's process may take a moment to end.
    mutating func slotGranted(_ p: PoolIndex, isFresh: Bool) {
        guard poolDetails[p] != nil else { return }
        poolDetails[p]?.granted += 1
        grants += 1
        poolDetails[p]?.openAfter = isFresh ? now + Self.moment : 0
        if isFresh { hasten(Self.moment) }
        agenda.post(.openServers(p))
    }

    /// A server that is counted for the pool is to be opened, or given back.
    private mutating func takeGrant(_ p: PoolIndex) -> Bool {
        guard grants > 0, let granted = poolDetails[p]?.granted, granted > 0 else { return false }
        poolDetails[p]?.granted -= 1
        grants -= 1
        return true
    }

    // MARK: outages

    /// A server could be opened, or was reached at least: whoever waits for that tries now.
    mutating func outageEnded(_ record: PoolRecord, ofPool: Bool = true) {
        let over = shared.directory.succeeded(record, ofPool: ofPool, now: now)
        guard over.pool || over.place != nil else { return }
        shared.post(.outageOver(place: over.place, pool: over.pool ? record.index : nil))
    }

    mutating func outageIsOver(place: UInt32?, pool: PoolIndex?) {
        // Pools without a server come first.
        for isFirst in [true, false] {
            for p in poolIndices where pools[p].isShort && (pools[p].servers == 0) == isFirst {
                guard let record = poolDetails[p]?.record else { continue }
                let here = shared.directory.locked { record.place?.number }
                guard p == pool || (place != nil && here == place) else { continue }
                poolDetails[p]?.openAfter = 0
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
