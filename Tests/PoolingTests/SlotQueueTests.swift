import TestSupport
import Testing

@testable import Pooling

@Suite struct SlotQueueTests {
    static let slice = SlotQueue.slice

    static func owner(_ pool: PoolIndex, database: UInt32 = 1, user: UInt32? = nil) -> SlotOwner {
        SlotOwner(pool: pool, database: database, user: user ?? pool.number, place: 0)
    }

    /// What a pool is told about a server of its own while pool 7 waits.
    private func answers(
        _ owner: SlotOwner = Self.owner(1), scopes: SlotQueue.Scopes = .database, own: Int, other: Int,
        age: UInt64 = 0, idle: UInt64 = 0, times: Int = 1
    ) -> [SlotQueue.Answer] {
        var queue = SlotQueue()
        _ = queue.add(Self.owner(7), thread: 0, scopes: scopes)
        return (0..<times).map { _ in
            queue.giveWay(owner, age: age, idle: idle) {
                $0 == owner.pool ? own - 1 : other
            } helps: { _ in
                true
            }
        }
    }

    @Test func `a pool with two servers gives one to a pool without`() {
        #expect(answers(own: 2, other: 0) == [.now])
    }

    @Test func `a pool keeps its only server for a slice of time`() {
        #expect(answers(own: 1, other: 0, age: Self.slice - 1) == [.later])
        #expect(answers(own: 1, other: 0, age: Self.slice) == [.now])
    }

    @Test func `pools are evened out, and then leave each other alone`() {
        for (own, other, expected) in [(5, 3, SlotQueue.Answer.now), (4, 3, .later), (3, 3, .later)] {
            #expect(answers(own: own, other: other, age: Self.slice * 9) == [expected])
        }
    }

    @Test func `what nobody has needed for a slice of time goes to who waits`() {
        #expect(answers(own: 1, other: 5, idle: Self.slice - 1) == [.later])
        #expect(answers(own: 1, other: 5, idle: Self.slice) == [.now])
    }

    @Test func `one server is closed for one that waits`() {
        #expect(answers(own: 9, other: 0, times: 2) == [.now, .unwanted])
    }

    @Test func `only what is counted for the same gives way`() {
        let others = [
            Self.owner(1, database: 2, user: 7), Self.owner(1, database: 1, user: 8),
            SlotOwner(pool: 1, database: 2, user: 8, place: 0),
        ]
        let all: [SlotQueue.Scopes] = [.database, .user, .place, .process, [.database, .user]]
        for scopes in all {
            let gives = others.map { answers($0, scopes: scopes, own: 9, other: 0) == [.now] }
            let expected =
                switch scopes {
                case .database: [false, true, false]
                case .user: [true, false, false]
                case [.database, .user]: [true, true, false]
                default: [true, true, true]
                }
            #expect(gives == expected, "\(scopes)")
        }
    }

    @Test func `nothing is closed for a pool that could not open one even so`() {
        var queue = SlotQueue()
        _ = queue.add(Self.owner(7), thread: 0, scopes: .database)
        let answer = queue.giveWay(Self.owner(1), age: Self.slice, idle: Self.slice) { _ in
            3
        } helps: { _ in
            false
        }
        #expect(answer == .later)
    }

    @Test func `who has fewest is next, and among equals who has waited longest`() {
        var queue = SlotQueue()
        for pool: PoolIndex in [4, 5, 6] {
            _ = queue.add(Self.owner(pool), thread: Int(pool.number), scopes: .database)
        }
        let known = queue.add(Self.owner(4), thread: 4, scopes: .database)
        #expect(!known)
        let servers: [PoolIndex: Int] = [1: 3, 4: 2, 5: 0, 6: 0]
        var order: [PoolIndex] = []
        while let next = queue.next(
            after: Self.owner(1), held: true, servers: { servers[$0] ?? 0 }, mayOpen: { _ in true })
        {
            order.append(next.owner.pool)
        }
        #expect(order == [5, 6, 4])
        #expect(queue.waiters.isEmpty)
    }

    @Test func `where a limit is exceeded servers are closed until one may be opened`() {
        var queue = SlotQueue()
        _ = queue.add(Self.owner(7), thread: 0, scopes: .database)
        var (open, limit, closed) = (4, 2, 0)
        while let answer = Optional(
            queue.giveWay(Self.owner(1), age: 0, idle: Self.slice, servers: { _ in 0 }, helps: { _ in true })),
            answer == .now, closed < 9
        {
            open -= 1
            closed += 1
            let next = queue.next(
                after: Self.owner(1), held: true, servers: { _ in 0 }, mayOpen: { _ in open < limit })
            if next != nil { break }
        }
        #expect(closed == 3)
        #expect(queue.waiters.isEmpty)
    }

    @Test func `a pool that two limits keep from a server is given one of each`() {
        var queue = SlotQueue()
        _ = queue.add(Self.owner(7, database: 2, user: 3), thread: 0, scopes: [.database, .user])
        let others = [Self.owner(1, database: 2, user: 8), Self.owner(4, database: 9, user: 3)]
        var full = 2
        var answers: [SlotQueue.Answer] = []
        var granted: [PoolIndex] = []
        for other in others {
            answers.append(
                queue.giveWay(other, age: 0, idle: Self.slice, servers: { _ in 0 }, helps: { _ in true }))
            full -= 1
            let next = queue.next(
                after: other, held: true, servers: { _ in 0 }, mayOpen: { _ in full == 0 })
            if let next { granted.append(next.owner.pool) }
        }
        #expect(answers == [.now, .now])
        #expect(granted == [7])
        #expect(queue.waiters.isEmpty)
    }

