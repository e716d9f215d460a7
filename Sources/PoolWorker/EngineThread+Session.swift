import Engine
import FixedStorage
import Pooling
import Wire

/// Clients of pools whose servers have agents: their startup parameters, all of them, are
/// for the agents, and so is the rest of their session.
extension EngineThread {
    /// Welcomes a client whose parameters an agent has answered for already; its first
    /// server is told of them. False when a server has to be asked.
    mutating func welcomeToAgents(_ c: UInt32, _ known: [PoolRecord.Parameter]) -> Bool {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else { return false }
        let sent = agentParameters(login)
        let own = withoutApplicationName(sent)
        var reported: [PoolRecord.Parameter] = []
        if !own.isEmpty {
            let key = StartupPacket.sessionPacket(own)
            guard let answer = shared.directory.locked({ record.answers[key] }) else { return false }
            reported = answer
        }
        if let name = sent.last(where: { $0.isApplicationName })?.value {
            reported.append((Array("application_name".utf8), TrackedParameter.applicationName(name)))
        }
        if !sent.isEmpty { starts[c] = StartupPacket.sessionPacket(sent) }
        finishLogin(
            c, laid(reported, over: known),
            parameters: sent.isEmpty ? ParameterSets.unknown : ParameterSets.unstarted)
        return true
    }

    /// A client in its welcome has got a server: its agent says what the client's
    /// parameters come to.
    mutating func askAgent(_ c: UInt32, _ s: UInt32) {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else {
            return release(c, s)
        }
        // The client may have waited just for what is known now.
        if let known = shared.directory.locked({ record.welcome }), welcomeUnlinked(c, s, known) { return }
        servers[s].ledger.announce(.startAndAnswer)
        servers[s].ledger.attach(clients[c].ledger)
        runTask(s, .welcome, message: StartupPacket.sessionPacket(agentParameters(login)), state: .setup)
    }

    private mutating func welcomeUnlinked(
        _ c: UInt32, _ s: UInt32, _ known: [PoolRecord.Parameter]
    ) -> Bool {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else { return false }
        let own = withoutApplicationName(agentParameters(login))
        let key = StartupPacket.sessionPacket(own)
        guard own.isEmpty || shared.directory.locked({ record.answers[key] != nil }) else { return false }
        unlink(c, s)
        passOn(s)
        return welcomeToAgents(c, known)
    }

    /// An agent reported a parameter, in answer to the startup parameters of its client.
    mutating func noteAnswer(_ s: UInt32, _ name: [UInt8], _ value: [UInt8]) {
        let c = servers[s].client
        guard servers[s].state == .setup, servers[s].task == .welcome, c != noIndex,
            (logins[c]?.reported.count ?? 0) < 100
        else { return }
        logins[c]?.reported.append((name, value))
    }

    /// The agent has taken the client's parameters, and answered.
    mutating func sessionStarted(_ c: UInt32, _ s: UInt32) {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else {
            return release(c, s)
        }
        let key = StartupPacket.sessionPacket(withoutApplicationName(agentParameters(login)))
        let answer = login.reported.filter {
            TrackedParameter.index($0.name) != TrackedParameter.applicationName
        }
        let known = shared.directory.locked {
            if record.answers.count < 1000 { record.answers[key] = answer }
            return record.welcome ?? []
        }
        finishLogin(c, laid(login.reported, over: known), parameters: ParameterSets.unknown)
        guard clients[c].state == .idle else { return clientLeft(s, partialFrame: false, finishing: true) }
        // The link goes on, to be released as any other: there may be pins.
        clients[c].state = .active
        release(c, s)
    }

    /// A client has got its first server: the agent is told of the startup parameters, then
    /// come the client's bytes.
    mutating func startSession(_ c: UInt32, _ s: UInt32) {
        let packet = starts.removeValue(forKey: c)
        clients[c].parameters = ParameterSets.unknown
        if let packet {
            servers[s].ledger.announce(.start)
            servers[s].ledger.attach(clients[c].ledger)
            guard sendServer(s, packet) else { return serverDied(s, .serverGone) }
        }
        settle(pumpClient(c), client: c, server: s)
    }

    /// The startup parameters but those to be ignored; tracked ones never are.
    private func agentParameters(_ login: ClientLoginState) -> [StartupPacket.Parameter] {
        if texts.ignoredParameters.isEmpty { return login.sent }
        return login.sent.filter {
            TrackedParameter.index($0.name) != nil
                || !texts.ignoredParameters.contains(String(decoding: $0.name, as: UTF8.self).lowercased())
        }
    }

    /// Names of applications are many, and no agent has to be asked what they come to.
    private func withoutApplicationName(_ sent: [StartupPacket.Parameter]) -> [StartupPacket.Parameter] {
        sent.filter { !$0.isApplicationName }
    }

    private func laid(
        _ own: [PoolRecord.Parameter], over known: [PoolRecord.Parameter]
    ) -> [PoolRecord.Parameter] {
        var told = known
        for (name, value) in own {
            if let index = told.firstIndex(where: { $0.name == name }) {
                told[index].value = value
            } else {
                told.append((name, value))
            }
        }
        return told
    }
}

extension StartupPacket.Parameter {
    fileprivate var isApplicationName: Bool {
        TrackedParameter.index(name) == TrackedParameter.applicationName
    }
}
