import Engine
import FixedStorage
import Pooling
import Wire

/// Connections end.
extension EngineThread {
    /// Ends a client: it is told why, if there is anything to tell, and its server is
    /// brought back to the pool.
    mutating func closeClient(_ c: ClientIndex, _ reason: CloseReason) {
        guard ends.clients[c].state != .closing, ends.clients[c].state != .gone else { return }
        logClosing(c, reason)
        leaveQueue(c)
        listening.forget(c, shared.directory)
        let s = ends.clients[c].linkedServer
        // In the middle of a server's frame there is no place for a message of the worker's.
        let mayTell = s == .absent || ends.servers[s].state != .active || ends.servers[s].bodyLeft == 0
        ends.clients[c].closes(now)
        if logins[c]?.phase == .hashing { shared.hasher.drop(hashAsker(client: c)) }
        defer { logins.end(c) }
        _ = logins.takeStart(c)
        if ends.clients[c].leavesPool() {
            ends.pools.clientLeft(ends.clients[c].pool)
            if let record = ends.pools.record(ends.clients[c].pool) {
                shared.directory.leave(record, now: now)
            }
        }
        if s != .absent {
            // Who says goodbye has what it sent before done, as with PostgreSQL itself.
            var finishing = false
            if case .terminated = reason { finishing = true }
            ends.servers[s].heardStart(but: c)
            clientLeft(s, isPartial: ends.clients[c].bodyLeft > 0, finishing: finishing)
        }
        shared.ledger.leave(ends.clients[c].leavesLedger())
        if let error = reason.error, mayTell {
            send(c, logins[c]?.phase == .proved ? authenticationOk + error.frame : error.frame)
        }
        if ends.clients[c].stream.output.isEmpty || ends.clients[c].isUnreachable { forgetClient(c) }
    }

    /// Takes a client off its pool's waiting list.
    mutating func leaveQueue(_ c: ClientIndex) {
        let queued = ends.clients[c].state == .waiting || ends.clients[c].state == .welcome
        guard queued, ends.clients[c].pool != .absent else { return }
        ends.pools.abandon(c, ends.clients[c].pool)
    }

    /// Closes the socket of a client in state closing.
    mutating func forgetClient(_ c: ClientIndex) {
        parameterSets.release(ends.clients[c].parameters)
        logins.giveBack(number: ends.clients[c].processID)
        ends.removeClient(c, poller)
        shared.countClient(-1)
    }

    private func logClosing(_ c: ClientIndex, _ reason: CloseReason) {
        if reason.isPoolerError {
            guard tuning.log_pooler_errors else { return }
            let detail = reason.error?.detail.map { " (\($0))" } ?? ""
            shared.log(.warning, "\(describe(c)) closing because: \(reason.text)\(detail)\(age(c))")
        } else if tuning.log_disconnections, ends.clients[c].counted {
            shared.log(.info, "\(describe(c)) closing because: \(reason.text)\(age(c))")
        }
    }

    private func age(_ c: ClientIndex) -> String {
        " (age=\((now &- ends.clients[c].connected) / 1_000_000_000)s)"
    }

    /// "database/user@address:port" of a client.
    func describe(_ c: ClientIndex) -> String {
        let names: String
        if ends.clients[c].pool != .absent, let record = ends.pools.record(ends.clients[c].pool) {
            names = "\(record.database)/\(userName(c))"
        } else {
            names = logins[c]?.startup.names ?? "(nodb)/(nouser)"
        }
        return "C-\(number).\(c): \(names)@\(peerText(ends.clients[c].stream.descriptor))"
    }

    /// The name of the user of a client that has entered its pool.
    func userName(_ c: ClientIndex) -> String {
        guard let record = ends.pools.record(ends.clients[c].pool) else { return "(nouser)" }
        guard record.isShared else { return record.user }
        return shared.directory.locked { record.names[ends.clients[c].role] } ?? record.user
    }

    func describeServer(_ s: ServerIndex) -> String {
        guard let record = ends.pools.record(ends.servers[s].pool) else { return "S-\(number).\(s):" }
        return "S-\(number).\(s): \(record.database)/\(record.user) pid \(ends.servers[s].pid)"
    }

    // MARK: sending

    /// Sends the worker's own bytes to a client, behind what is already on its way to it.
    mutating func send(_ c: ClientIndex, _ bytes: [UInt8]) {
        if ends.clients[c].send(bytes) { watchClient(c, output: true) }
    }

    /// The client takes bytes again.
    mutating func flushClient(_ c: ClientIndex) {
        if ends.clients[c].flush() { watchClient(c, output: true) }
        guard ends.clients[c].stream.output.isEmpty else { return }
        if listening.isWaiting(c) { sendWaiting(c) }
        let s = ends.clients[c].server
        if ends.clients[c].state == .active, s != .absent, ends.servers[s].state == .active {
            if ends.servers[s].stream.input.hasMemory { ends.servers[s].mayHaveInput() }
            settle(ends.pumpServer(s), client: c, server: s)
        }
    }

