import Engine
import FixedStorage
import Pooling
import Wire

/// Without agents: whether a server is a hot standby is no client's setting, and the same for
/// all clients of its pool. After a promotion PostgreSQL tells the client that it serves.
extension EngineThread {
    /// A server reported it after its login; what logins are told is corrected at once.
    mutating func noteStandby(_ s: ServerIndex, _ value: [UInt8]) {
        guard ends.servers[s].state != .login, let record = ends.pools.record(ends.servers[s].pool),
            shared.directory.correct(record, PoolRecord.standby, value)
        else { return }
        standbyChanged(s, value)
    }

    /// A server of a pool says something else than the last one; all clients are to know.
    mutating func standbyChanged(_ s: ServerIndex, _ value: [UInt8]) {
        let isStandby = value == Array("on".utf8)
        tellStandby(ends.servers[s].pool, isStandby, but: ends.servers[s].client)
        for other in 0..<shared.threads where other != number {
            shared.inboxes[other].post(.standbyChanged(ends.servers[s].pool, isStandby: isStandby))
        }
    }

    /// Tells the clients of a pool on this thread, as soon as they are outside a transaction.
    /// - Parameter served: the client that the server itself tells.
    mutating func tellStandby(_ p: PoolIndex, _ isStandby: Bool, but served: ClientIndex) {
        let frame = parameterMessages([(PoolRecord.standby, Array((isStandby ? "on" : "off").utf8))])
        for c in ends.clients.indices where ends.clients[c].pool == p && c != served {
            switch ends.clients[c].state {
            case .idle, .waiting, .active, .discarding:
                listening.add(frame, for: c)
                sendWaiting(c)
            default: break
            }
        }
        limitWaiting()
    }
}
