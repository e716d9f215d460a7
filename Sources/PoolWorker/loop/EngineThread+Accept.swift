import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// New connections, up to the end of their startup packet.
extension EngineThread {
    /// Accepts what waits at a listener, and deals the sockets out to the threads in turn.
    mutating func acceptClients(_ index: Int) {
        for _ in 0..<64 {
            let fd = acceptor.accept(index)
            if fd == -EAGAIN { return }
            guard fd >= 0 else { return pauseAccepting(fd) }
            guard shared.mayAccept(tuning) else {
                turnAway(fd)
                continue
            }
            shared.countClient(1)
            let thread = acceptor.deal()
            if thread == number {
                adopt(fd)
            } else {
                shared.inboxes[thread].post(.accepted(descriptor: fd))
            }
        }
    }

    private mutating func pauseAccepting(_ error: Int32) {
        if acceptor.failed(poller, now) {
            shared.log(.error, "accept failed: \(errorText(-error)); trying again until it works")
        }
        csys_timer_hasten(ticker, Acceptor.pause)
    }

    /// Too many connections that have not even said what they are: this one hears so at once.
    private mutating func turnAway(_ fd: Int32) {
        // With bytes unread the end of the connection would overtake the message.
        _ = scratch.receive(fd)
        let error = room.refusal
        let frame = error.frame
        if tuning.log_pooler_errors {
            shared.log(.warning, "C-: (nodb)/(nouser)@\(peerText(fd)) closing because: \(error.message)")
        }
        unsafe frame.withUnsafeBytes { _ = unsafe csys_send(fd, $0.baseAddress, $0.count) }
        csys_close(fd)
    }

    /// Takes over a socket that was accepted (and counted).
    mutating func adopt(_ fd: Int32) {
        let secret = randomBytes(4).reduce(0) { $0 << 8 | UInt32($1) } | 1
        guard let c = ends.add(Client(stream: Stream(descriptor: fd), secret: secret, now: now))
        else {
            csys_close(fd)
            shared.countClient(-1)
            return
        }
        logins.begin(c)
        if !ends.clients[c].stream.watch(poller, clientToken(c)) { closeClient(c, .clientLeft) }
    }

    /// Bytes came from a client that logs in.
    mutating func readLogin(_ c: ClientIndex) {
        while ends.clients[c].state == .login {
            guard let phase = logins[c]?.phase else { return }
            let more: Bool
            switch phase {
            case .startup: more = readStartup(c)
            case .exchange: more = readExchange(c)
            // Bytes that come now wait in the socket; only the end of the stream counts.
            case .asked, .hashing, .proved:
                if ends.clients[c].hungUp { noticeHangUp(c) }
                return
            }
            guard more, ends.clients[c].state == .login else { return }
        }
    }

    /// Reads one startup packet; false when it has to wait.
    private mutating func readStartup(_ c: ClientIndex) -> Bool {
        guard let login = logins[c] else { return false }
        switch login.readStartup(&ends.clients[c].stream, startupTerms) {
        case .needMore:
            return receiveClient(c)
        case .noEncryption(let refusal):
            send(c, [UInt8(ascii: "N")])
            guard let refusal else { return true }
            closeClient(c, .error(refusal))
        case .cancel(let processID, let secret):
            // Its connection says when the request is done: by its end, as PostgreSQL's does.
            ends.clients[c].cancels(now)
            let requester = CancelRequester(
                thread: number, client: c, generation: ends.clients.generation(c))
            routeCancel(processID: processID, secret: secret, for: requester)
        case .identified(let negotiation):
            if !negotiation.isEmpty { send(c, negotiation) }
            askLogin(c, login)
            return true
        case .refused(let error):
            closeClient(c, .error(error))
        case .outdated(let error):
            send(c, error.oldFrame)
            closeClient(c, .invalidStartup(error.message))
        case .invalid(let why):
            closeClient(c, .invalidStartup(why))
        }
        return false
    }

    private var startupTerms: ClientStartup.Terms {
        ClientStartup.Terms(
            hostName: shared.host.name, keepsOIDs: shared.host.keepsOIDs, ignored: settings.ignoredParameters,
            refusal: admissionRefusal)
    }

    /// Why no more clients are let in; nil: they are.
    var admissionRefusal: ErrorFields? {
        guard let draining else { return room.holds(shared.clients) ? nil : room.refusal }
        let text =
            draining == .transactions ? "the database system is shutting down" : "pooler is shutting down"
        return ErrorFields(.fatal, "57P03", text)
    }

    var room: ClientRoom { ClientRoom(limit: tuning.max_client_conn, shared) }
}