    /// Sends the worker's own bytes to a server. Returns false if its stream has failed.
    mutating func sendServer(_ s: ServerIndex, _ bytes: [UInt8]) -> Bool {
        guard ends.servers[s].stream.output.append(bytes) else { return false }
        return flushServerOutput(s)
    }

    private mutating func flushServerOutput(_ s: ServerIndex) -> Bool {
        switch ends.servers[s].stream.flush() {
        case .all: return true
        case .waits:
            watchServer(s, output: true)
            return true
        case .failed: return false
        }
    }

    /// The server takes bytes again.
    mutating func flushServer(_ s: ServerIndex) {
        guard flushServerOutput(s) else {
            ends.servers[s].hearsEnd()
            ends.servers[s].stream.output.giveBack()
            return
        }
        let c = ends.servers[s].client
        if ends.servers[s].stream.output.isEmpty, ends.servers[s].state == .active, c != .absent {
            settle(ends.pumpClient(c), client: c, server: s)
        }
    }

    // MARK: servers

    /// A linked server takes no more: it has closed its end, behind its last words, if it had any.
    mutating func serverDeaf(_ s: ServerIndex) {
        let c = ends.servers[s].client
        guard c != .absent, ends.servers[s].state == .active else { return }
        ends.servers[s].stream.output.giveBack()
        ends.servers[s].hearsEnd()
        let stop = ends.pumpServer(s)
        // Without more to come it would wait for nothing; a slow client comes back to it.
        if stop == .idle && ends.clients[c].stream.output.isEmpty { return serverDied(s, .serverGone) }
        settle(stop, client: c, server: s)
    }

    /// A server ended while it may have had a client.
    mutating func serverDied(_ s: ServerIndex, _ reason: CloseReason) {
        let c = ends.servers[s].client
        let told = ends.servers[s].hasLastWords
        let words = ends.servers[s].state == .setup ? serverLogins.error(s) : nil
        let wasToEnd = ends.servers[s].ending
        closeServer(s, wasToEnd ? .endedInOrder : reason)
        guard c != .absent, ends.clients[c].server == s else { return }
        ends.clients[c].losesServer()
        if wasToEnd {
            closeEnded(c)
        } else if told, ends.clients[c].state == .active {
            ends.clients[c].hearsNoMore()
            closeClient(c, .toldByServer(reason.text))
        } else if var words {
            words.severity = .fatal
            closeClient(c, .error(words))
        } else {
            closeClient(c, reason)
        }
    }

    /// Closes a server, whatever it does; the client, if any, is the caller's business.
    mutating func closeServer(_ s: ServerIndex, _ reason: CloseReason) {
        let server = ends.servers[s]
        guard server.state != .gone else { return }
        logServer(s, reason)
        if server.state == .login { shared.hasher.drop(hashAsker(server: s)) }
        ends.uncount(s)
        unpin(s)
        listening.forget(s)
        shared.ledger.leave(server.left)
        shared.ledger.giveBack(server: server.slot)
        if server.stream.isOpen {
            if server.state == .idle { sayGoodbye(s) }
            shared.countServer(-1)
        }
        ends.servers[s].stream.close(poller)
        forgetServer(s)
        if server.isForHub {
            hubEnded(server.pool)
        } else {
            slotFreed(server.pool, held: server.state.isLoggedIn)
        }
    }

    /// The entry of a server that has gone, or is another thread's or a hub now, is free.
    mutating func forgetServer(_ s: ServerIndex) {
        serverLogins.forget(s)
        parameterSets.release(ends.servers[s].parameters)
        ends.removeServer(s)
    }

    private mutating func sayGoodbye(_ s: ServerIndex) {
        var writer = FrameWriter()
        writer.frame(FrontendTag.terminate)
        ends.servers[s].stream.sendLast(writer.bytes)
    }

    /// A server of the pool is gone: another pool that waited may have a new one, or this one.
    private mutating func slotFreed(_ p: PoolIndex, held: Bool) {
        guard let record = ends.pools.record(p) else { return }
        grant(shared.directory.giveBack(record, held: held, now: now))
        ends.pools.mayOpen(p)
        if ends.pools.waitingElsewhere(p) > 0 {
            shared.post(.slotFreed(p))
        }
        if ends.pools.hasWaiting(p) { agenda.post(.openServers(p)) }
    }

    private func logServer(_ s: ServerIndex, _ reason: CloseReason) {
        let level: Host.Level =
            switch reason {
            case .serverGone, .serverMalformed, .loginFailed, .connectTimeout, .recoveryTimeout, .stillPinned:
                .warning
            default: .info
            }
        guard level == .warning || tuning.log_disconnections else { return }
        shared.log(level, "\(describeServer(s)) closing because: \(reason.text)")
    }
}
