import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// What is due by time, a few times a second; and what other threads ask for.
extension EngineThread {
    mutating func keepHouse() {
        if acceptPausedUntil > 0 && now >= acceptPausedUntil && accepting {
            acceptPausedUntil = 0
            watchListeners()
        }
        for c in 0..<clients.end where clients[c].state != .gone { checkClient(c) }
        for s in 0..<servers.end where servers[s].state != .gone { checkServer(s) }
        for p in 0..<poolEnd where !pools[p].waiting.isEmpty || keepsServers || grants > 0 {
            noteShortage(p)
            openServers(p)
        }
        houseKept = now
        makeRoom()
        if settings.test_rotate_servers { endRotationWaits() }
        keepHubs()
        if number == 0 { freePools() }
    }

    /// Pools that are not used any more; all threads let go of them.
    private func freePools() {
        let idle = Clock.nanoseconds(settings.autodb_idle_timeout)
        guard let left = shared.directory.freeUnused(idle: idle, now: now) else { return }
        shared.log(.debug, "unused pools were forgotten: \(left) are left")
        unsafe shared.post(EngineMessage.poolsFreed.message())
    }

    /// Lets go of pools that were freed.
    private mutating func forgetPools() {
        let freed = shared.directory.locked { poolDetails.filter { $0.value.record.isFreed } }
        for p in freed.keys {
            poolDetails[p] = nil
            listening.wanting.remove(p)
        }
        poolEnd = poolDetails.keys.max().map { $0 + 1 } ?? 0
        keepsServers = poolDetails.values.contains { $0.minServers > 0 }
    }

    func isDue(_ since: UInt64, _ seconds: Double) -> Bool {
        seconds > 0 && now &- since >= Clock.nanoseconds(seconds)
    }

    private func isDue(_ since: UInt64, after limit: UInt64) -> Bool { limit > 0 && now &- since >= limit }

    private mutating func checkClient(_ c: UInt32) {
        let client = clients[c]
        switch client.state {
        case .login:
            if isDue(client.connected, settings.client_login_timeout) { closeClient(c, .loginTimeout) }
        case .welcome, .waiting:
            if isDue(client.since, settings.query_wait_timeout) { queryWaitOver(c) }
        case .idle, .discarding:
            if draining == .transactions {
                closeClient(c, .shutdown)
            } else {
                checkIdle(c, since: client.since)
            }
        case .active:
            checkTransaction(c)
        case .cancelling:
            if isDue(client.since, settings.cancel_wait_timeout) { closeClient(c, .cancelHandled) }
        case .closing:
            // A peer that takes nothing any more.
            if isDue(client.since, 5) { forgetClient(c) }
        case .gone:
            break
        }
    }

    private mutating func queryWaitOver(_ c: UInt32) {
        let p = clients[c].pool
        let waited = Double(now &- clients[c].since) / 1e9
        guard let record = poolDetails[p]?.record else { return }
        closeClient(
            c,
            .queryWaitTimeout(
                waited: waited, limit: record.settings.pool_size, pool: "\(record.database)/\(record.user)"))
    }

    /// A linked client that owes the next move.
    private mutating func checkTransaction(_ c: UInt32) {
        let s = clients[c].server
        guard servers[s].state == .active else { return }
        if clients[c].ended {
            switch clients[c].end {
            case .terminate, .shutdown: return
            default: break
            }
            if isDue(clients[c].since, Self.lastStatement) { closeEnded(c) }
            return
        }
        // A mark that is gone: something was answered since the last look.
        if servers[s].traffic.isAnswered && !servers[s].traffic.isMarked {
            servers[s].traffic.mark()
            servers[s].since = now
        }
        if draining == .transactions, clients[c].bodyLeft == 0, servers[s].traffic.isPipelining {
            // It may never rest: what it has sent is done, and nothing more is read.
            return clientEnded(c, .shutdown)
        }
        let quiet = servers[s].traffic.isAnswered
        guard quiet || clients[c].bodyLeft > 0 || servers[s].traffic.needsSync else {
            servers[s].since = now
            return
        }
        let inTransaction = servers[s].traffic.status != TransactionStatus.idle || !quiet
        if inTransaction {
            if isDue(servers[s].since, after: clients[c].transactionTimeout) {
                closeClient(c, .transactionTimeout)
            } else if hasHalfAMessage(c, s) {
                checkIdle(c, since: servers[s].since)
            }
        } else if draining == .transactions {
            closeClient(c, .shutdown)
        } else {
            checkIdle(c, since: servers[s].since)
        }
    }

    /// A client outside a transaction has sent no more than a part of a message: as with
    /// PostgreSQL it is idle until it has sent the rest.
    private func hasHalfAMessage(_ c: UInt32, _ s: UInt32) -> Bool {
        guard clients[c].bodyLeft > 0, servers[s].traffic.isAtFirstMessage else { return false }
        return servers[s].traffic.status == TransactionStatus.idle
    }

    /// A client outside a transaction.
    private mutating func checkIdle(_ c: UInt32, since: UInt64) {
        let own = UInt64(ledgerClients.idleTimeout(of: clients[c].ledger)) * 1_000_000
        if isDue(since, after: clients[c].idleTimeout) {
            closeClient(c, .idleTimeout)
        } else if isDue(since, after: own) {
            closeClient(c, .idleSession)
        }
    }

