import Auth
import CSys
import CWorker
import FixedStorage
import Pooling
import Wire

/// All pools, and how many servers each, each database and each user has: what limits are
/// checked against. One for the worker; taken at logins and when servers come and go.
final class Directory: @unchecked Sendable {
    static let capacity = 65_536
    /// Pools without clients and servers that are remembered, of each kind; the oldest goes first.
    static let mostUnused = 1000

    private struct Key: Hashable {
        let databaseID: UInt32
        let userID: UInt32
        let isShared: Bool
    }

    private let monitor = Monitor()
    /// By index; nil: free.
    private var records: [PoolRecord?] = []
    private var freeIndices: [PoolIndex] = []
    private var serials: UInt32 = 0
    private var numbers: [Key: PoolIndex] = [:]
    var unused: UnusedPools
    private var databasePools: [UInt32: Int] = [:]
    private var userPools: [UInt32: Int] = [:]
    /// Pools were freed that threads may still know.
    private var haveFreed = false
    private var databaseServers: [UInt32: Int] = [:]
    private var databaseClients: [UInt32: Int] = [:]
    private var userServers: [UInt32: Int] = [:]
    /// By address; in the database there is one, by none.
    private var places: [[UInt8]: Place] = [:]
    /// Pools that wait for what others have; guarded by the lock.
    var slots = SlotQueue() { didSet { queued.value = Int32(slots.waiters.count) } }
    /// How many they are, to be read without the lock.
    let queued = SharedCounter()
    private var hubs: [UInt32: HubState] = [:]
    private var listeners: [UInt32: Int] = [:]
    let waiting: WaitingCounters
    /// How often the settings were read again; guarded by the lock.
    private(set) var reloads = 0

    private let host: Host

    init(threads: Int, host: Host) {
        waiting = WaitingCounters(pools: Self.capacity, threads: threads)
        unsafe unused = UnusedPools(capacity: Self.capacity, most: Self.mostUnused) {
            unsafe csys_reserve($0)
        }
        self.host = host
    }

    /// Runs `body` under the lock.
    func locked<Result>(_ body: () -> Result) -> Result { monitor.locked(body) }

    /// The pool of (database, user), made when it is new, with the settings of this login;
    /// one more client is counted. Nil when there are too many pools.
    /// - Parameter shared: the pool is that of all users who may share one.
    /// - Parameter facts: when those of the login have changed last.
    func enter(
        databaseID: UInt32, userID: UInt32, shared: Bool, facts: UInt64, user: String, database: String,
        settings: CarpoolPoolSettings, keys: SCRAMKeys?, password: [UInt8]?
    ) -> PoolRecord? {
        locked {
            let key = Key(databaseID: databaseID, userID: shared ? 0 : userID, isShared: shared)
            let record: PoolRecord
            if let number = numbers[key] {
                record = records[Int(number.number)]!
            } else {
                guard let index = freeIndex() else { return nil }
                serials &+= 1
                // Only where there are OIDs may backends have agents.
                record = PoolRecord(
                    index: index, serial: serials, databaseID: databaseID, userID: key.userID,
                    isShared: shared, settings: settings, carries: host.keepsOIDs ? nil : false)
                if host.keepsOIDs { record.settled(at: place([])) }
                numbers[key] = index
                records[Int(index.number)] = record
                databasePools[databaseID, default: 0] += 1
                userPools[key.userID, default: 0] += 1
            }
            record.enter(
                user: user, role: userID, database: database, settings, keys: keys, password: password,
                facts: facts)
            databaseClients.add(1, databaseID)
            unused.remove(record.index)
            return record
        }
    }

    /// A client of the pool is gone.
    func leave(_ record: PoolRecord, now: UInt64) {
        locked {
            record.leave()
            databaseClients.add(-1, record.databaseID)
            noteUnused(record, now: now)
        }
    }

