import Engine
import FixedStorage
import Pooling
import Wire

/// The end of a login: the client learns the parameters of its session, as a server of
/// its pool has them, with those of its own startup packet laid over.
extension EngineThread {
    /// Welcomes a client that has entered its pool, as soon as its parameters are known.
    mutating func welcome(_ c: ClientIndex) {
        guard let record = ends.pools.record(ends.clients[c].pool) else { return }
        let carries = shared.directory.locked { record.carries }
        if carries == true {
            if welcomeToAgents(c) { return }
        } else if carries == false {
            if welcomeAtOnce(c) { return }
            guard ends.clients[c].state == .login else { return }
        }
        ends.clients[c].awaitsWelcome(now)
        let p = ends.clients[c].pool
        let s = leaseServer(c)
        if s != .absent {
            ends.link(c, s)
            welcomeOnServer(c, s)
        } else {
            failFast(p)
            if ends.clients[c].state == .welcome { agenda.post(.openServers(p)) }
        }
    }

    /// Welcomes a client without asking a server; false when one has to be asked, or when
    /// the client was refused.
    private mutating func welcomeAtOnce(_ c: ClientIndex) -> Bool {
        guard checkParameters(c), let login = logins[c], let record = ends.pools.record(ends.clients[c].pool)
        else { return false }
        let hasIdle = ends.pools.idle(ends.clients[c].pool) > 0
        guard let welcome = login.welcome(shared.directory, record, hasIdle: hasIdle, now) else {
            return false
        }
        finishLogin(c, welcome)
        return true
    }

    /// Without agents not all startup parameters can be taken; false when the client was refused.
    private mutating func checkParameters(_ c: ClientIndex) -> Bool {
        guard shared.host.keepsOIDs, let login = logins[c] else { return true }
        do {
            try login.trackParameters(ignoring: settings.ignoredParameters)
            return true
        } catch {
            closeClient(c, .error(error))
            return false
        }
    }

    /// A client in its welcome has got a server.
    mutating func welcomeOnServer(_ c: ClientIndex, _ s: ServerIndex) {
        if case .agent = ends.servers[s].sessions { return askAgent(c, s) }
        guard checkParameters(c) else { return }
        guard let login = logins[c] else { return release(c, s) }
        let have = parameterSets.values(ends.servers[s].parameters)
        let query = ParameterSets.settingQuery(from: have, to: login.wanted)
        guard query != nil || login.asksServer else { return parametersResolved(c, s) }
        runTask(s, .welcome, query ?? [])
    }

    /// The server has taken the client's parameters: in its spelling they hold from now on.
    mutating func parametersResolved(_ c: ClientIndex, _ s: ServerIndex) {
        guard let login = logins[c], let record = ends.pools.record(ends.clients[c].pool) else {
            return release(c, s)
        }
        guard hasFacts(s) else {
            // Another server is where the pool's are now: that one may say something else.
            ends.unlink(c, s)
            passOn(s)
            ends.clients[c].loginGoesOn()
            return agenda.post(.welcome(c, generation: ends.clients.generation(c)))
        }
        let have = parameterSets.values(ends.servers[s].parameters)
        let welcome = shared.directory.resolve(login.wanted, have: have, record)
        ends.unlink(c, s)
        finishLogin(c, welcome)
        passOn(s)
        postStartRequest(c)
    }

    private mutating func finishLogin(_ c: ClientIndex, _ welcome: PoolRecord.Welcome) {
        finishLogin(c, welcome.messages, parameters: parameterSets.number(for: welcome.values))
    }

    /// - Parameter told: the ParameterStatus messages of its session.
    mutating func finishLogin(_ c: ClientIndex, _ told: [UInt8], parameters: UInt32) {
        logins.end(c)
        parameterSets.release(ends.clients[c].changesParameters(parameters))
        ends.clients[c].welcomed(now)
        let client = ends.clients[c]
        send(c, welcomeMessages(told, processID: client.processID, secret: client.secret))
        if draining == .transactions { closeClient(c, .shutdown) }
        if ends.clients[c].state == .idle, ends.clients[c].readable || ends.clients[c].stream.input.hasMemory
        {
            agenda.goOn(clientToken(c))
        }
    }

    /// Logins don't wait for servers that can't be had now: they hear why at once.
    private mutating func failFast(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        guard ends.pools.servers(p) == 0, let failure = shared.directory.obstacle(record, now: now),
            !failure.passesByItself
        else { return }
        refuseWaiting(p, failure, loginsOnly: true)
    }

    /// Tells the clients that wait in a pool that they can't be served.
    /// - Parameter role: only its clients; nil: all.
    mutating func refuseWaiting(
        _ p: PoolIndex, _ failure: ErrorFields, loginsOnly: Bool, role: UInt32? = nil
    ) {
        var error = failure
        error.severity = .fatal
        var c = ends.pools.firstWaiting(p)
        while c != .absent {
            let next = ends.pools.waiting(behind: c)
            let isMeant = role == nil || ends.clients[c].role == role
            if isMeant, !loginsOnly || ends.clients[c].state == .welcome {
                closeClient(c, .loginFailed(error))
            }
            c = next
        }
    }
}
