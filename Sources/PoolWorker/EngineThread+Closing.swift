import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// Connections end.
extension EngineThread {
    /// Ends a client: it is told why, if there is anything to tell, and its server is
    /// brought back to the pool.
    mutating func closeClient(_ c: ClientIndex, _ reason: CloseReason) {
        guard clients[c].state != .closing, clients[c].state != .gone else { return }
        logClosing(c, reason)
        leaveQueue(c)
        forgetListener(c)
        let s = clients[c].linkedServer
        // In the middle of a server's frame there is no place for a message of ours.
        let mayTell = s == .absent || servers[s].state != .active || servers[s].bodyLeft == 0
        clients[c].closes(now)
        clients[c].stream.input.giveBack()
        if logins[c]?.phase == .hashing { shared.hasher.drop(hashAsker(client: c)) }
        defer { logins[c] = nil }
        starts[c] = nil
        if clients[c].counted {
            clients[c].counted = false
            pools.clientLeft(clients[c].pool)
            if let record = pools.record(clients[c].pool) { shared.directory.leave(record, now: now) }
        }
        if s != .absent {
            // Who says goodbye has what it sent before done, as with PostgreSQL itself.
            var finishing = false
            if case .terminated = reason { finishing = true }
            if servers[s].startedFor != c { servers[s].startedFor = .absent }
            clientLeft(s, partialFrame: clients[c].bodyLeft > 0, finishing: finishing)
        }
        shared.ledger.leave(clients[c].ledger)
        clients[c].ledger = .nobody
        if let error = reason.error, mayTell {
            send(c, logins[c]?.isProved == true ? authenticationOk + error.frame : error.frame)
        }
        if clients[c].stream.output.isEmpty || clients[c].isUnreachable { forgetClient(c) }
    }

    /// Takes a client off its pool's waiting list.
    mutating func leaveQueue(_ c: ClientIndex) {
        let queued = clients[c].state == .waiting || clients[c].state == .welcome
        guard queued, clients[c].pool != .absent else { return }
        pools.abandon(c, clients[c].pool)
    }

    /// Closes the socket of a client in state closing.
    mutating func forgetClient(_ c: ClientIndex) {
        clients[c].stream.close(poller)
        parameterSets.release(clients[c].parameters)
        processNumbers.giveBack(clients[c].processID)
        clients[c].gone()
        clients.remove(c)
        shared.countClient(-1)
    }

    private func logClosing(_ c: ClientIndex, _ reason: CloseReason) {
        if reason.isPoolerError {
            guard settings.log_pooler_errors else { return }
            let detail = reason.error?.detail.map { " (\($0))" } ?? ""
            shared.log(.warning, "\(describe(c)) closing because: \(reason.text)\(detail)\(age(c))")
        } else if settings.log_disconnections, clients[c].counted {
            shared.log(.info, "\(describe(c)) closing because: \(reason.text)\(age(c))")
        }
    }

    private func age(_ c: ClientIndex) -> String {
        " (age=\((now &- clients[c].connected) / 1_000_000_000)s)"
    }

    /// "database/user@address:port" of a client.
    func describe(_ c: ClientIndex) -> String {
        let names: String
        if clients[c].pool != .absent, let record = pools.record(clients[c].pool) {
            names = "\(record.database)/\(userName(c))"
        } else {
            names = logins[c]?.names ?? "(nodb)/(nouser)"
        }
        return "C-\(number).\(c): \(names)@\(peerText(clients[c].stream.descriptor))"
    }

    /// The name of the user of a client that has entered its pool.
    func userName(_ c: ClientIndex) -> String {
        guard let record = pools.record(clients[c].pool) else { return "(nouser)" }
        guard record.isShared else { return record.user }
        return shared.directory.locked { record.names[clients[c].role] } ?? record.user
    }

    func describeServer(_ s: ServerIndex) -> String {
        guard let record = pools.record(servers[s].pool) else { return "S-\(number).\(s):" }
        return "S-\(number).\(s): \(record.database)/\(record.user) pid \(servers[s].pid)"
    }

    // MARK: sending

    /// Sends bytes of ours to a client, behind what is already on its way to it.
    mutating func send(_ c: ClientIndex, _ bytes: [UInt8]) {
        guard clients[c].stream.output.append(bytes) else {
            clients[c].hungUp = true
            return
        }
        flushOutput(c)
    }

    private mutating func flushOutput(_ c: ClientIndex) {
        switch clients[c].stream.flush() {
        case .all: break
        case .waits: watchClient(c, output: true)
        case .failed:
            clients[c].stream.output.giveBack()
            clients[c].hungUp = true
            clients[c].readable = true
        }
    }

