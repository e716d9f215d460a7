import TestSupport
import Testing
import Wire

@testable import Pooling

/// `Traffic` between clients that send anything and a server that follows PostgreSQL's rules.
@Suite struct TrafficModelTests {
    /// - Returns: how often the server was released.
    static func run(seed: UInt64) -> Int {
        var random = SeededGenerator(seed: seed)
        let server = ServerModel(strict: random.chance(50), errors: random.pick([(1, 0), (2, 8), (1, 25)]))
        var link = LinkSimulation(server, pooled: random.chance(70))
        var client = RandomClient(&random)
        var toSend = 60
        // how eager the client, the server and the network are
        let (sending, reading, arrival) = (1 + random.below(6), 1 + random.below(6), 1 + random.below(6))
        for _ in 0..<400 where link.violation == nil && link.server.state != .dead {
            if toSend == 0 && link.isDrained { break }
            switch random.pick([(sending, 0), (reading, 1), (arrival, 2), (1, 3)]) {
            case 0 where toSend > 0 && !link.isFencing:
                guard let message = client.next(drained: link.isDrained, &random) else { break }
                toSend -= 1
                link.send(message)
            case 1 where !link.toServer.isEmpty:
                link.serverReads(&random)
            case 2 where !link.toClient.isEmpty:
                _ = link.receive()
            case 3 where random.chance(link.server.errors):
                link.serverFailsCopying()
            default:
                break
            }
        }
        #expect(
            link.violation == nil,
            "seed \(seed): \(link.violation ?? "")\n\(link.log.joined(separator: " "))")
        return link.releases
    }

    /// A client that sends anything and goes at some time: its server is brought back to where
    /// the next can have it, or given up, and never waited for in vain.
    static func leave(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let server = ServerModel(strict: random.chance(80), errors: random.pick([(1, 0), (2, 8), (2, 25)]))
        var link = LinkSimulation(server, pooled: false)
        var client = RandomClient(&random)
        let (sending, reading, arrival) = (1 + random.below(6), 1 + random.below(6), 1 + random.below(6))
        for _ in 0..<random.below(40) where link.violation == nil && link.server.state != .dead {
            switch random.pick([(sending, 0), (reading, 1), (arrival, 2), (1, 3)]) {
            case 0: if let message = client.next(drained: link.isDrained, &random) { link.send(message) }
            case 1 where !link.toServer.isEmpty: link.serverReads(&random)
            case 2 where !link.toClient.isEmpty: _ = link.receive()
            case 3 where random.chance(link.server.errors): link.serverFailsCopying()
            default: break
            }
        }
        link.leave()
        while link.violation == nil && link.server.state != .dead && !link.isGivenUp && !link.isDrained {
            switch random.pick([(reading, 0), (arrival, 1), (1, 2)]) {
            case 0 where !link.toServer.isEmpty: link.serverReads(&random)
            case 1 where !link.toClient.isEmpty: _ = link.receive()
            case 2: link.serverFailsCopying()
            default: break
            }
        }
        #expect(
            link.violation == nil,
            "seed \(seed): \(link.violation ?? "")\n\(link.log.joined(separator: " "))")
    }

    @Test func `a server whose client has gone comes back`() {
        for seed in 0..<Self.worlds { Self.leave(seed: seed) }
    }

    #if DEBUG
    static let worlds: UInt64 = 5_000
    #else
    static let worlds: UInt64 = 5_000
    #endif

    @Test func `a server is never released while it owes a reply`() {
        let releases = (0..<Self.worlds).map(Self.run(seed:))
        #expect(releases.reduce(0, +) > Int(Self.worlds))
    }

    /// Requests of one kind one after the other, each to its end.
    /// - Parameter errors: per hundred steps of the server.
    /// - Returns: how many links ended spent.
    static func serve(_ kind: OrdinaryClient.Kind, seed: UInt64, errors: Int) -> Int {
        var random = SeededGenerator(seed: seed)
        var spent = 0
        let pooled = random.chance(70)
        var link = LinkSimulation(ServerModel(strict: true, errors: errors), pooled: pooled)
        let (sending, reading, arrival) = (1 + random.below(6), 1 + random.below(6), 1 + random.below(6))
        for _ in 0..<5 where link.violation == nil {
            var client = OrdinaryClient(kind, fails: errors > 0, &random)
            while link.violation == nil && !(client.toSend.isEmpty && link.isDrained) {
                switch random.pick([(sending, 0), (reading, 1), (arrival, 2), (1, 3)]) {
                case 0 where !link.isFencing: if let message = client.next() { link.send(message) }
                case 1 where !link.toServer.isEmpty: link.serverReads(&random)
                case 2 where !link.toClient.isEmpty: client.received(link.receive(), &random)
                case 3 where random.chance(errors): link.serverFailsCopying()
                default: break
                }
            }
            // Data of a COPY that has not begun, and a timeout: its client keeps the server until it leaves.
            if kind == .eagerExtendedCopy && errors > 0 && link.traffic.isUncertain && link.violation == nil {
                link = LinkSimulation(ServerModel(strict: true, errors: errors), pooled: pooled)
                continue
            }
            let quiet = link.traffic.isSpent || link.traffic.isAnswered
            let over = link.traffic.isSpent || link.traffic.isReleasable || link.traffic.needsFence
            #expect(
                link.violation == nil && quiet && over == (link.server.status == TransactionStatus.idle)
                    && (!link.traffic.isSpent || (kind == .extendedCopy && errors > 0)),
                "\(kind), seed \(seed): \(link.violation ?? "busy or spent")\n\(link.log.joined(separator: " "))"
            )
            if link.traffic.isSpent {
                spent += 1
                link = LinkSimulation(ServerModel(strict: true, errors: errors), pooled: pooled)
            }
        }
        return spent
    }

    @Test(arguments: OrdinaryClient.Kind.allCases)
    func `no ordinary client keeps a server longer than it needs it`(kind: OrdinaryClient.Kind) {
        for seed in 0..<Self.worlds / 20 {
            #expect(Self.serve(kind, seed: seed, errors: 0) == 0)
            _ = Self.serve(kind, seed: seed, errors: 15)
        }
    }

    @Test func `a COPY that fails behind its Sync costs the server at most`() {
        let spent = (0..<UInt64(300)).map { Self.serve(.extendedCopy, seed: $0, errors: 15) }
        #expect(spent.reduce(0, +) > 100)
    }
}
