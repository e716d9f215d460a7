import Pooling
import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// What all threads know of the pools: limits, slots, pools that come and go, hubs.
@Suite struct DirectoryTests {
    private let pools = Pools()
    private static let second: UInt64 = 1_000_000_000

    private func servers(_ record: PoolRecord) -> Int { pools.directory.locked { record.servers } }

    /// Waits in the queue for what other pools have.
    private func queue(_ record: PoolRecord, _ scopes: SlotQueue.Scopes, thread: Int = 0) -> Bool {
        var plan = ServerDemand.Plan(pause: 1)
        plan.scopes = scopes
        return pools.directory.queue(record, thread: thread, plan)
    }

    // MARK: pools

    @Test func `there is one pool for each database and user`() {
        let record = pools.enter(1, 2)
        #expect(pools.enter(1, 2) === record && record.clients == 2)
        let others = [pools.enter(1, 3), pools.enter(2, 2), pools.enter(2, 1)]
        #expect(Set(others.map(\.index) + [record.index]).count == 4)
        #expect(pools.directory.clients(database: 1) == 3 && pools.directory.clients(database: 2) == 2)
        pools.directory.leave(record, now: 0)
        #expect(pools.directory.clients(database: 1) == 2)
    }

    @Test func `roles that share a pool of their database have one beside those of single roles`() {
        let shared = pools.enter(1, 2, shared: true)
        #expect(pools.enter(1, 3, shared: true) === shared)
        #expect(pools.enter(1, 2) !== shared && pools.enter(2, 2, shared: true) !== shared)
        #expect(shared.names == [2: "user 2", 3: "user 3"] && shared.latest == 3)
    }

    @Test func `a pool is freed when nothing has used it for long enough`() {
        let record = pools.enter(1, 2)
        pools.directory.keepWelcome(record, [], facts: 0, now: 0)
        pools.directory.leave(record, now: 10)
        #expect(pools.directory.freeUnused(idle: 100, now: 109) == nil)
        #expect(pools.directory.freeUnused(idle: 0, now: .max) == nil, "0 is for any time")
        #expect(pools.directory.freeUnused(idle: 100, now: 110) == 0)
        #expect(pools.directory.freeUnused(idle: 100, now: 111) == nil, "that was told")
        let next = pools.enter(7, 7)
        #expect(record.isFreed && next.index == record.index && next.serial != record.serial)
    }

    @Test func `a pool that is used again is not freed`() {
        let record = pools.enter(1, 2)
        pools.directory.keepWelcome(record, [], facts: 0, now: 0)
        pools.directory.leave(record, now: 10)
        #expect(pools.enter(1, 2) === record)
        #expect(pools.directory.freeUnused(idle: 1, now: 1000) == nil)
        #expect(pools.open(record) == nil)
        pools.directory.leave(record, now: 1000)
        #expect(pools.directory.freeUnused(idle: 1, now: 2000) == nil, "it has a server")
        #expect(pools.directory.giveBack(record, held: true, now: 2000) == nil)
        #expect(pools.directory.freeUnused(idle: 1, now: 2001) == 0)
    }

    @Test func `a pool that never had a server is soon forgotten, for a thousand others at once`() {
        let first = pools.enter(1, 1)
        pools.directory.leave(first, now: 0)
        #expect(pools.directory.freeUnused(idle: 0, now: 1) == 0)
        let records = (0...UInt32(Directory.mostUnused)).map { pools.enter(1, $0 + 10) }
        for record in records {
            pools.directory.keepWelcome(record, [], facts: 0, now: 0)
            pools.directory.leave(record, now: 5)
        }
        #expect(records.filter(\.isFreed).map(\.userID) == [10], "the oldest one is one too many")
    }

    // MARK: limits

    @Test func `a pool has as many servers as it may have, and one more when one is given back`() {
        let record = pools.enter(1, 2, settings(size: 2))
        #expect(pools.open(record) == nil && pools.open(record) == nil)
        #expect(pools.open(record) == .limits(.pool))
        #expect(pools.directory.giveBack(record, held: true, now: 0) == nil)
        #expect(pools.open(record) == nil && servers(record) == 2)
    }

    @Test func `pools of a database share its limit, and pools of a user that one's`() {
        let limits = settings(database: 2, user: 3)
        let (one, other) = (pools.enter(1, 1, limits), pools.enter(1, 2, limits))
        #expect(pools.open(one) == nil && pools.open(other) == nil)
        #expect(pools.open(one) == .limits(.database))
        let (second, third) = (pools.enter(2, 1, limits), pools.enter(3, 1, limits))
        #expect(pools.open(second) == nil && pools.open(second) == nil)
        #expect(pools.open(second) == .limits([.database, .user]))
        #expect(pools.open(third) == .limits(.user))
        #expect(pools.directory.servers(database: 1) == 2 && pools.directory.servers(database: 2) == 2)
    }

