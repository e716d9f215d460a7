import FixedStorage
import TestSupport
import Testing

@testable import Pooling

@Suite struct UnusedPoolsTests {
    private func make(most: Int = 2) -> UnusedPools {
        UnusedPools(capacity: 16, most: most, reserve: reserve)
    }

    @Test func `the one that is unused for longest is the oldest`() {
        var pools = make()
        _ = pools.add(3, failed: false, now: 10)
        _ = pools.add(4, failed: false, now: 20)
        let first = pools.oldestRested
        pools.remove(3)
        let second = pools.oldestRested
        pools.remove(4)
        let none = pools.oldestRested == nil
        #expect(first?.index == 3 && first?.since == 10)
        #expect(second?.index == 4 && second?.since == 20)
        #expect(none)
    }

    @Test func `one that is used again and then unused is the youngest`() {
        var pools = make()
        _ = pools.add(3, failed: false, now: 10)
        _ = pools.add(4, failed: false, now: 20)
        pools.remove(3)
        _ = pools.add(3, failed: false, now: 30)
        let oldest = pools.oldestRested
        #expect(oldest?.index == 4)
    }

    @Test func `a pool that is there already keeps its place`() {
        var pools = make()
        _ = pools.add(3, failed: false, now: 10)
        _ = pools.add(3, failed: true, now: 20)
        let (oldest, failed, count) = (pools.oldestRested, pools.oldestFailed, pools.count)
        #expect(oldest?.since == 10 && failed == nil && count == 1)
    }

    @Test func `one too many pushes the oldest of its kind out`() {
        var pools = make()
        var out: [PoolIndex?] = []
        for (index, failed) in [(1, false), (2, true), (3, false), (4, true), (5, true), (6, false)] {
            let pushed = pools.add(PoolIndex(UInt32(index)), failed: failed, now: 0)
            if let pushed { pools.remove(pushed) }
            out.append(pushed)
        }
        let count = pools.count
        #expect(out == [nil, nil, nil, nil, 2, 1])
        #expect(count == 4)
    }

    @Test func `removing one that is not there does nothing`() {
        var pools = make()
        pools.remove(7)
        let count = pools.count
        #expect(count == 0)
    }
}