    /// The limits that are in the way of one more server of the pool. Under the lock.
    func reached(_ record: PoolRecord) -> PoolLimits.Reached {
        let settings = record.settings
        let limits = PoolLimits(
            pool: Int(settings.pool_size), database: Int(settings.max_db_connections),
            user: Int(settings.max_user_connections))
        return limits.reached(
            poolServers: record.servers, databaseServers: databaseServers[record.databaseID] ?? 0,
            userServers: userServers[record.userID] ?? 0)
    }

    /// The server program at an address. Under the lock.
    private func place(_ address: [UInt8]) -> Place {
        if let place = places[address] { return place }
        let place = Place(number: UInt32(places.count))
        places[address] = place
        return place
    }

    /// A pool's servers are opened at this address.
    func settle(_ record: PoolRecord, at address: [UInt8]) {
        if !host.keepsOIDs { locked { record.settled(at: place(address)) } }
    }

    /// A server of the pool more or less. Under the lock.
    func countServer(_ record: PoolRecord, _ delta: Int) {
        record.countServer(delta)
        count(record, delta)
    }

    private func count(_ record: PoolRecord, _ delta: Int) {
        databaseServers.add(delta, record.databaseID)
        userServers.add(delta, record.userID)
    }

    /// Counts one more server that is to be the hub of the pool's database if the limits allow
    /// it: it is not one of the pool's servers.
    /// - Returns: the hub's state; nil: there is room for it, and it is the caller's to open.
    func claimHub(_ record: PoolRecord, now: UInt64) -> HubState? {
        locked {
            let database = record.databaseID
            switch hubs[database] {
            case .opening, .ready: return hubs[database]
            case .failed(let retryAt) where now < retryAt: return hubs[database]
            case .failed, nil: break
            }
            let settings = record.settings
            let limits = PoolLimits(
                pool: 0, database: Int(settings.max_db_connections),
                user: Int(settings.max_user_connections))
            guard
                limits.reached(
                    poolServers: 0, databaseServers: databaseServers[database] ?? 0,
                    userServers: userServers[record.userID] ?? 0
                ).isEmpty
            else { return .failed(retryAt: now) }
            record.countHub(1)
            count(record, 1)
            unused.remove(record.index)
            hubs[database] = .opening
            return nil
        }
    }

    func hubStarted(_ hub: HubID) { locked { hubs[hub.database] = .ready(hub) } }

    /// A hub is gone, or couldn't be had.
    /// - Returns: as of `giveBack`.
    func hubEnded(_ record: PoolRecord, retryAt: UInt64, now: UInt64) -> SlotQueue.Waiter? {
        locked {
            hubs[record.databaseID] = .failed(retryAt: retryAt)
            record.countHub(-1)
            count(record, -1)
            defer { noteUnused(record, now: now) }
            return freed(record, held: true, now)
        }
    }

    /// The hub that reads for a database's clients.
    func hub(database: UInt32) -> HubID? {
        locked { if case .ready(let hub) = hubs[database] { hub } else { nil } }
    }

    func countListener(database: UInt32, _ delta: Int) { locked { listeners.add(delta, database) } }

    /// Clients of a database that listen, on all threads.
    func listeners(database: UInt32) -> Int { locked { listeners[database] ?? 0 } }

    func clients(database: UInt32) -> Int { locked { databaseClients[database] ?? 0 } }

    func servers(database: UInt32) -> Int { locked { databaseServers[database] ?? 0 } }

    /// The settings of a pool are known anew.
    func settled(_ record: PoolRecord, _ settings: CarpoolPoolSettings) {
        locked { record.settled(settings) }
    }

    /// As `PoolRecord.countPinned`.
    func countPinned(_ record: PoolRecord, _ delta: Int) -> Int { locked { record.countPinned(delta) } }

    /// A login as the cluster's owner didn't do for a server of the pool.
    func refusesOwner(_ record: PoolRecord) { locked { record.refusesOwner() } }

    /// A server didn't take what is known of a client's login.
    func forgetCredentials(_ record: PoolRecord) { locked { record.forgetCredentials() } }

