import Engine
import FixedStorage
import Pooling

/// Cancel requests. A client's key is the process id it was told and a random number. The
/// statement that is hit is always the client's own: its server isn't released while a cancel is
/// on its way, and a cancel that comes too late is dropped. The connection that brought the request
/// ends when it is done: when the signal has been sent, or nothing is to be cancelled. A client that
/// waits for that can send its next statement safely.
extension EngineThread {
    /// A cancel request came in on this thread: to the thread of the client it names.
    mutating func routeCancel(processID: UInt32, secret: UInt32, for requester: CancelRequester) {
        if tuning.test_faults, processID == 0x7EA9, secret == 0x5452_4150 {
            fatalError("trap on request")
        }
        guard let thread = ProcessNumbers.thread(of: processID, threads: shared.threads) else {
            return cancelDone(requester)
        }
        if thread == number {
            cancelClient(processID, secret, for: requester)
        } else {
            shared.inboxes[thread].post(.cancel(processID: processID, secret: secret, requester: requester))
        }
    }

    /// A cancel request is done: the connection that brought it ends, on whatever thread it is.
    func cancelDone(_ requester: CancelRequester) {
        shared.inboxes[requester.thread].post(
            .cancelDone(requester.client, generation: requester.generation))
    }

    mutating func cancelDone(_ c: ClientIndex, _ generation: UInt32) {
        guard ends.clients.generation(c) == generation, ends.clients[c].state == .cancelling else { return }
        closeClient(c, .cancelHandled)
    }

    /// Cancels what a client of this thread has asked for last.
    mutating func cancelClient(_ processID: UInt32, _ secret: UInt32, for requester: CancelRequester) {
        guard let c = logins.client(number: processID), ends.clients[c].secret == secret else {
            return cancelDone(requester)
        }
        switch ends.clients[c].state {
        case .waiting:
            leaveQueue(c)
            ends.clients[c].discards()
            discardRequest(c)
        case .active:
            let s = ends.clients[c].server
            if ends.servers[s].state == .setup && ends.servers[s].task == .parameters {
                ends.clients[c].cancelledInSetup()
            } else if ends.servers[s].runsStatement(of: c), interrupt(c, s, for: requester) {
                return
            }
        case .login, .welcome, .idle, .discarding, .cancelling, .closing, .gone:
            break
        }
        cancelDone(requester)
    }

    /// Interrupts what a server runs.
    /// - Parameters:
    ///   - c: whose statement is to end; `absent`: that of the client that has left.
    ///   - requester: the connection that has brought the request.
    /// - Returns: false if nothing is on its way: the request is done.
    @discardableResult
    mutating func interrupt(_ c: ClientIndex, _ s: ServerIndex, for requester: CancelRequester? = nil) -> Bool
    {
        cancellers.interrupt(c, s, serverLogins.connector(s), for: requester, &ends, poller, shared)
    }

    mutating func cancellerEvent(_ k: CancellerIndex, _ event: PollEvent) {
        if let done = cancellers.event(k, event, &ends, poller, shared) { requestDone(done) }
    }

    /// Gives up cancel requests that take too long.
    mutating func closeOldCancellers() {
        guard cancellers.count > 0 else { return }
        let limit = Clock.nanoseconds(tuning.cancel_wait_timeout)
        for done in cancellers.closeOld(limit, &ends, poller, shared) { requestDone(done) }
    }

    private mutating func requestDone(_ done: Cancellers.Done) {
        if let requester = done.requester { cancelDone(requester) }
        guard let s = done.server else { return }
        switch ends.servers[s].state {
        case .settling: passOn(s)
        case .recovering: recover(s)
        default: break
        }
    }
}
