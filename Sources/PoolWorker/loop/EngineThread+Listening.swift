import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// Clients that listen hear what their database's hub reads: at once when they are outside
/// a transaction, else before the ReadyForQuery that ends it.
extension EngineThread {
    /// The next frame of a linked server is its agent's.
    mutating func readAgent(_ s: ServerIndex) {
        guard ends.servers[s].hasAgent else { return serverDied(s, .serverMalformed) }
        guard case .frame(let frame) = firstFrame(s, BackendTag.agent) else { return }
        let c = ends.servers[s].client
        guard let message = AgentMessage(frame[5...]) else { return serverDied(s, .serverMalformed) }
        if case .listens(let slot, let process, let request, let listens) = message {
            let hub = HubID(database: database(s), slot: slot, process: process)
            guard noteListener(c, hub, listens) else { return }
            let due = Listening.Request(hub: hub, number: request)
            guard listening.isAnswered(due) else {
                listening.requests[s] = due
                return
            }
            listening.requests[s] = nil
            hear(c, isDue: true)
            // The client takes no more now; flushClient comes back here.
            guard !listening.waiting.isWaiting(c) else { return }
        }
        guard ends.servers[s].state == .active, ends.servers[s].client == c else { return }
        ends.servers[s].stream.input.drop(frame.count)
        postGoOn(s)
    }

    /// A whole message of an agent, on a server that no client reads.
    mutating func agentSaid(_ s: ServerIndex, _ body: ArraySlice<UInt8>) {
        guard case .listens(let slot, let process, _, let listens) = AgentMessage(body) else {
            return serverDied(s, .serverMalformed)
        }
        guard ends.servers[s].client != .absent else { return }
        _ = noteListener(
            ends.servers[s].client, HubID(database: database(s), slot: slot, process: process), listens)
    }

    /// A message of the agent in a hub.
    mutating func hubSaid(_ h: HubIndex, _ body: ArraySlice<UInt8>) {
        switch AgentMessage(body) {
        case .notification(let processID, let reference, let body):
            passOn(notificationFrame(body), to: processID, reference)
        case .unwritable(let processID, let reference):
            passOn([], to: processID, reference)
        case .read(let request):
            let slot = hubs[h].id.slot
            hubHasRead(slot, request)
            for other in 0..<shared.threads where other != number {
                shared.inboxes[other].post(.hubRead(slot: slot, request: request))
            }
        case .listens, nil:
            closeHub(h, .serverMalformed)
        }
    }

    func database(_ s: ServerIndex) -> UInt32 { ends.pools.record(ends.servers[s].pool)?.databaseID ?? 0 }

    /// A client listens from now on, or no more. False when it had to be closed: its hub has
    /// gone, and it would miss notifications without knowing.
    private mutating func noteListener(_ c: ClientIndex, _ hub: HubID, _ listens: Bool) -> Bool {
        guard shared.directory.hub(database: hub.database) == hub else {
            closeClient(c, .hubGone)
            return false
        }
        guard listens else {
            if let former = listening.clients.removeValue(forKey: c) {
                shared.directory.countListener(database: former.database, -1)
            }
            return true
        }
        if listening.clients.updateValue(hub, forKey: c) == nil {
            shared.directory.countListener(database: hub.database, 1)
        }
        return true
    }

    /// A client ends.
    mutating func forgetListener(_ c: ClientIndex) {
        listening.waiting.forget(c)
        if let hub = listening.clients.removeValue(forKey: c) {
            shared.directory.countListener(database: hub.database, -1)
        }
    }

    // MARK: hearing

    /// - Parameter frame: empty: a notification that can't be written in the client's encoding.
    private mutating func passOn(_ frame: [UInt8], to processID: UInt32, _ reference: UInt64) {
        guard let thread = ProcessNumbers.thread(of: processID, threads: shared.threads) else { return }
        if thread == number { return hear(processID, reference, frame) }
        shared.inboxes[thread].post(
            .notification(processID: processID, reference: reference, frame: frame))
    }

    /// A notification from a hub on another thread.
    mutating func hear(_ processID: UInt32, _ reference: UInt64, _ frame: [UInt8]) {
        guard let c = logins.client(number: processID), ends.clients[c].ledger.reference == reference,
            reference != 0
        else { return }
        guard !frame.isEmpty else { return closeClient(c, .unwritableNotification) }
        listening.waiting.append(frame, for: c)
        hear(c)
        if listening.waiting.bytes(of: c) > Listening.most { closeClient(c, .tooManyNotifications) }
        limitWaiting()
    }

    /// Where too much waits for all clients together, those for whom most waits have to go.
    mutating func limitWaiting() {
        let most = Listening.most(settings, threads: shared.threads)
        while listening.waiting.bytes > most, let c = listening.waiting.largest {
            let held = listening.waiting.bytes(of: c)
            closeClient(c, .notificationMemory(held: held, limit: settings.max_notification_memory))
            listening.waiting.forget(c)
        }
    }

    /// Sends a client what waits for it, if this is the time for it.
    /// - Parameter isDue: nothing of its server's is under way to it.
    mutating func hear(_ c: ClientIndex, isDue: Bool = false) {
        guard listening.waiting.isWaiting(c), isDue || mayHear(c) else { return }
        while ends.clients[c].stream.output.isEmpty, !ends.clients[c].isUnreachable {
            guard let frame = listening.waiting.takeFirst(of: c) else { break }
            send(c, frame)
        }
    }

    /// A NotificationResponse of the client's own server, while that runs the worker's own query.
    mutating func hearDirectly(_ c: ClientIndex, _ body: ArraySlice<UInt8>) {
        if c != .absent { send(c, notificationFrame(body)) }
    }

    /// Whether a client is outside a transaction, and outside a frame.
    private func mayHear(_ c: ClientIndex) -> Bool {
        switch ends.clients[c].state {
        case .idle, .waiting: return ends.clients[c].stream.output.isEmpty
        case .active:
            let s = ends.clients[c].server
            return ends.servers[s].state == .active && ends.servers[s].traffic.isAnswered
                && ends.servers[s].traffic.status == TransactionStatus.idle && ends.servers[s].bodyLeft == 0
                && !ends.servers[s].stream.input.hasMemory && ends.clients[c].stream.output.isEmpty
        case .login, .welcome, .discarding, .cancelling, .closing, .gone: return false
        }
    }

    /// A hub has sent all that there was at a request: who waits for that goes on.
    mutating func hubHasRead(_ slot: UInt32, _ request: UInt32) {
        listening.answered[slot] = request
        for (s, due) in listening.requests where due.hub.slot == slot && listening.isAnswered(due) {
            listening.requests[s] = nil
            postGoOn(s)
        }
    }
}

private func notificationFrame(_ body: ArraySlice<UInt8>) -> [UInt8] {
    var writer = FrameWriter(capacity: FrameHeader.size + body.count)
    writer.frame(BackendTag.notificationResponse) { $0.raw(body) }
    return writer.bytes
}
