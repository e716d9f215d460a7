import FixedStorage
import Pooling

/// Facts: what a backend takes on at its login for as long as it lives (facts.h). The host
/// counts their changes: a server may serve a client if it has logged in after the last change
/// that the client's own login has seen.
///
/// That is so because each thread keeps, for its part of a pool, the latest change that a
/// client of it has seen, and has no idle server from before it: one that becomes free later
/// meets `hasFacts`.
extension EngineThread {
    /// A client whose facts have changed at this moment is about to enter a pool.
    mutating func raiseFacts(_ p: PoolIndex, _ moment: UInt64) {
        guard moment > ends.pools.facts(p) else { return }
        factsChanged(p, moment)
        guard ends.pools.areShared else { return }
        shared.post(.factsChanged(p, moment: moment))
    }

    /// Idle servers from before are closed, others when they become free.
    mutating func factsChanged(_ p: PoolIndex, _ moment: UInt64) {
        guard ends.pools.raiseFacts(p, moment) else { return }
        // Why a login failed before may be what has changed.
        ends.pools.mayOpen(p)
        for s in ends.servers.indices
        where ends.servers[s].pool == p && !ends.servers[s].isForHub && ends.servers[s].facts < moment {
            switch ends.servers[s].state {
            case .idle: closeServer(s, outdated)
            case .active, .setup, .recovering, .resetting, .settling, .free:
                ends.servers[s].retires()
            // Those that log in get their facts later; or are none of the pool's.
            case .routing, .connecting, .login, .confirming, .gone: break
            }
        }
    }

    /// The servers of a database are elsewhere since this moment; the directory knows already.
    /// Those that still log in are closed, too: who waits for them gets others.
    mutating func databaseMoved(_ database: UInt32, _ moment: UInt64) {
        for p in ends.pools.ofDatabase(database) {
            factsChanged(p, moment)
            ends.pools.mayOpen(p)
            for s in ends.servers.indices where ends.servers[s].pool == p && ends.servers[s].facts < moment {
                switch ends.servers[s].state {
                case .connecting, .login: closeServer(s, .moved)
                default: break
                }
            }
            if ends.pools.hasWaiting(p) { agenda.post(.openServers(p)) }
        }
    }

    /// Why a server without the latest facts is closed.
    var outdated: CloseReason { shared.host.keepsOIDs ? .factsChanged : .moved }

    /// Whether a server has what a login would take on now.
    func hasFacts(_ s: ServerIndex) -> Bool {
        ends.servers[s].facts >= ends.pools.facts(ends.servers[s].pool) && !ends.servers[s].ledger.isStale
    }
}
