import Engine
import FixedStorage
import Pooling

/// test_rotate_servers: a client never gets the server it had last, if the pool has or may
/// open another. So what a session leaves behind on a server shows at once. Idle servers
/// go round, the least recently used first.
extension EngineThread {
    /// An idle server other than the client's last, or `absent`: the client is on the
    /// waiting list.
    @_noLocks
    mutating func leaseOther(_ c: ClientIndex) -> ServerIndex {
        ends.pools.lease(c, ends.clients[c].pool, but: ends.clients[c].server)
    }

    /// A server that is free: to the first client that waits and had another one last.
    mutating func placeRotating(_ s: ServerIndex) {
        let p = ends.servers[s].pool
        var c = ends.pools.firstWaiting(p)
        while c != .absent && ends.clients[c].server == s { c = ends.pools.waiting(behind: c) }
        if c == .absent && ends.pools.servers(p) == 1 { c = ends.pools.firstWaiting(p) }
        if c != .absent { return lend(s, to: c) }
        if ends.pools.waitingElsewhere(p) > 0 {
            ends.pools.handedOver(p)
            if handOver(s) { return }
        }
        ends.pools.restsLast(s, p)
        becameIdle(s)
    }

    /// A client that waits may have to take the server it had last: there is no other.
    mutating func endRotationWait(_ p: PoolIndex) {
        guard ends.pools.hasWaiting(p), ends.pools.servers(p) == 1, ends.pools.idle(p) > 0 else { return }
        let s = ends.pools.firstIdle(p)
        ends.pools.takeIdle(s, p)
        lend(s, to: ends.pools.firstWaiting(p))
    }

    /// Others don't become free: who has waited for a while takes what there is.
    mutating func endRotationWaits() {
        for p in ends.pools.indices {
            while ends.pools.hasWaiting(p), ends.pools.idle(p) > 0, ends.pools.opening(p) == 0,
                now &- ends.clients[ends.pools.firstWaiting(p)].since > Self.tick
            {
                let s = ends.pools.firstIdle(p)
                ends.pools.takeIdle(s, p)
                lend(s, to: ends.pools.firstWaiting(p))
            }
        }
    }

    /// A leased server goes to a client on the waiting list.
    private mutating func lend(_ s: ServerIndex, to c: ClientIndex) {
        leaveQueue(c)
        give(s, to: c)
    }
}