    /// Whether all servers of a pool have agents is decided by the first one.
    func carries(_ record: PoolRecord, with agent: Bool) -> Bool {
        locked { record.decideCarries(agent) }
    }

    /// What agents said of startup parameters may not hold any more.
    func forgetAnswers() {
        locked {
            reloads += 1
            for case let record? in records { record.forgetAnswers() }
        }
    }

    /// Whether so many bytes may be kept with a pool so that later logins need no server. What is
    /// long is not; and when much is kept all pools forget theirs, for clients may think of ever
    /// new parameters. Under the lock.
    func mayRemember(_ bytes: Int) -> Bool {
        guard bytes <= Self.longestMemory else { return false }
        remembered += bytes + Self.memoryOverhead
        if remembered > Self.mostRemembered {
            for case let record? in records { record.forgetParameters() }
            remembered = bytes + Self.memoryOverhead
        }
        return true
    }

    private static let mostRemembered = 16 << 20
    private static let longestMemory = 8192
    /// Of an entry, beside its bytes.
    private static let memoryOverhead = 512
    /// Bytes kept since all pools forgot theirs; more than there are where one has forgotten its own.
    private var remembered = 0

    /// Keeps what an agent said.
    /// - Parameter asked: `reloads` when it was asked.
    func remember(_ record: PoolRecord, _ key: [UInt8], _ answer: PoolRecord.Answer, asked: Int) {
        locked {
            guard asked == reloads, mayRemember(key.count + answer.messages.count) else { return }
            if record.answers.count >= 1000 { record.forgetAnswers() }
            record.keep(answer, for: key)
        }
    }

    /// A server of the pool has reported a parameter after its login: logins are told that value.
    /// - Returns: it is another one than they were told so far.
    func correct(_ record: PoolRecord, _ name: [UInt8], _ value: [UInt8]) -> Bool {
        locked { record.correct(name, value) }
    }

    /// What the pool's server that logged in last has reported; nil: nothing, or there was none.
    func told(_ record: PoolRecord, _ name: [UInt8]) -> [UInt8]? {
        locked { record.welcome?.first { $0.name == name }?.value }
    }

    /// A server logged in, with the facts of that moment.
    func keepWelcome(_ record: PoolRecord, _ welcome: [PoolRecord.Parameter], facts: UInt64, now: UInt64) {
        locked {
            guard facts >= record.facts else { return }
            record.welcomed(with: welcome, now)
        }
    }
}

extension Directory {
    /// The pools of a database are elsewhere since this moment: what their servers have said, and why
    /// there were none, is of the past.
    func moved(database: UInt32, at moment: UInt64) {
        locked {
            for case let record? in records where record.databaseID == database {
                if moment > record.facts { record.factsChanged(moment) }
                record.outage = .ofPool
                if !host.keepsOIDs { record.settled(at: nil) }
            }
        }
    }

    // MARK: pools that are not used

    /// Frees pools that nothing has used for this long, and those that never had a server soon after
    /// one could have been tried for again.
    /// - Parameter idle: 0: for any time.
    /// - Returns: how many pools are left, if some were freed since the last call.
    func freeUnused(idle: UInt64, now: UInt64) -> Int? {
        locked {
            while let record = record(unused.oldestFailed), record.outage.mayBeForgotten(now) {
                free(record)
            }
            while idle > 0, let oldest = unused.oldestRested, now &- oldest.since >= idle,
                let record = record(oldest.index)
            {
                free(record)
            }
            defer { haveFreed = false }
            return haveFreed ? numbers.count : nil
        }
    }

    func record(_ index: PoolIndex?) -> PoolRecord? { index.flatMap { records[Int($0.number)] } }

    /// An index for a new pool, if need be that of one without clients and servers.
    private func freeIndex() -> PoolIndex? {
        if freeIndices.isEmpty, records.count == Self.capacity {
            guard let record = record(unused.oldestFailed ?? unused.oldestRested?.index) else { return nil }
            free(record)
        }
        if let index = freeIndices.popLast() { return index }
        records.append(nil)
        return PoolIndex(UInt32(records.count - 1))
    }

