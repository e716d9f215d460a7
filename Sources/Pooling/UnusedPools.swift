import FixedStorage

/// The pools that have no clients and no servers, by index: those first that have been so for
/// longest. There are two kinds: pools that have had a server, which are worth remembering, and
/// pools that never had one. So many of each kind are kept; one more pushes the oldest out.
public struct UnusedPools: ~Copyable {
    private var rested = IndexList<PoolKind>()
    private var failed = IndexList<PoolKind>()
    private var links: Links<PoolKind>
    private var members: [PoolIndex: Member] = [:]
    private let most: Int

    private struct Member {
        let failed: Bool
        let since: UInt64
    }

    /// - Parameters:
    ///   - capacity: one more than the highest index.
    ///   - most: how many of each kind are kept.
    ///   - reserve: as for `Table`.
    public init(capacity: Int, most: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        unsafe links = Links(capacity: capacity, reserve: reserve)
        self.most = most
    }

    public var count: Int { members.count }

    /// Adds a pool, unless it is there already.
    /// - Returns: the pool that has to be freed for it, which is still a member.
    public mutating func add(_ index: PoolIndex, failed isFailed: Bool, now: UInt64) -> PoolIndex? {
        guard members[index] == nil else { return nil }
        members[index] = Member(failed: isFailed, since: now)
        if isFailed {
            failed.pushLast(index, &links)
            return failed.count > most ? failed.first : nil
        }
        rested.pushLast(index, &links)
        return rested.count > most ? rested.first : nil
    }

    /// Takes a pool off that is used again, or freed.
    public mutating func remove(_ index: PoolIndex) {
        guard let member = members.removeValue(forKey: index) else { return }
        if member.failed { failed.remove(index, &links) } else { rested.remove(index, &links) }
    }

    /// The oldest of those that never had a server.
    public var oldestFailed: PoolIndex? { failed.isEmpty ? nil : failed.first }

    /// The oldest of the others, and since when it is unused.
    public var oldestRested: (index: PoolIndex, since: UInt64)? {
        guard !rested.isEmpty, let member = members[rested.first] else { return nil }
        return (rested.first, member.since)
    }
}
