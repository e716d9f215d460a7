import TestSupport
import Wire

/// A client as drivers are: it sends a request, feeds a COPY when the server asks for it, and
/// waits for the last reply before it sends the next.
struct OrdinaryClient {
    enum Kind: CaseIterable {
        /// Query, with statements of every sort.
        case simple
        /// Parse, Bind, Describe, Execute and Sync.
        case extended
        /// Several groups, each with its Sync, sent without waiting.
        case pipeline
        /// A Flush between, as who fetches rows in pieces does.
        case flushing
        case functionCall
        /// COPY FROM STDIN by Query.
        case copy
        /// COPY FROM STDIN as libpq's PQexecParams does: a Sync behind Execute, which COPY
        /// swallows, and another behind CopyDone.
        case extendedCopy
        /// COPY data sent without waiting for the server.
        case eagerCopy, eagerExtendedCopy
        case copyOut
    }

    let kind: Kind
    /// Some COPYs end with CopyFail.
    let fails: Bool
    private(set) var toSend: [ClientMessage] = []

    init(_ kind: Kind, fails: Bool, _ random: inout SeededGenerator) {
        self.kind = kind
        self.fails = fails
        toSend = request(&random)
    }

    mutating func next() -> ClientMessage? { toSend.isEmpty ? nil : toSend.removeFirst() }

    /// libpq reads no error before it has sent all COPY data.
    mutating func received(_ message: ServerMessage, _ random: inout SeededGenerator) {
        guard message.tag == BackendTag.copyInResponse, kind == .copy || kind == .extendedCopy else { return }
        toSend += data(&random)
        if kind == .extendedCopy { toSend.append(ClientMessage("S")) }
    }

    private func request(_ random: inout SeededGenerator) -> [ClientMessage] {
        let sort: Step = random.pick([(5, .rows), (1, .empty), (1, .begin), (1, .commit)])
        switch kind {
        case .simple: return [ClientMessage("Q", [sort] + (random.chance(20) ? [.rows] : []))]
        case .copyOut: return [ClientMessage("Q", [.copyOut])]
        case .functionCall: return [ClientMessage("F")]
        case .extended: return Self.group(sort) + [ClientMessage("S")]
        case .pipeline:
            let groups = (0..<2 + random.below(3)).map { _ in
                Self.group(sort) + (random.chance(30) ? Self.group(.rows) : []) + [ClientMessage("S")]
            }
            return groups.flatMap(\.self)
        case .flushing:
            return Self.group(.rows) + [ClientMessage("H"), ClientMessage("E", [.rows]), ClientMessage("S")]
        case .copy: return [ClientMessage("Q", [.copyIn])]
        case .extendedCopy: return Self.group(.copyIn) + [ClientMessage("S")]
        case .eagerCopy: return [ClientMessage("Q", [.copyIn])] + data(&random)
        case .eagerExtendedCopy: return Self.group(.copyIn) + data(&random) + [ClientMessage("S")]
        }
    }

    private static func group(_ step: Step) -> [ClientMessage] {
        [ClientMessage("P"), ClientMessage("B"), ClientMessage("D"), ClientMessage("E", [step])]
    }

    private func data(_ random: inout SeededGenerator) -> [ClientMessage] {
        let rows = (0..<random.below(4)).map { _ in ClientMessage("d") }
        return rows + [ClientMessage(fails && random.chance(15) ? "f" : "c")]
    }
}