    /// A client or server less: it may have been the last one.
    func noteUnused(_ record: PoolRecord, now: UInt64) {
        guard !record.isUsed, !record.isFreed else { return }
        let out = unused.add(record.index, failed: record.welcome == nil, now: now)
        if let oldest = self.record(out) { free(oldest) }
    }

    /// Threads find out by `isFreed`, or when they meet the pool that has the index next: without
    /// clients and servers nothing of theirs is in use.
    private func free(_ record: PoolRecord) {
        unused.remove(record.index)
        slots.remove(pool: record.index)
        record.freed()
        haveFreed = true
        numbers[Key(databaseID: record.databaseID, userID: record.userID, isShared: record.isShared)] = nil
        records[Int(record.index.number)] = nil
        freeIndices.append(record.index)
        databasePools.add(-1, record.databaseID)
        userPools.add(-1, record.userID)
        let lastOfDatabase = databasePools[record.databaseID] == nil
        if lastOfDatabase { hubs[record.databaseID] = nil }
        let lastOfUser = userPools[record.userID] == nil
        host.forget(
            database: lastOfDatabase ? record.databaseID : 0, user: lastOfUser ? record.userID : 0)
    }
}

extension [UInt32: Int] {
    /// Adds to a count; one that is 0 takes no room.
    fileprivate mutating func add(_ delta: Int, _ key: UInt32) {
        let sum = self[key, default: 0] + delta
        self[key] = sum == 0 ? nil : sum
    }
}

/// How many clients wait in each pool on each thread.
@safe
struct WaitingCounters: BitwiseCopyable, @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Int32>
    private let threads: Int
    private let count: Int

    init(pools: Int, threads: Int) {
        self.threads = threads
        // One cell for the sum, one per thread.
        count = pools * (threads + 1)
        unsafe cells = csys_reserve(count * 4).bindMemory(to: Int32.self, capacity: count)
    }

    @_noLocks
    private func cell(_ pool: PoolIndex, _ offset: Int) -> UnsafeMutablePointer<Int32> {
        let index = Int(pool.number) &* (threads &+ 1) &+ offset
        precondition(index >= 0 && index < count)
        return unsafe cells + index
    }

    @_noLocks
    func add(_ pool: PoolIndex, thread: Int, _ delta: Int32) {
        _ = unsafe csys_atomic_add(cell(pool, 0), delta)
        _ = unsafe csys_atomic_add(cell(pool, thread &+ 1), delta)
    }

    /// Clients waiting in the pool on all threads.
    @_noLocks
    func total(_ pool: PoolIndex) -> Int32 { unsafe csys_atomic_load(cell(pool, 0)) }

    /// The other thread whose clients are served next; nil if none of another thread waits.
    /// - Parameter turn: counts the times that one thread asks for a pool: among so many clients that wait
    ///   elsewhere, each gets one turn in as many, so threads are served by how many of theirs wait.
    func thread(inTurn turn: Int, _ pool: PoolIndex, but thread: Int) -> Int? {
        let others = (1..<threads).map { (thread + $0) % threads }
        let counts = others.map { Int(unsafe max(0, csys_atomic_load(cell(pool, $0 + 1)))) }
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        var rest = turn % total
        for (other, count) in zip(others, counts) {
            if rest < count { return other }
            rest -= count
        }
        return nil
    }
}

extension Question {
    /// It is about a server of a pool.
    /// - Parameter role: the first that the server serves.
    mutating func names(_ record: PoolRecord, role: UInt32) {
        numbers.database_id = record.databaseID
        numbers.user_id = role
        if record.isShared { holds(CARPOOL_FOR_ROLES) }
        user = Array(record.user.utf8)
        database = Array(record.database.utf8)
    }
}
