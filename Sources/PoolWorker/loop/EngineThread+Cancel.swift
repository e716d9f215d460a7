import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// Cancel requests. A client's key is the process id it was told and a random number. The
/// statement that is hit is always the client's own: its server isn't released while a cancel is
/// on its way, and a cancel that comes too late is dropped. The connection that brought the request
/// ends when it is done: when the signal has been sent, or nothing is to be cancelled. A client that
/// waits for that can send its next statement safely.
extension EngineThread {
    /// A cancel request came in on this thread: to the thread of the client it names.
    mutating func routeCancel(processID: UInt32, secret: UInt32, for requester: CancelRequester) {
        if settings.test_faults, processID == 0x7EA9, secret == 0x5452_4150 {
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
        let limit = Clock.nanoseconds(settings.cancel_wait_timeout)
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

    /// Reads and drops the request of a client that was cancelled while it waited: a
    /// Query, or all up to the Sync; then answers as the server would.
    mutating func discardRequest(_ c: ClientIndex) {
        while ends.clients[c].state == .discarding {
            let input = ends.clients[c].stream.input
            if ends.clients[c].bodyLeft > 0, !input.isEmpty {
                ends.clients[c].discardsBody()
                continue
            }
            if ends.clients[c].bodyLeft == 0, ends.clients[c].requestEnded {
                return answerCancelled(c)
            }
            let header = FrameHeader.read(input.bytes, at: 0, limit: FrameLimit.large)
            if ends.clients[c].bodyLeft == 0, case .header(let tag, let body) = header {
                var traffic = Traffic()
                switch traffic.frontend(tag) {
                case .terminate: return closeClient(c, .terminated)
                case .invalid: return clientEnded(c, malformation(c))
                case .forward: break
                }
                ends.clients[c].stream.input.drop(FrameHeader.size)
                ends.clients[c].discardsMessage(
                    body: body, hasAnswer: !traffic.isAnswered,
                    endsRequest: tag == FrontendTag.query || tag == FrontendTag.sync
                        || tag == FrontendTag.functionCall)
                continue
            }
            if case .malformed = header, ends.clients[c].bodyLeft == 0 {
                return clientEnded(c, malformation(c))
            }
            guard receiveClient(c) else { return noteNothingCancelled(c) }
        }
    }

    /// There is no more to drop for now. What is left of a COPY has no answer: without a request
    /// nothing was cancelled, and the next one is none of this cancel's.
    private mutating func noteNothingCancelled(_ c: ClientIndex) {
        guard ends.clients[c].state == .discarding, ends.clients[c].bodyLeft == 0,
            !ends.clients[c].requestBegan
        else {
            return
        }
        ends.clients[c].discarded(now)
    }

    private mutating func answerCancelled(_ c: ClientIndex) {
        var writer = FrameWriter()
        writer.raw(ErrorFields(.error, "57014", "canceling statement due to user request").frame)
        writer.readyForQuery()
        ends.clients[c].discarded(now)
        if ends.clients[c].stream.input.isEmpty { ends.clients[c].stream.input.giveBack() }
        send(c, writer.bytes)
        postStartRequest(c)
    }

    /// Receives into a client's input block; false when nothing came (the client may be
    /// closed then).
    mutating func receiveClient(_ c: ClientIndex) -> Bool {
        let n = ends.clients[c].stream.receive()
        if n > 0 { return true }
        if n != Stream.wouldBlock { closeClient(c, .clientLeft) }
        return false
    }

    /// The stream of a client that logs in or waits has ended, or failed. What it sent before is
    /// done, as with PostgreSQL; who sent nothing whole is not worth a server.
    mutating func noticeHangUp(_ c: ClientIndex) {
        if !ends.clients[c].stream.receiveAll() || !holdsRequest(c) { closeClient(c, .clientLeft) }
    }

    /// Whether a whole message is in a client's input block, or may be.
    private func holdsRequest(_ c: ClientIndex) -> Bool {
        let input = ends.clients[c].stream.input
        switch FrameHeader.read(input.bytes, at: 0, limit: FrameLimit.large) {
        case .needMore: return false
        case .malformed: return true
        case .header(_, let body): return input.count >= FrameHeader.size + body || input.room == 0
        }
    }
}
