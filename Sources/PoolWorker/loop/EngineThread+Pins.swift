import CLedger
import Engine
import FixedStorage
import Pooling
import Wire

/// What of a session can't be carried to another server keeps its client on the one it
/// has: the link goes on as in session mode, until a ReadyForQuery finds no pins.
extension EngineThread {
    /// A link that would end has pins.
    mutating func pin(_ c: ClientIndex, _ s: ServerIndex) {
        ends.servers[s].linkRests(now)
        guard notePins(c, s, ends.servers[s].ledger.pins) else { return }
        if ends.servers[s].pins & PinReasons.listen != 0 {
            if wantHub(s) { return }
        }
        ends.servers[s].clientStays()
        postGoOn(s)
    }

    /// False when the client had to be closed, as too many have pins.
    private mutating func notePins(_ c: ClientIndex, _ s: ServerIndex, _ pins: UInt32) -> Bool {
        let before = ends.servers[s].pins
        guard pins != before else { return true }
        ends.servers[s].isKept(for: pins)
        shared.log(.debug, "\(describe(c)) keeps its server: \(PinReasons.text(pins))")
        guard before == 0, let record = ends.pools.record(ends.servers[s].pool) else { return true }
        let limit = Int(tuning.max_pinned_servers)
        let count = shared.directory.countPinned(record, 1)
        guard limit > 0, count > limit, pins != PinReasons.listen else { return true }
        closeClient(
            c,
            .error(
                ErrorFields(
                    .fatal, "53400", "too many servers are pinned",
                    detail: "A pool may have \(limit); this session would pin one for: "
                        + "\(PinReasons.text(pins)).",
                    hint: "Raise max_pinned_servers, or end what pins servers.")))
        return false
    }

    /// A server is kept by nobody, or goes.
    mutating func unpin(_ s: ServerIndex) {
        guard ends.servers[s].pins != 0 else { return }
        ends.servers[s].isKept(for: 0)
        if let record = ends.pools.record(ends.servers[s].pool) {
            _ = shared.directory.countPinned(record, -1)
        }
        let c = ends.servers[s].client
        if c != .absent { shared.log(.debug, "\(describe(c)) keeps its server no longer") }
    }
}

/// CLEDGER_PIN_….
enum PinReasons {
    static let listen = UInt32(CLEDGER_PIN_LISTEN)

    /// What people call them.
    static func text(_ pins: UInt32) -> String {
        let known = (0..<Int32(CLEDGER_PIN_REASONS)).filter { pins & (1 << UInt32($0)) != 0 }
        if known.isEmpty { return "unknown (\(pins))" }
        return known.map { unsafe String(cString: cledger_pin_name($0)) }.joined(separator: ", ")
    }
}