    @Test func `a server serves for longer where its login took long, up to a bound`() {
        let slices = [0, Self.slice / 8, Self.slice / 4, 9 * Self.slice].map { SlotQueue.slice(login: $0) }
        #expect(slices == [Self.slice, Self.slice, 2 * Self.slice, 10 * Self.slice])
    }

    @Test func `a pool that comes to wait for something else is told from the one that is known`() {
        var queue = SlotQueue()
        let added = [SlotQueue.Scopes.database, .database, .user, .user].map {
            queue.add(Self.owner(7, database: 2, user: 3), thread: 0, scopes: $0)
        }
        #expect(added == [true, false, true, false])
        #expect(queue.waiters.map(\.scopes) == [.user])
        #expect(queue.wants(Self.owner(1, database: 9, user: 3)))
        #expect(!queue.wants(Self.owner(1, database: 2, user: 9)))
    }

    @Test func `an attempt that failed frees no connection`() {
        var queue = SlotQueue()
        _ = queue.add(Self.owner(7), thread: 0, scopes: .place)
        let failed = queue.next(
            after: Self.owner(1), held: false, servers: { _ in 1 }, mayOpen: { _ in true })
        #expect(failed == nil)
        let closed = queue.next(
            after: Self.owner(1), held: true, servers: { _ in 1 }, mayOpen: { _ in true })
        #expect(closed?.owner.pool == 7)
    }

    /// Pools whose clients always have something to do, at one limit: `share` is what each has
    /// got of the time that all servers have served, `moves` counts servers that were closed.
    private func contest(pools: Int, limit: Int, steps: Int, _ random: inout SeededGenerator)
        -> (share: [Int], longestWait: UInt64, moves: Int, time: UInt64)
    {
        struct Server {
            var pool: PoolIndex
            var opened: UInt64
            var freeAt: UInt64
        }
        let login = 5 * BackoffTests.ms
        var queue = SlotQueue()
        var servers: [Server] = []
        var counts = [Int](repeating: 0, count: pools)
        var lastServed = [UInt64](repeating: 0, count: pools)
        var (share, longest, moves) = ([Int](repeating: 0, count: pools), UInt64(0), 0)
        // who comes first takes all there is
        for _ in 0..<limit { servers.append(Server(pool: 0, opened: 0, freeAt: BackoffTests.ms)) }
        counts[0] = limit
        for _ in 0..<steps {
            guard let at = servers.indices.min(by: { servers[$0].freeAt < servers[$1].freeAt }) else { break }
            let now = servers[at].freeAt
            let pool = servers[at].pool
            share[Int(pool.number)] += 1
            longest = max(longest, now - lastServed[Int(pool.number)])
            lastServed[Int(pool.number)] = now
            // whose clients have waited for a slice, or who has none, queues
            for other in 0..<PoolIndex(UInt32(pools))
            where counts[Int(other.number)] == 0 || random.chance(30) {
                _ = queue.add(Self.owner(other), thread: 0, scopes: .database)
            }
            counts[Int(pool.number)] -= 1
            let way = queue.giveWay(Self.owner(pool), age: now - servers[at].opened, idle: 0) {
                counts[Int($0.number)]
            } helps: { _ in
                true
            }
            guard way == .now else {
                counts[Int(pool.number)] += 1
                servers[at].freeAt = now + 100_000 + UInt64(random.below(2_000_000))
                continue
            }
            let next = queue.next(
                after: Self.owner(pool), held: true, servers: { counts[Int($0.number)] },
                mayOpen: { _ in true })
            guard let next else {
                Issue.record("a server was closed for nobody")
                break
            }
            counts[Int(next.owner.pool.number)] += 1
            moves += 1
            servers[at] = Server(
                pool: next.owner.pool, opened: now + login, freeAt: now + login + BackoffTests.ms)
        }
        return (share, longest, moves, servers.map(\.freeAt).min() ?? 0)
    }

    @Test(arguments: UInt64(0)..<20)
    func `pools that never rest get equal shares, and few logins`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (pools, limit) = (2 + random.below(12), 1 + random.below(12))
        let (share, longest, moves, time) = contest(pools: pools, limit: limit, steps: 60_000, &random)
        let story = "seed \(seed): \(pools) pools, \(limit) servers: \(share)"
        let (least, most) = (share.min() ?? 0, share.max() ?? 0)
        // as equal as whole servers can be
        #expect(Double(least) > Double(most) * (limit >= 2 * pools || limit < pools ? 0.4 : 0.2), "\(story)")
        let rounds = UInt64((pools + limit - 1) / limit)
        #expect(longest <= (rounds + 2) * (Self.slice + 20 * BackoffTests.ms), "\(story): \(longest)")
        let slices = Int(time / Self.slice) + 1
        #expect(moves <= pools + (limit < pools ? limit * slices : 0) + limit, "\(story): \(moves) moves")
    }
}