    /// The client takes bytes again.
    mutating func flushClient(_ c: ClientIndex) {
        flushOutput(c)
        guard clients[c].stream.output.isEmpty else { return }
        if listening.waiting.isWaiting(c) { hear(c) }
        let s = clients[c].server
        if clients[c].state == .active, s != .absent, servers[s].state == .active {
            if servers[s].stream.input.hasMemory { servers[s].readable = true }
            settle(pumpServer(s), client: c, server: s)
        }
    }

    /// Sends bytes of ours to a server; false when it is gone.
    mutating func sendServer(_ s: ServerIndex, _ bytes: [UInt8]) -> Bool {
        guard servers[s].stream.output.append(bytes) else { return false }
        return flushServerOutput(s)
    }

    private mutating func flushServerOutput(_ s: ServerIndex) -> Bool {
        switch servers[s].stream.flush() {
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
            servers[s].readable = true  // the receive will say what happened
            servers[s].hungUp = true
            servers[s].stream.output.giveBack()
            return
        }
        let c = servers[s].client
        if servers[s].stream.output.isEmpty, servers[s].state == .active, c != .absent {
            settle(pumpClient(c), client: c, server: s)
        }
    }

    // MARK: servers

    /// A linked server takes no more: it has closed its end, behind its last words, if it had any.
    mutating func serverDeaf(_ s: ServerIndex) {
        let c = servers[s].client
        guard c != .absent, servers[s].state == .active else { return }
        servers[s].stream.output.giveBack()
        servers[s].readable = true
        servers[s].hungUp = true
        let stop = pumpServer(s)
        // Without more to come it would wait for nothing; a slow client comes back to it.
        if stop == .idle && clients[c].stream.output.isEmpty { return serverDied(s, .serverGone) }
        settle(stop, client: c, server: s)
    }

    /// A server ended while it may have had a client.
    mutating func serverDied(_ s: ServerIndex, _ reason: CloseReason) {
        let c = servers[s].client
        // After the server's own last words, or in the middle of a frame of its, a message of
        // ours would only confuse.
        let told = servers[s].traffic.hasFailed || servers[s].bodyLeft > 0
        let words = servers[s].state == .setup ? taskErrors[s] : nil
        let wasToEnd = servers[s].ending
        closeServer(s, wasToEnd ? .endedInOrder : reason)
        guard c != .absent, clients[c].server == s else { return }
        clients[c].losesServer()
        if wasToEnd {
            closeEnded(c)
        } else if told, clients[c].state == .active {
            clients[c].hungUp = clients[c].stream.output.isEmpty
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
        let p = servers[s].pool
        let state = servers[s].state
        logServer(s, reason)
        switch state {
        case .routing, .connecting, .login, .confirming:
            if state == .login { shared.hasher.drop(hashAsker(server: s)) }
            if !servers[s].isForHub { pools.openingEnded(p) }
        case .idle:
            pools.takeIdle(s, p)
            pools.leasedEnded(p)
        case .active, .setup, .recovering, .resetting, .settling, .free:
            pools.leasedEnded(p)
        case .gone:
            return
        }
        unpin(s)
        listening.requests[s] = nil
        let wasForHub = servers[s].isForHub
        shared.ledger.leave(servers[s].left)
        shared.ledger.giveBack(server: servers[s].slot)
        serverLogins[s] = nil
        connectors[s] = nil
        taskErrors[s] = nil
        if servers[s].stream.isOpen {
            if state == .idle { sayGoodbye(s) }
            shared.countServer(-1)
        }
        servers[s].stream.close(poller)
        parameterSets.release(servers[s].parameters)
        servers[s].gone()
        servers.remove(s)
        if wasForHub { hubEnded(p) } else { slotFreed(p, held: state.isLoggedIn) }
    }

    private mutating func sayGoodbye(_ s: ServerIndex) {
        var writer = FrameWriter()
        writer.frame(FrontendTag.terminate)
        servers[s].stream.sendLast(writer.bytes)
    }

    /// A server of the pool is gone: another pool that waited may have a new one, or this one.
    private mutating func slotFreed(_ p: PoolIndex, held: Bool) {
        guard let record = pools.record(p) else { return }
        grant(shared.directory.giveBack(record, held: held, now: now))
        pools.openAfter(p, 0)
        if pools.waitingElsewhere(p) > 0 {
            shared.post(.slotFreed(p))
        }
        if pools.hasWaiting(p) { agenda.post(.openServers(p)) }
    }

    private func logServer(_ s: ServerIndex, _ reason: CloseReason) {
        let level: Host.Level =
            switch reason {
            case .serverGone, .serverMalformed, .loginFailed, .connectTimeout, .recoveryTimeout, .stillPinned:
                .warning
            default: .info
            }
        guard level == .warning || settings.log_disconnections else { return }
        shared.log(level, "\(describeServer(s)) closing because: \(reason.text)")
    }
}
