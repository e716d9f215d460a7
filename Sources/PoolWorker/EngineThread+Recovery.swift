import Engine
import FixedStorage
import Pooling
import Wire

/// A client has gone; its server is brought back to where the next client can have it.
extension EngineThread {
    /// - Parameter partialFrame: the client stopped in the middle of a frame, so that the
    ///   server can't be spoken to any more.
    /// - Parameter finishing: what it asked for is to be done, not interrupted.
    mutating func clientLeft(_ s: ServerIndex, partialFrame: Bool, finishing: Bool) {
        let c = servers[s].client
        // Its agent may not have seen yet whom it serves: what the client sent is done as the
        // client's, to the end.
        servers[s].left = clients[c].ledger
        clients[c].ledger = .nobody
        if c != .absent { servers[s].unlinked() }
        cancellersForget(s)
        switch servers[s].state {
        case .setup:
            // Its answer comes soon; then the server is free.
            servers[s].leavesSetup()
            return
        case .active:
            break
        default:
            return
        }
        if partialFrame { return closeServer(s, .recoveryTimeout) }
        servers[s].recovers(finishing: finishing, now)
        recover(s)
        // What it has sent meanwhile may be waiting.
        if servers[s].state == .recovering { agenda.goOn(serverToken(s)) }
    }

    /// Nothing runs any more for the client that has left.
    mutating func forgetLeft(_ s: ServerIndex) {
        servers[s].ledger.attach(.nobody)
        shared.ledger.leave(servers[s].left)
        servers[s].left = .nobody
    }

    /// One step towards an idle server.
    mutating func recover(_ s: ServerIndex) {
        guard servers[s].state == .recovering else { return }
        if servers[s].ending { return interruptOnce(s) }
        if servers[s].traffic.isUncertain || servers[s].traffic.isInexact { return endInOrder(s) }
        if servers[s].traffic.isCopyingIn {
            var writer = FrameWriter()
            writer.frame(FrontendTag.copyFail) { $0.string("client disconnected") }
            _ = servers[s].traffic.frontend(FrontendTag.copyFail)
            guard sendServer(s, writer.bytes) else { return closeServer(s, .serverGone) }
        }
        if servers[s].traffic.needsSync || servers[s].traffic.lacksAnswer {
            guard sendServer(s, lastMessages(s)) else { return closeServer(s, .serverGone) }
        }
        if servers[s].traffic.isDoubtful { return endInOrder(s) }
        guard servers[s].traffic.isQuiet else {
            return interruptOnce(s)
        }
        guard servers[s].bodyLeft == 0 else { return }
        if servers[s].cancels > 0 { return }  // closeCanceller comes back here
        servers[s].stream.input.isEmpty ? servers[s].stream.input.giveBack() : ()
        if servers[s].traffic.status == TransactionStatus.idle {
            // (an agent that has yet to read how the session of that client starts goes on in it)
            if servers[s].startedFor == .absent { forgetLeft(s) }
            resetServer(s)
        } else {
            // still the session of the client that has left
            runTask(s, .rollback, Array("ROLLBACK".utf8))
        }
    }

    private mutating func interruptOnce(_ s: ServerIndex) {
        guard !servers[s].interrupted else { return }
        servers[s].interrupted = true
        interrupt(.absent, s)
    }

    /// What brings a server to a ReadyForQuery whose client has sent messages without one: a Sync.
    /// Where it would commit, a ROLLBACK goes first, as PostgreSQL aborts what is not synced when
    /// its client ends. In the extended protocol: after an error it is skipped with all else.
    private mutating func lastMessages(_ s: ServerIndex) -> [UInt8] {
        var writer = FrameWriter()
        if servers[s].traffic.needsSync {
            // in a block of its own PostgreSQL has nothing to warn of
            let isOpen = servers[s].traffic.status != TransactionStatus.idle
            for statement in isOpen ? ["ROLLBACK"] : ["BEGIN", "ROLLBACK"] {
                writer.execution(of: Array(statement.utf8))
                servers[s].traffic.ownExecution()
            }
        }
        writer.frame(FrontendTag.sync)
        servers[s].traffic.ownSync()
        return writer.bytes
    }

    /// It can't be counted when the server has done what its client has sent. The server is told
    /// that this was all, as a client of its own would tell it; it does what came before, and
    /// closes the connection.
    private mutating func endInOrder(_ s: ServerIndex) {
        servers[s].ending = true
        interruptOnce(s)
        var writer = FrameWriter()
        writer.frame(FrontendTag.terminate)
        if !sendServer(s, writer.bytes) { closeServer(s, .serverGone) }
    }

    /// The next client must find nothing of the last one: in session mode of anything, else
    /// of what an agent can't carry.
    mutating func resetServer(_ s: ServerIndex) {
        // An agent that may not have heard yet how the last client's session starts would take
        // the next one's start for it: it has to answer something first.
        let isDue =
            servers[s].pins != 0 || servers[s].ledger.pins != 0 || servers[s].startedFor != .absent
        servers[s].startedFor = .absent
        unpin(s)
        let query = isDue ? Array("DISCARD ALL".utf8) : texts.resetQuery
        servers[s].traffic = Traffic()
        if isDue || (pools.mode(servers[s].pool) == .session && !query.isEmpty) {
            runTask(s, .reset, query)
        } else {
            passOn(s)
        }
    }
}