    @Test func `a slot goes to the pool that waits for it, counted already, in the order of their coming`() {
        let limits = settings(database: 1)
        let holder = pools.enter(1, 1, limits)
        let waiters = [pools.enter(1, 2, limits), pools.enter(1, 3, limits), pools.enter(2, 4, limits)]
        #expect(pools.open(holder) == nil)
        for (thread, waiter) in waiters.enumerated() { #expect(queue(waiter, .database, thread: thread)) }
        #expect(queue(waiters[0], .database) == false, "it is known to wait")
        #expect(pools.directory.queued.value == 3 && pools.directory.isWanted(holder))
        let next = pools.directory.giveBack(holder, held: true, now: 0)
        #expect(next?.owner.pool == waiters[0].index && next?.thread == 0)
        #expect(servers(waiters[0]) == 1 && servers(holder) == 0)
        #expect(pools.open(holder) == .limits(.database), "nobody can take it away")
        #expect(pools.directory.giveBack(waiters[0], held: true, now: 0)?.owner.pool == waiters[1].index)
        #expect(
            pools.directory.giveBack(waiters[1], held: true, now: 0) == nil,
            "the third is of another database")
    }

    @Test func `a pool that has servers waits for one only when that is urgent`() {
        let record = pools.enter(1, 1)
        #expect(pools.open(record) == nil)
        #expect(queue(record, .database) == false)
        var plan = ServerDemand.Plan(pause: 1)
        plan.scopes = .database
        plan.isUrgent = true
        #expect(pools.directory.queue(record, thread: 0, plan) == true)
        pools.directory.keepQueued { _ in false }
        #expect(pools.directory.queued.value == 0)
    }

    @Test func `a pool that gets a server waits no more, on the thread that got it`() {
        let record = pools.enter(1, 1)
        #expect(queue(record, .process, thread: 0) && queue(record, .process, thread: 1))
        #expect(pools.open(record, thread: 1) == nil)
        #expect(pools.directory.queued.value == 1)
    }

