import Testing

#if canImport(Glibc)
import Glibc
#endif

@Suite struct SimulationTests {
    /// So many seeds a test case, which may run side by side.
    private static let share = 50

    private static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

    /// CARPOOL_SEEDS says how many seeds are tried; CARPOOL_SEED tries that one alone and tells what it does.
    private static var shares: Range<Int> {
        number("CARPOOL_SEED") != nil ? 0..<1 : 0..<((number("CARPOOL_SEEDS") ?? 1000) + share - 1) / share
    }

    @Test(arguments: shares)
    func `whatever clients and servers do, nobody hears another's answer and nobody is forgotten`(share: Int)
    {
        let alone = Self.number("CARPOOL_SEED")
        let first = alone ?? share * Self.share
        for seed in first..<(alone.map { $0 + 1 } ?? first + Self.share) {
            let simulation = Simulation(seed: UInt64(seed))
            simulation.run(steps: 150)
            if alone != nil { print((simulation.trace + simulation.log).joined(separator: "\n")) }
            if let problem = simulation.problem {
                Issue.record("seed \(seed): \(problem)")
                return
            }
        }
    }
}
