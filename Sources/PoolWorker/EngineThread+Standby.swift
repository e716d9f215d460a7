import Engine
import FixedStorage
import Pooling
import Wire

/// Without agents: whether a server is a hot standby is no client's setting, and the same for
/// all clients of its pool. After a promotion PostgreSQL tells the client that it serves.
extension EngineThread {
    /// A server reported it after its login; what logins are told is corrected at once.
    mutating func noteStandby(_ s: ServerIndex, _ value: [UInt8]) {
        guard servers[s].state != .login, let record = pools.record(servers[s].pool),
            shared.directory.correct(record, PoolRecord.standby, value)
        else { return }
        standbyChanged(s, value)
    }

    /// A server of a pool says something else than the last one; all clients are to know.
    mutating func standbyChanged(_ s: ServerIndex, _ value: [UInt8]) {
        let isStandby = value == Array("on".utf8)
        tellStandby(servers[s].pool, isStandby, but: servers[s].client)
        for other in 0..<shared.threads where other != number {
            shared.inboxes[other].post(.standbyChanged(servers[s].pool, isStandby: isStandby))
        }
    }

    /// Tells the clients of a pool on this thread, as soon as they are outside a transaction.
    /// - Parameter served: the client that the server itself tells.
    mutating func tellStandby(_ p: PoolIndex, _ isStandby: Bool, but served: ClientIndex) {
        let frame = parameterMessages([(PoolRecord.standby, Array((isStandby ? "on" : "off").utf8))])
        for c in clients.indices where clients[c].pool == p && c != served {
            switch clients[c].state {
            case .idle, .waiting, .active, .discarding:
                listening.waiting.append(frame, for: c)
                hear(c)
            default: break
            }
        }
        limitWaiting()
    }
}
