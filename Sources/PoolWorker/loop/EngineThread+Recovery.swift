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
        let c = ends.servers[s].client
        // Its agent may not have seen yet whom it serves: what the client sent is done as the
        // client's, to the end.
        ends.servers[s].clientLeaves(ends.clients[c].leavesLedger())
        cancellers.clientLeft(s, ends)
        switch ends.servers[s].state {
        case .setup:
            // Its answer comes soon; then the server is free.
            ends.servers[s].leavesSetup()
            return
        case .active:
            break
        default:
            return
        }
        if partialFrame { return closeServer(s, .recoveryTimeout) }
        ends.servers[s].recovers(finishing: finishing, now)
        recover(s)
        // What it has sent meanwhile may be waiting.
        if ends.servers[s].state == .recovering { agenda.goOn(serverToken(s)) }
    }

    /// Nothing runs any more for the client that has left.
    mutating func forgetLeft(_ s: ServerIndex) {
        shared.ledger.leave(ends.servers[s].forgetsLeft())
    }

    /// One step towards an idle server.
    mutating func recover(_ s: ServerIndex) {
        guard ends.servers[s].state == .recovering else { return }
        if ends.servers[s].ending { return interruptOnce(s) }
        if ends.servers[s].traffic.isUncertain || ends.servers[s].traffic.isInexact { return endInOrder(s) }
        if ends.servers[s].traffic.isCopyingIn {
            var writer = FrameWriter()
            writer.frame(FrontendTag.copyFail) { $0.string("client disconnected") }
            _ = ends.servers[s].traffic.frontend(FrontendTag.copyFail)
            guard sendServer(s, writer.bytes) else { return closeServer(s, .serverGone) }
        }
        if ends.servers[s].traffic.needsSync || ends.servers[s].traffic.lacksAnswer {
            guard sendServer(s, lastMessages(s)) else { return closeServer(s, .serverGone) }
        }
        if ends.servers[s].traffic.isDoubtful { return endInOrder(s) }
        guard ends.servers[s].traffic.isQuiet else {
            return interruptOnce(s)
        }
        guard ends.servers[s].bodyLeft == 0 else { return }
        if ends.servers[s].cancels > 0 { return }  // requestDone comes back here
        ends.servers[s].stream.input.isEmpty ? ends.servers[s].stream.input.giveBack() : ()
        if ends.servers[s].traffic.status == TransactionStatus.idle {
            // (an agent that has yet to read how the session of that client starts goes on in it)
            if ends.servers[s].startedFor == .absent { forgetLeft(s) }
            resetServer(s)
        } else {
            // still the session of the client that has left
            runTask(s, .rollback, Array("ROLLBACK".utf8))
        }
    }

    private mutating func interruptOnce(_ s: ServerIndex) {
        if ends.servers[s].interrupts() { interrupt(.absent, s) }
    }

    /// What brings a server to a ReadyForQuery whose client has sent messages without one: a Sync.
    /// Where it would commit, a ROLLBACK goes first, as PostgreSQL aborts what is not synced when
    /// its client ends. In the extended protocol: after an error it is skipped with all else.
    private mutating func lastMessages(_ s: ServerIndex) -> [UInt8] {
        var writer = FrameWriter()
        if ends.servers[s].traffic.needsSync {
            // in a block of its own PostgreSQL has nothing to warn of
            let isOpen = ends.servers[s].traffic.status != TransactionStatus.idle
            for statement in isOpen ? ["ROLLBACK"] : ["BEGIN", "ROLLBACK"] {
                writer.execution(of: Array(statement.utf8))
                ends.servers[s].traffic.ownExecution()
            }
        }
        writer.frame(FrontendTag.sync)
        ends.servers[s].traffic.ownSync()
        return writer.bytes
    }

    /// It can't be counted when the server has done what its client has sent. The server is told
    /// that this was all, as a client of its own would tell it; it does what came before, and
    /// closes the connection.
    private mutating func endInOrder(_ s: ServerIndex) {
        ends.servers[s].isToEnd()
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
            ends.servers[s].pins != 0 || ends.servers[s].ledger.pins != 0
            || ends.servers[s].startedFor != .absent
        ends.servers[s].heardStart()
        unpin(s)
        let query = isDue ? Array("DISCARD ALL".utf8) : texts.resetQuery
        ends.servers[s].forgetsTraffic()
        if isDue || (ends.pools.mode(ends.servers[s].pool) == .session && !query.isEmpty) {
            runTask(s, .reset, query)
        } else {
            passOn(s)
        }
    }
}
