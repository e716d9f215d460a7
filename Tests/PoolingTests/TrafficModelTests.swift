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
            case 0 where toSend > 0:
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

    @Test func `a server is never released while it owes a reply`() {
        let releases = (UInt64(0)..<20_000).map(Self.run(seed:))
        #expect(releases.reduce(0, +) > 20_000)
    }
}