    @Test func `a server gives way where it is in the way`() {
        let limits = settings(database: 2)
        let (holder, waiter, full) = (
            pools.enter(1, 1, limits), pools.enter(1, 2, limits),
            pools.enter(1, 3, settings(size: 1, database: 2))
        )
        #expect(pools.open(holder) == nil && pools.open(holder) == nil)
        func givesWay() -> SlotQueue.Answer {
            pools.directory.giveWay(holder, age: 0, idle: 0, slice: 100) { _ in true }
        }
        #expect(givesWay() == .unwanted)
        #expect(queue(waiter, .database))
        #expect(givesWay() == .now, "two servers against none")
        #expect(givesWay() == .unwanted, "one is promised")
        pools.directory.keepQueued { _ in false }
        pools.directory.locked { pools.directory.countServer(full, 1) }
        var plan = ServerDemand.Plan(pause: 1)
        (plan.scopes, plan.isUrgent) = (.database, true)
        #expect(pools.directory.queue(full, thread: 0, plan))
        #expect(
            pools.directory.giveWay(holder, age: 1000, idle: 1000, slice: 100) { _ in true } == .later,
            "its own limit is in its way")
        #expect(servers(holder) == 2)
    }

    // MARK: outages

    private let refused = ErrorFields(.fatal, "28000", "no")

    @Test func `while a pool fails there is one attempt at a time`() {
        let record = pools.enter(1, 1)
        let fail = { (now: UInt64) in
            pools.directory.failed(
                record, refused, started: now, ofPlace: false, now: now, longest: Self.second)
        }
        #expect(pools.open(record, now: 10) == nil)
        fail(10)
        guard case .outage(let until, false) = pools.open(record, now: 11) else {
            return #expect(Bool(false), "no outage")
        }
        #expect(pools.directory.obstacle(record, now: until - 1) == refused)
        #expect(pools.open(record, now: until) == nil)
        #expect(pools.open(record, now: until) == .outage(until: until + 50_000_000, isFull: false))
        #expect(pools.directory.succeeded(record, ofPool: true, now: until + 1).pool)
        #expect(!pools.directory.succeeded(record, ofPool: true, now: until + 2).pool, "it was over")
        #expect(pools.directory.obstacle(record, now: until + 2) == nil)
        #expect(pools.open(record, now: until + 2) == nil)
    }

    @Test func `what fails at a place holds for the pools that are there`() {
        let (one, same, elsewhere) = (pools.enter(1, 1), pools.enter(2, 2), pools.enter(3, 3))
        for (record, address) in [(one, "here"), (same, "here"), (elsewhere, "there")] {
            pools.directory.settle(record, at: bytes(address))
        }
        pools.directory.failed(one, refused, started: 5, ofPlace: true, now: 5, longest: Self.second)
        guard case .outage = pools.open(same, now: 6) else { return #expect(Bool(false), "it is there, too") }
        #expect(pools.open(elsewhere, now: 6) == nil)
        let over = pools.directory.succeeded(same, ofPool: false, now: 7)
        #expect(!over.pool && over.place == one.place?.number)
        #expect(pools.open(one, now: 8) == nil)
    }

    @Test func `pools of a database that has moved forget why they had no server`() {
        let (moved, other) = (pools.enter(1, 1), pools.enter(2, 1))
        for record in [moved, other] {
            pools.directory.failed(record, refused, started: 5, ofPlace: false, now: 5, longest: Self.second)
        }
        pools.directory.moved(database: 1, at: 9)
        #expect(pools.open(moved, now: 6) == nil && moved.facts == 9)
        #expect(pools.open(other, now: 6) != nil && other.facts == 0)
    }

    // MARK: hubs

    @Test func `one hub is opened for a database, and again after its time`() {
        let (record, other) = (pools.enter(1, 1), pools.enter(1, 2))
        #expect(pools.directory.claimHub(record, now: 0) == nil)
        guard case .opening = pools.directory.claimHub(other, now: 0) else {
            return #expect(Bool(false), "two")
        }
        #expect(pools.directory.hub(database: 1) == nil)
        let hub = HubID(database: 1, slot: 3, process: 4)
        pools.directory.hubStarted(hub)
        #expect(pools.directory.hub(database: 1) == hub && pools.directory.hub(database: 2) == nil)
        #expect(pools.directory.hubEnded(record, retryAt: 100, now: 50) == nil)
        guard case .failed(100) = pools.directory.claimHub(other, now: 99) else {
            return #expect(Bool(false), "too early")
        }
        #expect(pools.directory.claimHub(other, now: 100) == nil)
    }

    @Test func `a hub counts for its database and user, not for its pool`() {
        let limits = settings(size: 1, database: 2)
        let record = pools.enter(1, 1, limits)
        #expect(pools.directory.claimHub(record, now: 0) == nil)
        #expect(pools.open(record) == nil && pools.open(pools.enter(1, 2, limits)) == .limits(.database))
        let full = pools.enter(2, 9, settings(database: 1))
        #expect(pools.open(full) == nil)
        guard case .failed = pools.directory.claimHub(full, now: 0) else {
            return #expect(Bool(false), "no room")
        }
        #expect(pools.directory.servers(database: 2) == 1)
    }

    // MARK: all of it

    @Test(arguments: UInt64(0)..<10)
    func `counts are those of what has come and gone`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (records, clients, open): ([PoolRecord], [PoolRecord], [PoolRecord]) = ([], [], [])
        for now in 1..<UInt64(2000) {
            switch random.below(4) {
            case 0:
                let limits = settings(size: 3, database: 5, user: 4)
                clients.append(pools.enter(UInt32(1 + random.below(4)), UInt32(1 + random.below(4)), limits))
                records.append(clients.last!)
            case 1 where !clients.isEmpty:
                pools.directory.leave(clients.remove(at: random.below(clients.count)), now: now)
            case 2 where !clients.isEmpty:
                let record = clients[random.below(clients.count)]
                let counts = [
                    open.count { $0 === record }, open.count { $0.databaseID == record.databaseID },
                    open.count { $0.userID == record.userID },
                ]
                let obstacle = pools.open(record, now: now)
                #expect(
                    (obstacle == nil) == (counts[0] < 3 && counts[1] < 5 && counts[2] < 4), "seed \(seed)")
                if obstacle == nil { open.append(record) }
            case 3 where !open.isEmpty:
                _ = pools.directory.giveBack(open.remove(at: random.below(open.count)), held: true, now: now)
            default: break
            }
            _ = pools.directory.freeUnused(idle: 50, now: now)
        }
        for database in UInt32(1)...4 {
            #expect(
                pools.directory.clients(database: database) == clients.count { $0.databaseID == database })
            #expect(pools.directory.servers(database: database) == open.count { $0.databaseID == database })
        }
        for record in clients + open { #expect(!record.isFreed, "seed \(seed): one in use was freed") }
        #expect(Set(records.map(\.serial)).count >= 16)
    }
}
