import Pooling
import TestSupport
import Testing

@testable import PoolWorker

/// A thread's part of the pools, and two threads that share one.
@Suite struct ThreadPoolsTests {
    private let all = Pools(threads: 2)

    private func part(_ thread: Int) -> ThreadPools { all.part(thread: thread, threads: 2) }

    /// Leases are of servers that are there.
    private func opened(_ pools: inout ThreadPools, _ p: PoolIndex) {
        pools.opens(p)
        pools.opened(p)
    }

    private func isToClient(_ release: Pool.Release, _ c: ClientIndex) -> Bool {
        if case .toClient(c) = release { true } else { false }
    }

    @Test func `clients get servers in the order of their coming, and leave the list for them`() {
        let record = all.enter(1, 1)
        var pools = part(0)
        _ = pools.meet(record, settings())
        let p = record.index
        for c in [7, 8, 9] as [ClientIndex] { #expect(pools.lease(c, p) == .absent) }
        #expect(
            pools.firstWaiting(p) == 7 && pools.waiting(behind: 8) == 9 && pools.waiting(behind: 9) == .absent
        )
        pools.abandon(8, p)
        opened(&pools, p)
        #expect(isToClient(pools.release(3, p), 7))
        #expect(all.directory.waiting.total(p) == 1)
        #expect(isToClient(pools.release(3, p), 9))
        guard case .idle = pools.release(3, p) else { return #expect(Bool(false), "nobody waits") }
        #expect(all.directory.waiting.total(p) == 0 && pools.idle(p) == 1 && pools.servers(p) == 1)
        #expect(pools.lease(8, p) == 3)
    }

    @Test func `a client may want any server but the one it had`() {
        let record = all.enter(1, 1)
        var pools = part(0)
        _ = pools.meet(record, settings())
        let p = record.index
        for s in [3, 4] as [ServerIndex] {
            opened(&pools, p)
            pools.restsLast(s, p)
        }
        #expect(pools.lease(7, p, but: 3) == 4)
        #expect(pools.lease(8, p, but: 3) == .absent && pools.waiting(p) == 1 && pools.idle(p) == 1)
        #expect(all.directory.waiting.total(p) == 1)
        #expect(pools.lease(9, p, but: 4) == 3)
    }

    @Test func `a server does not rest while a client waits on another thread`() {
        let record = all.enter(1, 1)
        var here = part(0)
        var there = part(1)
        _ = here.meet(record, settings())
        _ = there.meet(record, settings())
        let p = record.index
        opened(&here, p)
        #expect(there.lease(1, p) == .absent)
        #expect(here.mayRest(5, p) == false)
        #expect(here.waitingElsewhere(p) == 1 && there.waitingElsewhere(p) == 0)
        #expect(here.isWaitedFor(p) && !here.hasWaiting(p))
        guard case .toOtherThread = here.release(5, p) else { return #expect(Bool(false), "it stays") }
        #expect(here.servers(p) == 0)
        there.adopted(p)
        #expect(isToClient(there.release(2, p), 1))
        #expect(there.mayRest(2, p) == true)
        #expect(there.next(p) == 2 && here.next(p) == .absent)
    }

    @Test func `a server that has to stay is not for other threads`() {
        let record = all.enter(1, 1)
        var here = part(0)
        var there = part(1)
        _ = here.meet(record, settings())
        _ = there.meet(record, settings())
        let p = record.index
        opened(&here, p)
        #expect(there.lease(1, p) == .absent)
        guard case .idle = here.release(5, p, stays: true) else { return #expect(Bool(false), "it goes") }
    }

    @Test func `other threads have their turns by how many of their clients wait`() {
        let counters = WaitingCounters(pools: 4, threads: 3)
        #expect(counters.thread(inTurn: 0, 2, but: 0) == nil)
        for (thread, count) in [(0, 9), (1, 1), (2, 2)] as [(Int, Int32)] {
            counters.add(2, thread: thread, count)
        }
        #expect((0..<6).map { counters.thread(inTurn: $0, 2, but: 0) } == [1, 2, 2, 1, 2, 2])
        #expect(
            (0..<11).map { counters.thread(inTurn: $0, 2, but: 2) } == [Int](repeating: 0, count: 9) + [1, 0])
        #expect(counters.total(2) == 12)
        #expect(counters.total(1) == 0 && counters.total(3) == 0, "neighbours have cells of their own")
    }

    @Test func `an index that another pool has now is met as a new pool`() {
        let record = all.enter(1, 1)
        var pools = part(0)
        #expect(pools.meet(record, settings()) == (true, false))
        #expect(pools.meet(record, settings()) == (false, false))
        #expect(pools.meet(record, settings(mode: .session)) == (false, true))
        #expect(pools.mode(record.index) == .session)
        #expect(pools.raiseFacts(record.index, 5) && !pools.raiseFacts(record.index, 5))
        all.directory.leave(record, now: 0)
        _ = all.directory.freeUnused(idle: 1, now: 10)
        let next = all.enter(8, 8)
        #expect(next.index == record.index)
        #expect(pools.meet(next, settings(mode: .session)) == (true, false))
        #expect(pools.record(next.index) === next && pools.facts(next.index) == 0)
        #expect(pools.ofDatabase(8) == [next.index] && pools.ofDatabase(1).isEmpty)
    }

    @Test func `pools that were freed are let go of, and what was behind them is looked at no more`() {
        let (first, last) = (all.enter(1, 1), all.enter(1, 2))
        var pools = part(0)
        for record in [first, last] { _ = pools.meet(record, settings(least: record === last ? 1 : 0)) }
        #expect(pools.indices.count == 2 && pools.needsLook(first.index))
        #expect(pools.forgetFreed(all.directory).isEmpty)
        all.directory.leave(last, now: 0)
        _ = all.directory.freeUnused(idle: 1, now: 10)
        #expect(pools.forgetFreed(all.directory) == [last.index])
        #expect(!pools.isKnown(last.index) && pools.isKnown(first.index) && pools.indices.count == 1)
        #expect(pools.needsLook(first.index) == false, "it was the other that wants a server at all times")
        #expect(pools.raiseFacts(last.index, 9) == false)
    }

    @Test func `a pool keeps its least servers while it has clients`() {
        let record = all.enter(1, 1)
        var pools = part(0)
        _ = pools.meet(record, settings(least: 2))
        let p = record.index
        #expect(pools.neededServers(p) == 0)
        pools.clientEntered(p)
        #expect(pools.neededServers(p) == 2)
        #expect(pools.nextStep(p, 0) == .tryToOpen)
        for _ in 0..<2 { opened(&pools, p) }
        #expect(pools.nextStep(p, 0) == .rest)
        pools.clientLeft(p)
        #expect(pools.neededServers(p) == 0)
    }

    @Test func `a granted server is opened at its instant, or given back where nobody waits`() {
        let record = all.enter(1, 1)
        var pools = part(0)
        _ = pools.meet(record, settings())
        let p = record.index
        _ = pools.lease(1, p)
        pools.grant(p, at: 100)
        pools.grant(p, at: 100)
        #expect(pools.nextStep(p, 99) == .rest && pools.isHeldBack(p, 99))
        #expect(pools.nextStep(p, 100) == .open)
        pools.opens(p)
        #expect(!pools.isShort(p) && pools.nextStep(p, 100) == .giveBack)
        #expect(pools.needsLook(p) == true, "a client waits")
        pools.abandon(1, p)
        #expect(pools.needsLook(p) == false, "no grant is left")
    }

    @Test func `other threads are asked for what is shared alone`() {
        let record = all.enter(1, 1)
        var one = part(0)
        var alone = all.part(threads: 1)
        _ = one.meet(record, settings())
        _ = alone.meet(record, settings())
        _ = one.lease(1, record.index)
        _ = alone.lease(1, record.index)
        #expect(one.asksOthers(record.index, 5) == true && alone.asksOthers(record.index, 5) == false)
        #expect(alone.isWaitedFor(record.index) == true)
        #expect(all.directory.waiting.total(record.index) == 1, "one thread alone counts for itself")
    }

    @Test(arguments: UInt64(0)..<10)
    func `what two threads count is what waits, and nobody waits while a server is idle`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let record = all.enter(1, 1)
        let p = record.index
        var threads = Threads(part(0), part(1), record)
        for step in 0..<3000 {
            threads.step(random.below(2), &random, p)
            let (waiting, idle) = (threads.waiting(p), threads.idle(p))
            #expect(Int(all.directory.waiting.total(p)) == waiting, "seed \(seed), step \(step)")
            #expect(threads.waits.map(\.count).reduce(0, +) == waiting, "seed \(seed), step \(step)")
            #expect(threads.servers(p) == threads.leased.map(\.count).reduce(0, +) + idle, "seed \(seed)")
        }
        #expect(threads.handedOver > 0)
    }

    /// Two threads' parts, and what they should hold.
    private struct Threads: ~Copyable {
        var one: ThreadPools
        var two: ThreadPools
        /// Clients that wait, in order; servers that are leased.
        var waits: [[ClientIndex]] = [[], []]
        var leased: [[ServerIndex]] = [[], []]
        var handedOver = 0
        private var free = [Array(ClientIndex(0)..<ClientIndex(20)), Array(ClientIndex(0)..<ClientIndex(20))]
        private var unopened = [
            Array(ServerIndex(0)..<ServerIndex(4)), Array(ServerIndex(4)..<ServerIndex(8)),
        ]

        init(_ one: consuming ThreadPools, _ two: consuming ThreadPools, _ record: PoolRecord) {
            self.one = one
            self.two = two
            _ = self.one.meet(record, settings())
            _ = self.two.meet(record, settings())
        }

        func waiting(_ p: PoolIndex) -> Int { one.waiting(p) + two.waiting(p) }
        func idle(_ p: PoolIndex) -> Int { one.idle(p) + two.idle(p) }
        func servers(_ p: PoolIndex) -> Int { one.servers(p) + two.servers(p) }

        private mutating func on<Result>(_ thread: Int, _ body: (inout ThreadPools) -> Result) -> Result {
            thread == 0 ? body(&one) : body(&two)
        }

        mutating func step(_ t: Int, _ random: inout SeededGenerator, _ p: PoolIndex) {
            switch random.below(4) {
            case 0 where !free[t].isEmpty:
                let c = free[t].remove(at: random.below(free[t].count))
                let s = on(t) { $0.lease(c, p) }
                if s == .absent {
                    waits[t].append(c)
                } else {
                    #expect(waits[t].isEmpty)
                    free[t].append(c)
                    leased[t].append(s)
                }
            case 1 where !waits[t].isEmpty:
                let c = waits[t].remove(at: random.below(waits[t].count))
                on(t) { $0.abandon(c, p) }
                free[t].append(c)
            case 2 where !leased[t].isEmpty:
                release(leased[t].remove(at: random.below(leased[t].count)), t, p)
            case 3 where !unopened[t].isEmpty:
                on(t) {
                    $0.opens(p)
                    $0.opened(p)
                }
                leased[t].append(unopened[t].removeLast())
            default: break
            }
        }

        private mutating func release(_ s: ServerIndex, _ t: Int, _ p: PoolIndex) {
            if on(t, { $0.mayRest(s, p) }) { return #expect(waits == [[], []]) }
            switch on(t, { $0.release(s, p) }) {
            case .toClient(let c):
                #expect(c == waits[t].removeFirst())
                free[t].append(c)
                leased[t].append(s)
            case .toOtherThread:
                #expect(!waits[1 - t].isEmpty)
                handedOver += 1
                on(1 - t) { $0.adopted(p) }
                leased[1 - t].append(s)
            case .idle: Issue.record("somebody waits")
            }
        }
    }
}
