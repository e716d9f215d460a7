import FixedStorage
import TestSupport
import Testing

@testable import Pooling

/// One pool on two threads with clients and servers that come, go, wait and fail by chance.
@Suite struct PoolSimulationTests {
    struct World: ~Copyable {
        var here = PoolShard()
        var there = PoolShard()
        let limits: PoolLimits
        /// Servers of other pools of the same database and user.
        var elsewhere: Int
        var handedOver = 0

        var mayOpen: Bool {
            let servers = here.total + there.total
            return limits.reached(
                poolServers: servers, databaseServers: servers + elsewhere, userServers: servers + elsewhere
            ).isEmpty
        }

        /// A server is free; it goes from thread to thread as long as the pool says so.
        mutating func release(_ server: ServerIndex, isHere: Bool) {
            let left =
                isHere
                ? here.release(server, foreign: there.waiting.count)
                : there.release(server, foreign: here.waiting.count)
            guard left else { return }
            handedOver += 1
            if isHere {
                guard let place = there.freeServers.first else { return }
                there.adopt(place)
                _ = there.release(place, foreign: 0)
            } else {
                guard let place = here.freeServers.first else { return }
                here.adopt(place)
                _ = here.release(place, foreign: 0)
            }
        }
    }

    /// One thing happens on one of the threads.
    static func step(_ shard: inout PoolShard, mayOpen: Bool, _ random: inout SeededGenerator) -> ServerIndex?
    {
        switch random.pick([(10, 0), (9, 1), (3, 2), (2, 3), (1, 4), (1, 5), (1, 6), (1, 7)]) {
        case 0:
            guard let client = shard.quietClients.randomElement(using: &random) else { break }
            shard.request(client, inSteps: random.chance(50))
        case 1:
            return shard.leased.keys.sorted().randomElement(using: &random)
        case 2:
            if shard.pool.isShort && mayOpen { shard.beginOpening() }
        case 3:
            guard shard.opening > 0, let server = shard.freeServers.randomElement(using: &random) else {
                break
            }
            shard.opened(server)
            return server
        case 4:
            if shard.opening > 0 { shard.openingFailed() }
        case 5:
            if let client = shard.waiting.randomElement(using: &random) { shard.abandon(client) }
        case 6:
            if let server = shard.idle.randomElement(using: &random) { shard.takeIdle(server) }
        default:
            if let server = shard.leased.keys.sorted().randomElement(using: &random) { shard.close(server) }
        }
        return nil
    }

    /// Everything under way ends and nothing new begins: whoever waits must be served.
    static func settle(_ world: inout World, seed: UInt64) {
        world.elsewhere = 0
        for _ in 0..<200 where !(world.here.waiting.isEmpty && world.there.waiting.isEmpty) {
            for isHere in [true, false] {
                if (isHere ? world.here.pool.isShort : world.there.pool.isShort) && world.mayOpen {
                    if isHere { world.here.beginOpening() } else { world.there.beginOpening() }
                }
                while (isHere ? world.here.opening : world.there.opening) > 0 {
                    guard let server = (isHere ? world.here.freeServers : world.there.freeServers).first
                    else { break }
                    if isHere { world.here.opened(server) } else { world.there.opened(server) }
                    world.release(server, isHere: isHere)
                }
                if let server = (isHere ? world.here.leased : world.there.leased).keys.min() {
                    world.release(server, isHere: isHere)
                }
            }
        }
        let left = world.here.waiting.count + world.there.waiting.count
        #expect(left == 0, "seed \(seed): \(left) clients wait for ever")
    }

    @Test(arguments: UInt64(0)..<40) func `a pool serves every client once and in its turn`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let limits = PoolLimits(
            pool: 1 + random.below(8), database: random.pick([(1, 0), (1, 6)]),
            user: random.pick([(1, 0), (1, 7)]))
        var world = World(limits: limits, elsewhere: random.below(5))
        for number in 0..<3_000 {
            let mayOpen = world.mayOpen
            let isHere = random.chance(60)
            let released =
                isHere
                ? Self.step(&world.here, mayOpen: mayOpen, &random)
                : Self.step(&world.there, mayOpen: mayOpen, &random)
            if let released { world.release(released, isHere: isHere) }
            world.here.check()
            world.there.check()
            let servers = world.here.total + world.there.total
            guard world.here.problem == nil, world.there.problem == nil, servers <= limits.pool else {
                let problem = world.here.problem ?? world.there.problem ?? "\(servers) servers"
                Issue.record("seed \(seed), step \(number): \(problem)")
                return
            }
        }
        let handedOver = world.handedOver
        #expect(handedOver > 0, "seed \(seed)")
        Self.settle(&world, seed: seed)
    }
}
