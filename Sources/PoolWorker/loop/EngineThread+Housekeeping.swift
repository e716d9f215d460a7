import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// What is due by time, a few times a second; and what other threads ask for.
extension EngineThread {
    mutating func keepHouse() {
        acceptor.goOn(poller, now)
        let limits = ServerLimits(tuning)
        checkClients()
        for s in ends.servers.indices where ends.servers[s].state != .gone { checkServer(s, limits) }
        closeOldCancellers()
        closeUnusedHubs()
        for p in ends.pools.indices where ends.pools.needsLook(p) {
            ends.pools.noteShortage(p, now)
            openServers(p)
        }
        ends.pools.houseKept(now)
        makeRoom()
        if tuning.test_rotate_servers { endRotationWaits() }
        keepHubs()
        if number == 0 { freePools() }
    }

    /// Pools that are not used any more; all threads let go of them.
    private func freePools() {
        let idle = Clock.nanoseconds(tuning.autodb_idle_timeout)
        guard let left = shared.directory.freeUnused(idle: idle, now: now) else { return }
        shared.log(.debug, "unused pools were forgotten: \(left) are left")
        shared.post(.poolsFreed)
    }

    /// Lets go of pools that were freed.
    private mutating func forgetPools() {
        for p in ends.pools.forgetFreed(shared.directory) { listening.hasNoNeed(p) }
    }

    func isDue(_ since: UInt64, _ seconds: Double) -> Bool {
        seconds > 0 && now &- since >= Clock.nanoseconds(seconds)
    }

    private mutating func checkServer(_ s: ServerIndex, _ limits: ServerLimits) {
        ends.servers[s].ages(now)
        switch limits.excess(ends.servers[s].phase(ends.pools), now) {
        case nil:
            break
        case .opening:
            serverLoginFailed(
                s, ErrorFields(.fatal, "08006", "connect timeout", hint: "See server_connect_timeout."),
                ends.servers[s].state == .connecting ? .nothingThere : .unreachable)
        case .lifetime: closeServer(s, .lifetime)
        case .idling: closeServer(s, .serverIdle)
        case .recovery: closeServer(s, .recoveryTimeout)
        case .cancel: closeServer(s, .cancelHandled)
        }
    }

    // MARK: messages

    mutating func readInbox() {
        csys_eventfd_read(inbox.descriptor)
        let end = csys_ends_at_once()
        if end != 0 { sayLastWords(end == CSYS_END_IMMEDIATE ? .immediateShutdown : .serverCrash) }
        for message in inbox.take() { handle(message) }
    }

    private mutating func handle(_ message: EngineMessage) {
        switch message {
        case .accepted(let descriptor): adopt(descriptor)
        case .answered(let answer): answered(answer)
        case .clientHashed(let c, let generation, let hash): clientHashed(c, generation, hash)
        case .serverHashed(let s, let generation, let hash): serverHashed(s, generation, hash)
        case .cancel(let processID, let secret, let requester):
            cancelClient(processID, secret, for: requester)
        case .cancelDone(let c, let generation): cancelDone(c, generation)
        case .wanted(let p, let thread): if thread != number { giveIdle(p) }
        case .handOver(let parcel): takeOver(parcel)
        case .slotFreed(let p):
            ends.pools.mayOpen(p)
            agenda.post(.openServers(p))
        case .evict(let database): evict(database)
        case .makeRoom: makeRoom()
        case .slotGranted(let p, let later): slotGranted(p, isFresh: later)
        case .outageOver(let place, let p): outageIsOver(place: place, pool: p)
        case .notification(let processID, let reference, let frame): notify(processID, reference, frame)
        case .hubReady(let hub): hubIsReady(hub)
        case .hubRead(let slot, let request): hubHasRead(slot, request)
        case .hubGone(let hub): hubIsGone(hub)
        case .standbyChanged(let p, let isStandby): tellStandby(p, isStandby, but: .absent)
        case .factsChanged(let p, let moment): factsChanged(p, moment)
        case .moved(let database, let moment): databaseMoved(database, moment)
        case .poolsFreed: forgetPools()
        case .reload: reload()
        case .drain(let how): drain(how)
        case .stop:
            agenda.stop()
        }
    }

    private mutating func evict(_ database: UInt32) {
        for s in ends.servers.indices where ends.servers[s].state == .idle && self.database(s) == database {
            closeServer(s, .evicted)
        }
        for h in hubs.unused(database: database, shared.directory) { closeHub(h, .evicted) }
    }

    private mutating func reload() {
        settings = shared.settings
        if number == 0 { shared.log(.info, "the settings were read again") }
        for c in ends.clients.indices where ends.clients[c].state != .gone {
            ends.clients[c].shallRotate(tuning.test_rotate_servers || draining == .transactions)
        }
        for p in ends.pools.indices where ends.pools.clients(p) > 0 { askSettings(p) }
    }

    private mutating func drain(_ how: Drain) {
        draining = how
        acceptor.close(poller)
        if how == .transactions {
            // the hot path leaves the end of their transactions to `release`
            for c in ends.clients.indices where ends.clients[c].state != .gone {
                ends.clients[c].shallRotate(true)
            }
        }
        keepHouse()
    }

    /// The process is about to end: tells every client whose socket takes it at once. The thread
    /// ends with it.
    private mutating func sayLastWords(_ reason: CloseReason) {
        let frame = reason.error?.frame ?? []
        for c in ends.clients.indices
        where ends.clients[c].state != .gone && ends.clients[c].state != .closing {
            let s = ends.clients[c].linkedServer
            // not in the middle of another message
            guard ends.clients[c].stream.output.isEmpty, s == .absent || ends.servers[s].bodyLeft == 0 else {
                continue
            }
            ends.clients[c].stream.sendLast(frame)
        }
        csys_last_words_said()
    }

    /// The end of the thread: every client hears of it.
    mutating func closeEverything() {
        for c in ends.clients.indices where ends.clients[c].state != .gone {
            closeClient(c, .shutdown)
            if ends.clients[c].state != .gone { forgetClient(c) }
        }
        for s in ends.servers.indices where ends.servers[s].state != .gone {
            ends.servers[s].stream.close()
        }
        cancellers.closeAll()
        hubs.closeAll()
    }
}
