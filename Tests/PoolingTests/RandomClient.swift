import TestSupport
import Wire

/// A client that reads nothing and sends whole requests of every kind, some with messages
/// lost, doubled or put in between: every order that a driver could or should not choose.
struct RandomClient {
    private var left: [ClientMessage] = []
    /// So many of a hundred messages are out of place.
    private let disorder: Int
    /// So many of a hundred requests are sent only when nothing is under way.
    private let patience: Int
    private var waits = false

    init(_ random: inout SeededGenerator) {
        disorder = random.pick([(2, 0), (2, 4), (1, 20), (1, 100)])
        patience = random.pick([(1, 0), (2, 60), (2, 100)])
        waits = random.chance(patience)
    }

    /// The message to send next; nil while the client waits for the link to be `drained`.
    mutating func next(drained: Bool, _ random: inout SeededGenerator) -> ClientMessage? {
        if left.isEmpty && waits && !drained { return nil }
        defer { if left.isEmpty { waits = random.chance(patience) } }
        if random.chance(disorder) {
            if random.chance(50) { return Self.anything(&random) }
            if !left.isEmpty { left.removeFirst() }
        }
        while left.isEmpty { left = Self.request(&random) }
        return random.chance(disorder / 4) ? left[0] : left.removeFirst()
    }

    static func step(_ random: inout SeededGenerator) -> Step {
        random.pick([(6, Step.rows), (5, .copyIn), (1, .copyOut), (1, .empty), (1, .begin), (1, .commit)])
    }

    static func anything(_ random: inout SeededGenerator) -> ClientMessage {
        let character: Character = random.pick([
            (4, "Q"), (1, "F"), (3, "P"), (3, "B"), (2, "D"), (5, "E"), (1, "C"), (1, "H"), (6, "S"),
            (4, "d"),
            (4, "c"), (1, "f"),
        ])
        switch character {
        case "Q": return ClientMessage("Q", (0..<random.below(4)).map { _ in step(&random) })
        case "E": return ClientMessage("E", [step(&random)])
        default: return ClientMessage(character)
        }
    }

    /// One request; a COPY IN in it is fed without waiting.
    static func request(_ random: inout SeededGenerator) -> [ClientMessage] {
        switch random.below(6) {
        case 0:
            let steps = (0..<1 + random.below(2)).map { _ in step(&random) }
            return [ClientMessage("Q", steps)] + steps.filter { $0 == .copyIn }.flatMap { _ in data(&random) }
        case 1:
            return [random.chance(20) ? ClientMessage("F") : ClientMessage("Q", [.rows])]
        case 2:
            return group([step(&random)], &random) + some("S", 1, &random)
        case 3:
            return group([.rows, random.chance(20) ? .copyIn : .rows], &random) + [ClientMessage("S")]
        default:
            // libpq's COPY, with Syncs more or less
            var messages = group([.copyIn], &random)
            messages += some("S", 1, &random)
            messages += data(&random)
            return messages + some("S", 1, &random)
        }
    }

    private static func group(_ steps: [Step], _ random: inout SeededGenerator) -> [ClientMessage] {
        var messages: [ClientMessage] = []
        for step in steps {
            messages += some("P", 0, &random)
            messages.append(ClientMessage("B"))
            messages += some("D", 0, &random)
            messages.append(ClientMessage("E", [step]))
            messages += some("H", 0, &random)
        }
        return messages
    }

    /// This message so many times, or a few more.
    private static func some(
        _ character: Character, _ least: Int, _ random: inout SeededGenerator
    ) -> [ClientMessage] {
        let more = random.pick([(6, 0), (3, 1), (1, 2)])
        return [ClientMessage](
            repeating: ClientMessage(character), count: max(0, least + more - random.below(2)))
    }

    private static func data(_ random: inout SeededGenerator) -> [ClientMessage] {
        var messages = (0..<random.below(4)).map { _ in ClientMessage(random.chance(10) ? "H" : "d") }
        messages.append(ClientMessage(random.chance(15) ? "f" : "c"))
        return messages
    }
}
