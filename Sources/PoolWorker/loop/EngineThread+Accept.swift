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
            guard shared.mayAccept(settings) else {
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
        let error = tooManyClients
        let frame = error.frame
        if settings.log_pooler_errors {
            shared.log(.warning, "C-: (nodb)/(nouser)@\(peerText(fd)) closing because: \(error.message)")
        }
        unsafe frame.withUnsafeBytes { _ = unsafe csys_send(fd, $0.baseAddress, $0.count) }
        csys_close(fd)
    }

    /// Takes over a socket that was accepted (and counted).
    mutating func adopt(_ fd: Int32) {
        let secret = randomBytes(4).reduce(0) { $0 << 8 | UInt32($1) } | 1
        guard let c = ends.clients.insert(Client(stream: Stream(descriptor: fd), secret: secret, now: now))
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
            case .asked, .hashing:
                if ends.clients[c].hungUp { noticeHangUp(c) }
                return
            }
            guard more, ends.clients[c].state == .login else { return }
        }
    }

    /// Reads one startup packet; false when it has to wait.
    private mutating func readStartup(_ c: ClientIndex) -> Bool {
        switch StartupPacket.parse(ends.clients[c].stream.input.array[...]) {
        case .needMore:
            return receiveClient(c)
        case .malformed(let error):
            closeClient(c, .error(error))
        case .invalid(let why):
            closeClient(c, .invalidStartup(why))
        case .outdated(let error):
            send(c, error.oldFrame)
            closeClient(c, .invalidStartup(error.message))
        case .packet(let packet, let size):
            ends.clients[c].stream.input.drop(size)
            if ends.clients[c].stream.input.isEmpty { ends.clients[c].stream.input.giveBack() }
            return startupPacket(c, packet)
        }
        return false
    }

    private mutating func startupPacket(_ c: ClientIndex, _ packet: StartupPacket) -> Bool {
        switch packet {
        case .sslRequest, .gssEncryptionRequest:
            let ssl = packet == .sslRequest
            guard let login = logins[c], !(ssl ? login.sawSSL : login.sawGSS) else {
                let code = ssl ? StartupPacket.sslCode : StartupPacket.gssCode
                closeClient(c, .error(StartupPacket.unsupported(code)))
                return false
            }
            if ssl { login.sawSSL = true } else { login.sawGSS = true }
            send(c, [UInt8(ascii: "N")])
            guard ends.clients[c].stream.input.isEmpty else {
                closeClient(c, .error(unencryptedData(after: ssl ? "SSL" : "GSSAPI encryption")))
                return false
            }
            return true
        case .cancelRequest(let processID, let secret):
            // Its connection says when the request is done: by its end, as PostgreSQL's does.
            ends.clients[c].cancels(now)
            let requester = CancelRequester(
                thread: number, client: c, generation: ends.clients.generation(c))
            routeCancel(processID: processID, secret: secret, for: requester)
            return false
        case .startup(let minor, let parameters, let options):
            if let draining {
                let text =
                    draining == .transactions
                    ? "the database system is shutting down" : "pooler is shutting down"
                closeClient(c, .error(ErrorFields(.fatal, "57P03", text)))
                return false
            }
            if shared.clients > min(Int(settings.max_client_conn), clientRoom) {
                closeClient(c, .error(tooManyClients))
                return false
            }
            do {
                try readParameters(c, parameters)
            } catch {
                closeClient(c, .error(error))
                return false
            }
            if minor > 0 || !options.isEmpty { negotiate(c, options) }
            askLogin(c)
            return true
        }
    }

    /// Somebody in between may have put it there, for the client to take the answer for the server's.
    private func unencryptedData(after request: String) -> ErrorFields {
        ErrorFields(
            .fatal, "08P01", "received unencrypted data after \(request) request",
            detail: "This could be either a client-software bug or evidence of an attempted "
                + "man-in-the-middle attack.")
    }

    var tooManyClients: ErrorFields {
        guard clientRoom < Int(settings.max_client_conn) else {
            return ErrorFields(
                .fatal, "53300", "no more connections allowed (max_client_conn)",
                detail: "\(settings.max_client_conn) clients are connected.", hint: "Raise max_client_conn.")
        }
        return ErrorFields(
            .fatal, "53300", "no more connections allowed (limit of open files)",
            detail: "It leaves room for \(clientRoom) clients beside \(shared.servers) servers.",
            hint: "Raise the limit of open files (ulimit -n, LimitNOFILE).")
    }

    /// Clients for which there are descriptors.
    private var clientRoom: Int { shared.descriptors.clients(beside: shared.servers) }

    /// NegotiateProtocolVersion: 3.0 is the newest we speak, and no options.
    private mutating func negotiate(_ c: ClientIndex, _ options: [[UInt8]]) {
        var writer = FrameWriter()
        writer.frame(BackendTag.negotiateProtocolVersion) { body in
            body.int32(3 << 16)
            body.int32(UInt32(options.count))
            for option in options { body.string(option) }
        }
        send(c, writer.bytes)
    }

    /// Names and parameters of the startup packet.
    private mutating func readParameters(
        _ c: ClientIndex, _ parameters: [StartupPacket.Parameter]
    ) throws(ErrorFields) {
        guard let login = logins[c] else { return }
        var options: [StartupPacket.Parameter] = []
        var settingsSent: [StartupPacket.Parameter] = []
        for parameter in parameters {
            switch String(decoding: parameter.name, as: UTF8.self) {
            case "user": login.user = parameter.value
            case "database": login.database = parameter.value
            case "options":
                // Inside the database it takes a server to know whether there are agents.
                guard shared.host.keepsOIDs else {
                    options += try StartupOptions.settings(parameter.value)
                    break
                }
                do throws(ErrorFields) {
                    options += try StartupSwitches.settings(parameter.value)
                } catch {
                    // told, as by PostgreSQL, when the client has proved who it is
                    login.optionsFailure = error
                }
            case "replication": try checkReplication(parameter.value)
            default: settingsSent.append(parameter)
            }
        }
        guard !login.user.isEmpty else {
            throw ErrorFields(.fatal, "28000", "no PostgreSQL user name specified in startup packet")
        }
        // PostgreSQL cuts names at NAMEDATALEN - 1.
        login.user = Array(login.user.prefix(63))
        login.database = login.database.isEmpty ? login.user : Array(login.database.prefix(63))
        // PostgreSQL takes those of the options first.
        for setting in options + settingsSent { try login.sent.append(setting) }
        // With OIDs it has to be known first whether there are agents.
        if !shared.host.keepsOIDs { login.wanted = try trackedParameters(login.sent) }
    }

    /// The parameters that can follow a client without agents; 0A000 where there are others.
    func trackedParameters(_ sent: StartupSettings) throws(ErrorFields) -> ParameterValues {
        var wanted = ParameterSets.noValues
        for setting in sent { try keep(setting, &wanted) }
        return wanted
    }

    private func checkReplication(_ value: [UInt8]) throws(ErrorFields) {
        let text = String(decoding: value, as: UTF8.self)
        guard text != "database", let isOn = StartupPacket.boolean(text) else {
            if text == "database" { throw noReplication }
            throw ErrorFields(
                .fatal, "22023", "invalid value for parameter \"replication\": \"\(text)\"",
                hint: "Valid values are: \"false\", 0, \"true\", 1, \"database\".")
        }
        if isOn { throw noReplication }
    }

    private var noReplication: ErrorFields {
        ErrorFields(
            .fatal, "0A000", "replication connections are not supported by \(shared.host.name)",
            hint: "Connect to the server's own port for replication.")
    }

    private func keep(_ setting: StartupPacket.Parameter, _ wanted: inout ParameterValues) throws(ErrorFields)
    {
        let name = String(decoding: setting.name, as: UTF8.self)
        if let index = TrackedParameter.index(setting.name) {
            guard let value = TrackedParameter.taken(index, setting.value) else {
                let shown = String(decoding: setting.value, as: UTF8.self)
                throw ErrorFields(.fatal, "22023", "invalid value for parameter \"\(name)\": \"\(shown)\"")
            }
            wanted[index] = value
            return
        }
        guard texts.ignoredParameters.contains(name.lowercased()) else {
            throw ErrorFields(
                .fatal, "0A000", "unsupported startup parameter: \(name)",
                hint: "Add it to ignore_startup_parameters to have it ignored.")
        }
    }
}
