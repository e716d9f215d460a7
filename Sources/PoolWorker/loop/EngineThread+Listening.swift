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
            guard listening.hasCome(request, of: hub, for: s) else { return }
            sendWaiting(c, isDue: true)
            // The client takes no more now; flushClient comes back here.
            guard !listening.isWaiting(c) else { return }
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

    func database(_ s: ServerIndex) -> UInt32 { ends.pools.record(ends.servers[s].pool)?.databaseID ?? 0 }

    /// A client listens from now on, or no more. False when it had to be closed.
    private mutating func noteListener(_ c: ClientIndex, _ hub: HubID, _ listens: Bool) -> Bool {
        let isKnown = listening.note(c, hub, listens: listens, shared.directory)
        if !isKnown { closeClient(c, .hubGone) }
        return isKnown
    }

    // MARK: notifications

    /// A hub on this thread has a notification, or knows of one that it can't write.
    mutating func deliver(_ frame: [UInt8]?, to processID: UInt32, _ reference: UInt64) {
        guard let thread = ProcessNumbers.thread(of: processID, threads: shared.threads) else { return }
        if thread == number { return notify(processID, reference, frame) }
        shared.inboxes[thread].post(
            .notification(processID: processID, reference: reference, frame: frame))
    }

    /// A notification from a hub on whatever thread.
    mutating func notify(_ processID: UInt32, _ reference: UInt64, _ frame: [UInt8]?) {
        guard let c = logins.client(number: processID), ends.clients[c].ledger.reference == reference,
            reference != 0
        else { return }
        guard let frame else { return closeClient(c, .unwritableNotification) }
        listening.add(frame, for: c)
        sendWaiting(c)
        if listening.isOverfull(c) { closeClient(c, .tooManyNotifications(limit: Listening.mostOfClient)) }
        limitWaiting()
    }

    /// Where too much waits for all clients together, those for whom most waits have to go.
    mutating func limitWaiting() {
        let most = Listening.most(tuning, threads: shared.threads)
        while let (c, held) = listening.dropLargest(beyond: most) {
            closeClient(c, .notificationMemory(held: held, limit: tuning.max_notification_memory))
        }
    }

    /// Sends a client what waits for it, if this is the time for it.
    /// - Parameter isDue: nothing of its server's is under way to it.
    mutating func sendWaiting(_ c: ClientIndex, isDue: Bool = false) {
        while let frame = listening.next(for: c, isDue: isDue, ends) { send(c, frame) }
    }

    /// A NotificationResponse of the client's own server, while that runs the worker's own query.
    mutating func notifyDirectly(_ c: ClientIndex, _ body: ArraySlice<UInt8>) {
        if c != .absent { send(c, notificationFrame(body)) }
    }

    /// A hub has sent all that there was at a request: those that wait for that go on.
    mutating func hubHasRead(_ slot: UInt32, _ request: UInt32) {
        for s in listening.hubHasRead(slot, request) { postGoOn(s) }
    }
}
