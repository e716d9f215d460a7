import CWorker
import Engine
@_spi(TableOwner) import FixedStorage
import Pooling

/// An engine thread's part of all pools: which servers are idle, which clients wait, how many of each
/// there are, and when a pool may open a server. It knows clients and servers by their indices alone.
///
/// A waiting client is told to the other threads by the counters that they share (`WaitingCounters`).
struct ThreadPools: ~Copyable {
    private var pools: Table<Pool, PoolKind>
    private var details: [PoolIndex: Details] = [:]
    /// One more than the highest number of a pool this thread has met.
    private var end: UInt32 = 0
    private var clientLinks: ClientLinks
    private var serverLinks: ServerLinks
    private let counters: WaitingCounters
    private let thread: Int
    /// Several threads share each pool.
    let areShared: Bool
    /// Some pool has a min_pool_size.
    private var keepServers = false
    /// Servers that pools may open and have not begun to.
    private var grants = 0
    /// When housekeeping was done last.
    private var houseKept: UInt64 = 0

    /// What of a pool only slow paths need.
    private struct Details {
        let record: PoolRecord
        var serverLifetime: UInt64 = 0
        var demand = ServerDemand()
        /// How many servers went to other threads.
        var handOvers = 0
    }

    /// - Parameters:
    ///   - entries: how many clients, and how many servers, the thread may have.
    ///   - reserve: as for `Table`.
    init(
        thread: Int, threads: Int, counters: WaitingCounters, entries: Int,
        reserve: (Int) -> UnsafeMutableRawPointer
    ) {
        self.thread = thread
        self.counters = counters
        areShared = threads > 1
        unsafe pools = Table(capacity: Directory.capacity, reserve: reserve)
        unsafe clientLinks = Links(capacity: entries, reserve: reserve)
        unsafe serverLinks = Links(capacity: entries, reserve: reserve)
    }
}

/// Which pools there are.
extension ThreadPools {
    /// All pools that this thread has met, and some more.
    var indices: Range<PoolIndex> { PoolIndex(0)..<PoolIndex(end) }

    var known: [PoolIndex] { Array(details.keys) }

    func isKnown(_ p: PoolIndex) -> Bool { details[p] != nil }

    /// Returns nil if this thread does not know the pool.
    func record(_ p: PoolIndex) -> PoolRecord? { details[p]?.record }

    func ofDatabase(_ database: UInt32) -> [PoolIndex] {
        details.filter { $0.value.record.databaseID == database }.map(\.key)
    }

    /// A pool with the settings of the latest login.
    /// - Returns: whether this thread has not known the pool before, and whether its mode is another now.
    mutating func meet(_ record: PoolRecord, _ settings: CarpoolPoolSettings) -> (
        isNew: Bool, hasChanged: Bool
    ) {
        let mode = PoolMode(rawValue: settings.pool_mode) ?? .session
        let p = record.index
        let isNew = details[p]?.record !== record
        if isNew {
            pools[p] = Pool(mode: mode)
            details[p] = Details(record: record)
        }
        let hasChanged = pools[p].mode != mode
        pools[p].mode = mode
        end = max(end, p.number + 1)
        keepServers = keepServers || settings.min_pool_size > 0
        details[p]?.serverLifetime = Clock.nanoseconds(settings.server_lifetime)
        details[p]?.demand.settled(least: Int(settings.min_pool_size))
        return (isNew, hasChanged)
    }

    /// Lets go of pools that were freed. Under the directory's lock for `isFreed`.
    /// - Returns: these.
    mutating func forgetFreed(_ directory: Directory) -> [PoolIndex] {
        let freed = directory.locked { details.filter { $0.value.record.isFreed }.map(\.key) }
        for p in freed { details[p] = nil }
        end = details.keys.max().map { $0.number + 1 } ?? 0
        keepServers = details.values.contains { $0.demand.least > 0 }
        return freed
    }

    func serverLifetime(_ p: PoolIndex) -> UInt64 { details[p]?.serverLifetime ?? 0 }

    @_noLocks @inline(__always)
    func mode(_ p: PoolIndex) -> PoolMode { pools[p].mode }

    /// As `Pool.facts`.
    func facts(_ p: PoolIndex) -> UInt64 { pools[p].facts }

