import Engine
import FixedStorage
import Pooling

/// A client has gone; its server is brought back to where the next client can have it.
extension EngineThread {
    /// - Parameters:
    ///   - isPartial: the client stopped in the middle of a message.
    ///   - finishing: what it asked for is to be done, not interrupted.
    mutating func clientLeft(_ s: ServerIndex, isPartial: Bool, finishing: Bool) {
        let reference = ends.clients[ends.servers[s].client].leavesLedger()
        cancellers.clientLeft(s, ends)
        switch ends.servers[s].clientLeaves(reference, isPartial: isPartial, finishing: finishing, now) {
        case .waits: break
        case .lost: closeServer(s, .recoveryTimeout)
        case .recovers:
            recover(s)
            // What it has sent meanwhile may be waiting.
            if ends.servers[s].state == .recovering { agenda.goOn(serverToken(s)) }
        }
    }

    /// Nothing runs any more for the client that has left.
    mutating func forgetLeft(_ s: ServerIndex) {
        shared.ledger.leave(ends.servers[s].forgetsLeft())
    }

    /// Brings a server towards where the next client can have it, as far as it goes without waiting.
    mutating func recover(_ s: ServerIndex) {
        while ends.servers[s].state == .recovering {
            switch ends.servers[s].recoveryStep() {
            case .wait:
                return
            case .send(let messages):
                guard sendServer(s, messages) else { return closeServer(s, .serverGone) }
            case .interrupt:
                ends.servers[s].isInterrupted()
                interrupt(.absent, s)
            case .end(let message):
                ends.servers[s].isToEnd()
                guard sendServer(s, message) else { return closeServer(s, .serverGone) }
            case .rollBack:
                // still the session of the client that has left
                runTask(s, .rollback, Array("ROLLBACK".utf8))
            case .rest:
                // (an agent that has yet to read how the session of that client starts goes on in it)
                if ends.servers[s].startedFor == .absent { forgetLeft(s) }
                resetServer(s)
            }
        }
    }

    /// The next client must find nothing of the last one.
    mutating func resetServer(_ s: ServerIndex) {
        let mode = ends.pools.mode(ends.servers[s].pool)
        let reset = ends.servers[s].resetAfterClient(mode, isConfigured: !settings.resetQuery.isEmpty)
        unpin(s)
        switch reset {
        case .nothing: passOn(s)
        case .discardAll: runTask(s, .reset, Array("DISCARD ALL".utf8))
        case .configured: runTask(s, .reset, settings.resetQuery)
        }
    }
}
