import FixedStorage
import Pooling

/// Which server a client gets.
extension Ends {
    /// The server a client had last, if that is idle, else the one that is next; `absent`:
    /// the client is on the waiting list.
    @_noLocks
    mutating func lease(_ c: ClientIndex) -> ServerIndex {
        let p = clients[c].pool
        let last = clients[c].server
        if last != .absent, case .idle = servers[last].state, servers[last].pool == p, !pools.hasWaiting(p) {
            pools.takeIdle(last, p)
            return last
        }
        let alike = idleServer(alike: c)
        if alike != .absent {
            pools.takeIdle(alike, p)
            return alike
        }
        return pools.lease(c, p)
    }

    /// So many idle servers are looked at, the most recently used first.
    private static var looked: Int { @_noLocks get { 8 } }

    /// An idle server whose caches were made in the environment of a client's session: another
    /// one would have to drop them. `absent`: there is none, or others wait.
    @_noLocks
    private func idleServer(alike c: ClientIndex) -> ServerIndex {
        let p = clients[c].pool
        guard !pools.hasWaiting(p), pools.idle(p) > 1 else { return .absent }
        let environment = ledger.environment(of: clients[c].ledger)
        guard environment != 0 else { return .absent }
        var s = pools.firstIdle(p)
        for _ in 0..<Self.looked {
            if s == .absent || servers[s].ledger.environment == environment { break }
            s = pools.idle(behind: s)
        }
        guard s != .absent, servers[s].ledger.environment == environment else { return .absent }
        return s
    }
}