    /// The facts of a client's login in the pool have changed at this moment.
    /// - Returns: false: that is known, or the pool is not.
    mutating func raiseFacts(_ p: PoolIndex, _ moment: UInt64) -> Bool {
        guard details[p] != nil, moment > pools[p].facts else { return false }
        pools[p].facts = moment
        return true
    }
}

/// Idle servers and waiting clients.
extension ThreadPools {
    /// The idle server that is next, unless somebody waits for it.
    @_noLocks @inline(__always)
    func next(_ p: PoolIndex) -> ServerIndex { pools[p].next }

    /// Leases the idle server that is next; there is one.
    @_noLocks @inline(__always) @discardableResult
    mutating func leaseNext(_ p: PoolIndex) -> ServerIndex { pools[p].leaseNext(&serverLinks) }

    /// A leased server goes to the idle list, if no client waits for one, on whatever thread.
    /// - Returns: false: nothing was done.
    @_noLocks @inline(__always)
    mutating func mayRest(_ s: ServerIndex, _ p: PoolIndex) -> Bool {
        let pool = pools.entry(p)
        guard pool.value.waiting.isEmpty else { return false }
        if areShared && counters.total(p) > 0 { return false }
        pool.value.becameIdle(s, &serverLinks)
        return true
    }

    /// A client needs a server. Returns the server it now has, or `absent`: then it is on the waiting list.
    @_noLocks
    mutating func lease(_ c: ClientIndex, _ p: PoolIndex) -> ServerIndex {
        let s = pools[p].lease(c, &clientLinks, &serverLinks)
        if s == .absent { countWaiting(p, 1) }
        return s
    }

    /// The same, with any server but this.
    @_noLocks
    mutating func lease(_ c: ClientIndex, _ p: PoolIndex, but last: ServerIndex) -> ServerIndex {
        var s = pools[p].idle.first
        if s != .absent && s == last { s = serverLinks[s].next }
        if s == .absent {
            pools[p].waiting.pushLast(c, &clientLinks)
            countWaiting(p, 1)
        } else {
            pools[p].takeIdle(s, &serverLinks)
        }
        return s
    }

    /// Takes an idle server off the list; it is leased.
    @_noLocks
    mutating func takeIdle(_ s: ServerIndex, _ p: PoolIndex) { pools[p].takeIdle(s, &serverLinks) }

    /// A waiting client goes off the list.
    mutating func abandon(_ c: ClientIndex, _ p: PoolIndex) {
        pools[p].abandon(c, &clientLinks)
        countWaiting(p, -1)
    }

    @_noLocks
    private mutating func countWaiting(_ p: PoolIndex, _ delta: Int32) {
        if areShared { counters.add(p, thread: thread, delta) }
    }

    /// A leased server is free again. A client that gets it is off the waiting list.
    /// - Parameter stays: no other thread is to get it.
    mutating func release(_ s: ServerIndex, _ p: PoolIndex, stays: Bool = false) -> Pool.Release {
        let release = pools[p].release(
            s, foreign: stays ? 0 : waitingElsewhere(p), &clientLinks, &serverLinks)
        if case .toClient = release { countWaiting(p, -1) }
        return release
    }

    /// A leased server becomes idle, to be the last to be leased again.
    mutating func restsLast(_ s: ServerIndex, _ p: PoolIndex) { pools[p].becameIdleLast(s, &serverLinks) }

    /// A leased server is to go to another thread.
    mutating func handedOver(_ p: PoolIndex) { pools[p].handedOver() }

    /// A server came from another thread, or stays after all: it is leased.
    mutating func adopted(_ p: PoolIndex) { pools[p].adopted() }

    @_noLocks
    func hasWaiting(_ p: PoolIndex) -> Bool { !pools[p].waiting.isEmpty }
    func waiting(_ p: PoolIndex) -> Int { pools[p].waiting.count }
    func firstWaiting(_ p: PoolIndex) -> ClientIndex { pools[p].waiting.first }
    /// The one that waits behind a client; `absent`: nobody does.
    func waiting(behind c: ClientIndex) -> ClientIndex { clientLinks[c].next }

    @_noLocks
    func idle(_ p: PoolIndex) -> Int { pools[p].idle.count }
    @_noLocks
    func firstIdle(_ p: PoolIndex) -> ServerIndex { pools[p].idle.first }
    /// The one that is idle behind a server; `absent`: none is.
    @_noLocks
    func idle(behind s: ServerIndex) -> ServerIndex { serverLinks[s].next }

