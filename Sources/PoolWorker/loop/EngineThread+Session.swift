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
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool) else {
            return false
        }
        let start = AgentStart(login, ignoring: settings.ignoredParameters)
        guard let answer = shared.directory.answer(start.key, record) else { return false }
        ledgerClients.note(reports: answer.reports, of: ends.clients[c].ledger)
        ledgerClients.setIdleTimeout(of: ends.clients[c].ledger, answer.idleTimeout)
        logins.keepStart(c, start.packet)
        let own = start.ownMessages(maskingNames: ledgerClients.masksNames)
        finishLogin(c, answer.messages + own, parameters: ParameterSets.unstarted)
        return true
    }

    /// A client in its welcome has got a server: its agent says what the client's
    /// parameters come to.
    mutating func askAgent(_ c: ClientIndex, _ s: ServerIndex) {
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool) else {
            return release(c, s)
        }
        let start = AgentStart(login, ignoring: settings.ignoredParameters)
        // The client may have waited just for what is known now.
        if shared.directory.answer(start.key, record) != nil {
            ends.unlink(c, s)
            passOn(s)
            _ = welcomeToAgents(c)
            return
        }
        login.asksAgent(shared.directory)
        ends.servers[s].ledger.announce(.startAndAnswer)
        ends.servers[s].ledger.attach(ends.clients[c].ledger)
        runTask(s, .welcome, message: start.packet)
    }

    /// An agent reported a parameter while its client reads nothing: most of the time in
    /// answer to that one's startup parameters.
    mutating func noteAnswer(_ s: ServerIndex, _ name: [UInt8], _ value: [UInt8]) {
        let c = ends.servers[s].client
        guard ends.servers[s].state == .setup, c != .absent else { return }
        switch ends.servers[s].task {
        case .welcome: logins[c]?.reports(name, value)
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
        let start = AgentStart(login, ignoring: settings.ignoredParameters)
        if let messages = start.remembered(of: login.reported) {
            let answer = PoolRecord.Answer(
                messages: messages, reports: ledgerClients.reports(of: ends.clients[c].ledger),
                idleTimeout: ledgerClients.idleTimeout(of: ends.clients[c].ledger))
            shared.directory.remember(record, start.key, answer, asked: login.asked)
        }
        finishLogin(c, parameterMessages(login.reported), parameters: ParameterSets.unknown)
        guard ends.clients[c].state == .idle else {
            return clientLeft(s, isPartial: false, finishing: true)
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
}