    private mutating func checkServer(_ s: UInt32) {
        let server = servers[s]
        // The hot path looks at the signs, not at the time.
        if now >= server.expires { servers[s].obsolete = true }
        switch server.state {
        case .routing, .connecting, .login, .confirming:
            if isDue(server.connected, settings.server_connect_timeout) {
                serverLoginFailed(
                    s, ErrorFields(.fatal, "08006", "connect timeout", hint: "See server_connect_timeout."),
                    reachable: false, ofPlace: server.state == .connecting)
            }
        case .idle:
            checkIdle(s)
        case .setup, .resetting, .recovering:
            if isDue(server.since, max(settings.cancel_wait_timeout, 1)) {
                let unhurried = server.state == .recovering && server.finishing
                if server.client == noIndex && !unhurried { closeServer(s, .recoveryTimeout) }
            }
        case .settling, .canceller:
            if isDue(server.since, settings.cancel_wait_timeout) { closeServer(s, .cancelHandled) }
        case .hub:
            checkHub(s)
        case .active, .gone:
            break
        }
    }

    private mutating func checkIdle(_ s: UInt32) {
        let p = servers[s].pool
        if now >= servers[s].expires || servers[s].obsolete { return closeServer(s, .lifetime) }
        guard isDue(servers[s].since, settings.server_idle_timeout) else { return }
        let needed = pools[p].clients > 0 ? (poolDetails[p]?.minServers ?? 0) : 0
        if pools[p].servers > needed { closeServer(s, .serverIdle) }
    }

    // MARK: messages

    mutating func readInbox() {
        csys_eventfd_read(inbox.descriptor)
        let end = csys_ends_at_once()
        if end != 0 { sayLastWords(end == CSYS_END_IMMEDIATE ? .immediateShutdown : .serverCrash) }
        while let message = unsafe inbox.take() {
            unsafe handle(message)
            unsafe csys_memory_free(message.payload)
        }
    }

    private mutating func handle(_ message: CsysMessage) {
        let (a, b, c) = unsafe (message.a, message.b, message.c)
        switch unsafe EngineMessage(rawValue: message.kind) {
        case .accepted: adopt(Int32(a))
        case .answered:
            if let payload = unsafe message.payload {
                unsafe answered(HostAnswer(OpaquePointer(payload)))
            }
        case .clientHashed: unsafe clientHashed(a, b, hash(message))
        case .serverHashed: unsafe serverHashed(a, b, hash(message))
        case .cancel:
            if let payload = unsafe message.payload {
                cancelClient(a, b, for: unsafe payload.load(as: CancelRequester.self))
            }
        case .cancelDone: cancelDone(a, b)
        case .wanted: if c != UInt32(number) { giveIdle(a) }
        case .handOver: unsafe takeOver(message.payload)
        case .slotFreed:
            poolDetails[a]?.openAfter = 0
            openServers(a)
        case .evict: evict { $0.databaseID == a }
        case .makeRoom: makeRoom()
        case .slotGranted: slotGranted(a, isFresh: b != 0)
        case .outageOver: outageIsOver(place: a, pool: b)
        case .notification: unsafe hear(a, reference: UInt64(b) << 32 | UInt64(c), message.payload)
        case .hubReady: hubIsReady(Hub(database: a, slot: b, process: c))
        case .hubRead: hubHasRead(a, b)
        case .hubGone: hubIsGone(Hub(database: a, slot: b, process: c))
        case .standbyChanged: tellStandby(a, b == 1, but: noIndex)
        case .factsChanged: factsChanged(a, UInt64(b) << 32 | UInt64(c))
        case .moved: databaseMoved(a, UInt64(b) << 32 | UInt64(c))
        case .poolsFreed: forgetPools()
        case .reload: reload()
        case .drain: drain(Drain(rawValue: a) ?? .clients)
        case .stop:
            stopping = true
            attention = true
        case nil: break
        }
    }

    private func hash(_ message: CsysMessage) -> [UInt8] {
        guard let payload = unsafe message.payload else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: payload, count: 32))
    }

    private mutating func evict(_ matches: (PoolRecord) -> Bool) {
        for s in 0..<servers.end where servers[s].state == .idle || isUnusedHub(s) {
            if let record = poolDetails[servers[s].pool]?.record, matches(record) { closeServer(s, .evicted) }
        }
    }

    private mutating func reload() {
        texts = shared.settings
        settings = texts.tuning
        if number == 0 { shared.log(.info, "the settings were read again") }
        for c in 0..<clients.end where clients[c].state != .gone {
            clients[c].signs.rotates = settings.test_rotate_servers || draining == .transactions
        }
        for p in 0..<poolEnd where pools[p].clients > 0 { askSettings(p) }
    }

    private mutating func drain(_ how: Drain) {
        draining = how
        if accepting {
            accepting = false
            forgetListeners()
            for listener in listeners { listener.refuse() }
        }
        if how == .transactions {
            // the hot path leaves the end of their transactions to `release`
            for c in 0..<clients.end where clients[c].state != .gone { clients[c].signs.rotates = true }
        }
        keepHouse()
    }

    /// The process is about to end: tells every client whose socket takes it at once. The thread
    /// ends with it.
    private mutating func sayLastWords(_ reason: CloseReason) {
        let frame = reason.error?.frame ?? []
        for c in 0..<clients.end where clients[c].state != .gone && clients[c].state != .closing {
            let s = clients[c].linkedServer
            // not in the middle of another message
            guard clients[c].output.isEmpty, s == noIndex || servers[s].bodyLeft == 0 else { continue }
            _ = clients[c].output.append(frame)
            _ = clients[c].output.send(clients[c].fd, frame.count)
        }
        csys_last_words_said()
    }

    /// The end of the thread: every client hears of it.
    mutating func closeEverything() {
        for c in 0..<clients.end where clients[c].state != .gone {
            closeClient(c, .shutdown)
            if clients[c].state != .gone { forgetClient(c) }
        }
        for s in 0..<servers.end where servers[s].state != .gone {
            if servers[s].fd >= 0 { csys_close(servers[s].fd) }
        }
    }
}