    /// Clients that wait on other threads.
    func waitingElsewhere(_ p: PoolIndex) -> Int32 {
        areShared ? counters.total(p) - Int32(pools[p].waiting.count) : 0
    }

    /// Returns whether clients wait, on whatever thread.
    func isWaitedFor(_ p: PoolIndex) -> Bool { areShared ? counters.total(p) > 0 : !pools[p].waiting.isEmpty }

    /// The other thread that is to have a server now; nil if none of another thread waits.
    mutating func takeThreadInTurn(_ p: PoolIndex) -> Int? {
        guard let turn = details[p]?.handOvers else { return nil }
        details[p]?.handOvers &+= 1
        return counters.thread(inTurn: turn, p, but: thread)
    }
}

/// Counts of clients and servers.
extension ThreadPools {
    func clients(_ p: PoolIndex) -> Int { Int(pools[p].clients) }
    mutating func clientEntered(_ p: PoolIndex) { pools[p].clients += 1 }
    mutating func clientLeft(_ p: PoolIndex) { pools[p].clients -= 1 }

    /// Servers of any state.
    func servers(_ p: PoolIndex) -> Int { pools[p].servers }
    func opening(_ p: PoolIndex) -> Int { Int(pools[p].opening) }
    /// Clients wait for whom no server is being opened.
    func isShort(_ p: PoolIndex) -> Bool { pools[p].isShort }

    /// A server is being opened.
    mutating func opens(_ p: PoolIndex) { pools[p].opening += 1 }
    /// It is there, and leased.
    mutating func opened(_ p: PoolIndex) { pools[p].opened() }
    /// It could not be opened.
    mutating func openingEnded(_ p: PoolIndex) { pools[p].opening -= 1 }
    /// A leased server is gone.
    mutating func leasedEnded(_ p: PoolIndex) { pools[p].leased -= 1 }

    /// What the thread counts in a pool.
    func counts(_ p: PoolIndex) -> Pool { pools[p] }
}

/// When servers may be opened; see `ServerDemand`.
extension ThreadPools {
    /// Returns whether housekeeping should look at a pool.
    func needsLook(_ p: PoolIndex) -> Bool { !pools[p].waiting.isEmpty || keepServers || grants > 0 }

    /// Servers that may not be closed for being idle.
    func neededServers(_ p: PoolIndex) -> Int { pools[p].clients > 0 ? (details[p]?.demand.least ?? 0) : 0 }

    /// What was in the way of a new server may have gone; or will have at this instant.
    mutating func mayOpen(_ p: PoolIndex, at moment: UInt64 = 0) { details[p]?.demand.mayOpen(at: moment) }

    /// The pool may open a server that is counted already, at this instant.
    mutating func grant(_ p: PoolIndex, at moment: UInt64) {
        details[p]?.demand.grant(at: moment)
        grants += 1
    }

    mutating func nextStep(_ p: PoolIndex, _ now: UInt64) -> ServerDemand.Step {
        let counts = demandCounts(p)
        let step = details[p]?.demand.next(counts, now) ?? .rest
        if step == .open || step == .giveBack { grants -= 1 }
        return step
    }

    mutating func hindered(
        _ p: PoolIndex, by obstacle: ServerDemand.Obstacle, tick: UInt64, _ now: UInt64
    ) -> ServerDemand.Plan {
        let counts = demandCounts(p)
        return details[p]?.demand.hindered(by: obstacle, counts, looked: houseKept, tick: tick, now)
            ?? ServerDemand.Plan(pause: tick)
    }

    func isHeldBack(_ p: PoolIndex, _ now: UInt64) -> Bool {
        details[p]?.demand.isHeldBack(demandCounts(p), now) ?? false
    }

    /// Returns whether other threads should be asked for idle servers.
    mutating func asksOthers(_ p: PoolIndex, _ now: UInt64) -> Bool {
        let counts = demandCounts(p)
        return areShared && details[p]?.demand.asksOthers(counts, now) == true
    }

    /// Housekeeping comes by.
    mutating func noteShortage(_ p: PoolIndex, _ now: UInt64) {
        let counts = demandCounts(p)
        details[p]?.demand.looked(counts, before: houseKept, now)
    }

    mutating func houseKept(_ now: UInt64) { houseKept = now }

    private func demandCounts(_ p: PoolIndex) -> ServerDemand.Counts {
        ServerDemand.Counts(
            clients: clients(p), waiting: waiting(p), servers: servers(p), opening: opening(p))
    }
}
