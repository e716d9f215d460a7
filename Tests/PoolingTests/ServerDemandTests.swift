import Testing

@testable import Pooling

/// When a thread opens servers for a pool, and what it does while it can't.
@Suite struct ServerDemandTests {
    static let (tick, slice, second) = (333 * BackoffTests.ms, SlotQueue.slice, 1000 * BackoffTests.ms)

    static func counts(clients: Int = 9, waiting: Int = 0, servers: Int = 1, opening: Int = 0)
        -> ServerDemand.Counts
    {
        ServerDemand.Counts(clients: clients, waiting: waiting, servers: servers, opening: opening)
    }

    static let short = counts(waiting: 1)

    private func plan(_ obstacle: ServerDemand.Obstacle, _ counts: ServerDemand.Counts = Self.short)
        -> ServerDemand.Plan
    {
        var demand = ServerDemand()
        return demand.hindered(by: obstacle, counts, looked: 0, tick: Self.tick, Self.second)
    }

    // MARK: steps

    @Test func `a server is opened for each client that waits, and for no other`() {
        var demand = ServerDemand()
        let steps = (0...3).map { demand.next(Self.counts(waiting: 2, opening: $0), Self.second) }
        #expect(steps == [.tryToOpen, .tryToOpen, .rest, .rest])
    }

    @Test func `a pool with clients has its least servers opened, one without has not`() {
        var demand = ServerDemand()
        demand.settled(least: 2)
        let steps = [Self.counts(servers: 1), Self.counts(servers: 2), Self.counts(clients: 0, servers: 0)]
            .map {
                demand.next($0, Self.second)
            }
        #expect(steps == [.tryToOpen, .rest, .rest])
    }

    @Test func `a server that is counted already is opened first`() {
        var demand = ServerDemand()
        demand.grant(at: 0)
        let steps = (0..<2).map { _ in demand.next(Self.short, Self.second) }
        #expect(steps == [.open, .tryToOpen])
    }

    @Test func `one that is counted waits for its moment, and goes back where no client waits`() {
        var demand = ServerDemand()
        demand.grant(at: Self.second)
        #expect(demand.isHeldBack(Self.short, Self.second - 1))
        let steps = [
            (Self.short, Self.second - 1), (Self.counts(), Self.second - 1), (Self.counts(), Self.second),
        ]
        .map { demand.next($0.0, $0.1) }
        #expect(steps == [.rest, .giveBack, .rest])
    }

    @Test func `nothing is opened before what was in the way may have gone`() {
        var demand = ServerDemand()
        _ = demand.hindered(
            by: .limits(.pool), Self.short, looked: 0, tick: Self.tick, Self.second)
        let early = demand.next(Self.short, Self.second + Self.tick - 1)
        let late = demand.next(Self.short, Self.second + Self.tick)
        #expect([early, late] == [.rest, .tryToOpen])
        _ = demand.hindered(by: .limits(.pool), Self.short, looked: 0, tick: Self.tick, Self.second)
        demand.mayOpen()
        let freed = demand.next(Self.short, Self.second)
        #expect(freed == .tryToOpen)
    }

    // MARK: plans

    @Test func `a pool waits for what others have of each limit that is reached, unless it is its own`() {
        let limits: [PoolLimits.Reached] = [
            .pool, .database, .user, [.database, .user], [.pool, .database],
        ]
        let scopes = limits.map { plan(.limits($0)).scopes }
        #expect(scopes == [[], .database, .user, [.database, .user], []])
        #expect(plan(.descriptors).scopes == .process)
    }

    @Test func `a pool for whose clients servers are being opened waits for nothing`() {
        let plan = plan(.limits(.database), Self.counts(waiting: 1, opening: 1))
        #expect(plan.scopes.isEmpty)
        #expect(plan.pause == Self.tick)
    }

    @Test func `one that waits in the queue tries again after a slice, others after a tick`() {
        #expect(plan(.limits(.database)).pause == Self.slice)
        #expect(plan(.descriptors).pause == Self.slice)
        #expect(plan(.limits(.pool)).pause == Self.tick)
    }

    @Test func `an outage says itself when to try again, at a full server not after a slice`() {
        let soon = Self.second + 20 * BackoffTests.ms
        let pauses = [(soon, false), (soon, true), (9 * Self.second, false), (9 * Self.second, true)].map {
            plan(.outage(until: $0.0, isFull: $0.1)).pause
        }
        #expect(pauses == [20 * BackoffTests.ms, 20 * BackoffTests.ms, 8 * Self.second, Self.slice])
        #expect(plan(.outage(until: soon, isFull: true)).scopes == .place)
        #expect(plan(.outage(until: soon, isFull: false)).scopes == [])
    }

    @Test func `logins are told of an outage where no server is there, and of a limit never`() {
        let none = Self.counts(waiting: 1, servers: 0)
        let outage = ServerDemand.Obstacle.outage(until: 2 * Self.second, isFull: false)
        #expect(plan(outage, none).tellsLogins)
        #expect(!plan(outage).tellsLogins)
        #expect(!plan(.limits(.database), none).tellsLogins)
    }

    @Test func `it is urgent when clients have waited at each look for a slice of time`() {
        let looks = [1, 2, 3].map { $0 * Self.slice }
        for (seen, expected) in [
            ([0, 1, 2], true), ([1, 2], true), ([0, 2], false), ([0, 1], false), ([2], false),
        ] {
            var demand = ServerDemand()
            for look in looks.indices where seen.contains(look) {
                demand.looked(Self.short, before: look > 0 ? looks[look - 1] : 0, looks[look])
            }
            let plan = demand.hindered(
                by: .limits(.database), Self.short, looked: looks[2], tick: Self.tick,
                looks[2] + 50 * BackoffTests.ms)
            #expect(plan.isUrgent == expected, "\(seen)")
        }
    }

    // MARK: other threads

    @Test func `the first that waits asks the other threads, more of them once in a while`() {
        var demand = ServerDemand()
        let pause = ServerDemand.pauseOfAsking
        let asks = [(0, 0), (1, 0), (1, 1), (2, 2), (2, 1 + pause)].map {
            demand.asksOthers(Self.counts(waiting: $0.0), Self.second + $0.1)
        }
        #expect(asks == [false, true, true, false, true])
    }
}
