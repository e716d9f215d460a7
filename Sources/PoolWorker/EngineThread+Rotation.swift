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
        let p = clients[c].pool
        var s = pools[p].idle.first
        if s != .absent && s == clients[c].server { s = serverLinks[s].next }
        if s == .absent {
            pools[p].waiting.pushLast(c, &clientLinks)
        } else {
            pools[p].takeIdle(s, &serverLinks)
        }
        return s
    }

    /// A server that is free: to the first client that waits and had another one last.
    mutating func placeRotating(_ s: ServerIndex, foreign: Int32) {
        let p = servers[s].pool
        var c = pools[p].waiting.first
        while c != .absent && clients[c].server == s { c = clientLinks[c].next }
        if c == .absent && pools[p].servers == 1 { c = pools[p].waiting.first }
        if c != .absent { return lend(s, to: c) }
        if foreign > 0 {
            pools[p].handedOver()
            if handOver(s) { return }
        }
        pools[p].becameIdleLast(s, &serverLinks)
        becameIdle(s)
    }

    /// A client that waits may have to take the server it had last: there is no other.
    mutating func endRotationWait(_ p: PoolIndex) {
        guard !pools[p].waiting.isEmpty, pools[p].servers == 1, !pools[p].idle.isEmpty else { return }
        let s = pools[p].idle.first
        pools[p].takeIdle(s, &serverLinks)
        lend(s, to: pools[p].waiting.first)
    }

    /// Others don't become free: who has waited for a while takes what there is.
    mutating func endRotationWaits() {
        for p in poolIndices {
            while !pools[p].waiting.isEmpty, !pools[p].idle.isEmpty, pools[p].opening == 0,
                now &- clients[pools[p].waiting.first].since > Self.tick
            {
                let s = pools[p].idle.first
                pools[p].takeIdle(s, &serverLinks)
                lend(s, to: pools[p].waiting.first)
            }
        }
    }

    /// A leased server goes to a client on the waiting list.
    private mutating func lend(_ s: ServerIndex, to c: ClientIndex) {
        leaveQueue(c)
        give(s, to: c)
    }
}
