import Engine
import FixedStorage
import Pooling
import Wire

/// Clients of pools whose servers have agents: their startup parameters, all of them, are
/// for the agents, and so is the rest of their session.
extension EngineThread {
    /// Welcomes a client whose parameters an agent has answered for already; its first
    /// server is told of them. False when a server has to be asked.
    mutating func welcomeToAgents(_ c: ClientIndex) -> Bool {
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool),
            let answer = shared.directory.locked({ record.answers[answerKey(login)] })
        else { return false }
        var told = answer.messages
        ledgerClients.note(reports: answer.reports, of: ends.clients[c].ledger)
        ledgerClients.setIdleTimeout(of: ends.clients[c].ledger, answer.idleTimeout)
        if let name = agentParameters(login).last(where: { $0.isApplicationName }) {
            let value = TrackedParameter.applicationName(name.value)
            told += parameterMessages([(Array("application_name".utf8), value)])
        }
        logins.keepStart(c, sessionStart(login))
        finishLogin(c, told, parameters: ParameterSets.unstarted)
        return true
    }

    /// A client in its welcome has got a server: its agent says what the client's
    /// parameters come to.
    mutating func askAgent(_ c: ClientIndex, _ s: ServerIndex) {
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool) else {
            return release(c, s)
        }
        // The client may have waited just for what is known now.
        if shared.directory.locked({ record.answers[answerKey(login)] != nil }) {
            ends.unlink(c, s)
            passOn(s)
            _ = welcomeToAgents(c)
            return
        }
        login.asked = shared.directory.locked { shared.directory.reloads }
        ends.servers[s].ledger.announce(.startAndAnswer)
        ends.servers[s].ledger.attach(ends.clients[c].ledger)
        runTask(s, .welcome, message: sessionStart(login))
    }

    /// An agent reported a parameter while its client reads nothing: most of the time in
    /// answer to that one's startup parameters.
    mutating func noteAnswer(_ s: ServerIndex, _ name: [UInt8], _ value: [UInt8]) {
        let c = ends.servers[s].client
        guard ends.servers[s].state == .setup, c != .absent else { return }
        switch ends.servers[s].task {
        case .welcome where (logins[c]?.reported.count ?? 0) < 100:
            logins[c]?.reported.append((name, value))
        // The worker's own query in the client's session has the answer that its next one would have.
        case .fence, .handOver: send(c, parameterMessages([(name, value)]))
        default: break
        }
    }

    /// The agent has taken the client's parameters, and answered.
    mutating func sessionStarted(_ c: ClientIndex, _ s: ServerIndex) {
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool) else {
            return release(c, s)
        }
        let names = agentParameters(login).contains { $0.isApplicationName }
        if let known = login.answer, !known.roleSettings.areUnknown {
            let others = names ? login.reported.filter { !isApplicationName($0.name) } : login.reported
            let (reports, idleTimeout) = (
                ledgerClients.reports(of: ends.clients[c].ledger),
                ledgerClients.idleTimeout(of: ends.clients[c].ledger)
            )
            shared.directory.remember(
                record, answerKey(login),
                PoolRecord.Answer(
                    messages: parameterMessages(others), reports: reports, idleTimeout: idleTimeout),
                asked: login.asked)
        }
        finishLogin(c, parameterMessages(login.reported), parameters: ParameterSets.unknown)
        guard ends.clients[c].state == .idle else {
            return clientLeft(s, partialFrame: false, finishing: true)
        }
        // The link goes on, to be released as any other: there may be pins.
        ends.clients[c].staysLinked()
        release(c, s)
    }

    /// A client has got its first server: the agent is told of the startup parameters, then
    /// come the client's bytes.
    mutating func startSession(_ c: ClientIndex, _ s: ServerIndex) {
        let packet = logins.takeStart(c)
        parameterSets.release(ends.clients[c].changesParameters(ParameterSets.unknown))
        if let packet {
            ends.servers[s].startsSession(of: c, ends.clients[c].ledger)
            guard sendServer(s, packet) else { return serverDied(s, .serverGone) }
        }
        settle(ends.pumpClient(c), client: c, server: s)
    }

    /// The startup parameters but those to be ignored; tracked ones never are.
    private func agentParameters(_ login: ClientLoginState) -> [StartupPacket.Parameter] {
        if texts.ignoredParameters.isEmpty { return Array(login.sent) }
        return login.sent.filter {
            TrackedParameter.index($0.name) != nil
                || !texts.ignoredParameters.contains(String(decoding: $0.name, as: UTF8.self).lowercased())
        }
    }

    private func sessionStart(_ login: ClientLoginState) -> [UInt8] {
        StartupPacket.sessionPacket(
            roleSettings: login.answer?.roleSettings.bytes ?? [0], agentParameters(login))
    }

    /// What the values that a client is told depend on. Names of applications are many, and
    /// no agent has to be asked what they come to.
    private func answerKey(_ login: ClientLoginState) -> [UInt8] {
        let (role, facts) = (login.answer?.userID ?? 0, login.answer?.facts ?? 0)
        let packet = StartupPacket.sessionPacket(
            roleSettings: login.answer?.roleSettings.bytes ?? [0],
            agentParameters(login).map {
                $0.isApplicationName ? StartupPacket.Parameter(name: $0.name, value: []) : $0
            })
        return unsafe withUnsafeBytes(of: (facts, role)) { unsafe Array($0.prefix(12)) } + packet
    }
}

private func isApplicationName(_ name: [UInt8]) -> Bool {
    TrackedParameter.index(name) == TrackedParameter.applicationName
}

extension StartupPacket.Parameter {
    fileprivate var isApplicationName: Bool { PoolWorker.isApplicationName(name) }
}
