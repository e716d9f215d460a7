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
        login.asksServer = shared.directory.locked { mayBePromoted(ends.clients[c].pool, record) }
        guard !login.asksServer, let welcome = shared.directory.locked({ knownWelcome(login.wanted, record) })
        else { return false }
        finishLogin(c, welcome.messages, parameters: parameterSets.number(for: welcome.values))
        return true
    }

    /// Whether the server of a pool that was a standby should be asked whether it is one still. With
    /// the answer to a query it says so, but never without being asked; and clients that look for a
    /// primary would ask nothing. Once a second, and where a server is free or may be opened. Under the
    /// directory's lock.
    private func mayBePromoted(_ p: PoolIndex, _ record: PoolRecord) -> Bool {
        guard now &- record.heard >= 1_000_000_000, record.isStandby else { return false }
        let limit = Int(record.settings.pool_size)
        guard ends.pools.idle(p) > 0 || limit == 0 || record.servers < limit else { return false }
        record.heard = now
        return true
    }

    /// What clients get who want these parameters; nil where a server has to be asked. Under the
    /// directory's lock.
    private func knownWelcome(_ wanted: ParameterValues, _ record: PoolRecord) -> PoolRecord.Welcome? {
        if let welcome = record.welcomes[wanted] { return welcome }
        guard let known = record.welcome,
            let values = record.resolved[wanted] ?? plainly(wanted, over: baseValues(known))
        else { return nil }
        let welcome = PoolRecord.Welcome(values: values, messages: told(known, values))
        // Names of applications are many.
        if record.welcomes.count >= 100 { record.welcomes = [:] }
        if shared.directory.mayRemember(wanted.size + values.size + welcome.messages.count) {
            record.welcomes[wanted] = welcome
        }
        return welcome
    }

    /// Without agents not all startup parameters can be taken; false when the client was refused.
    private mutating func checkParameters(_ c: ClientIndex) -> Bool {
        guard shared.host.keepsOIDs, let login = logins[c] else { return true }
        do {
            login.wanted = try trackedParameters(login.sent)
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
        let (known, values) = shared.directory.locked {
            let known = record.welcome ?? []
            var values = baseValues(known)
            for index in values.indices where login.wanted[index] != nil { values[index] = have[index] }
            // Names of applications are many; spellings of the rest are few.
            if record.resolved.count < 1000, shared.directory.mayRemember(login.wanted.size + values.size) {
                record.resolved[login.wanted] = values
            }
            return (known, values)
        }
        ends.unlink(c, s)
        finishLogin(c, told(known, values), parameters: parameterSets.number(for: values))
        passOn(s)
        postStartRequest(c)
    }

    /// The values of a pool's servers before any client changed them.
    private func baseValues(_ welcome: [(name: [UInt8], value: [UInt8])]) -> ParameterValues {
        var values = ParameterSets.noValues
        for (name, value) in welcome {
            if let index = TrackedParameter.index(name) { values[index] = value }
        }
        return values
    }

    /// The values with the wanted ones laid over, where no server has to be asked.
    private func plainly(_ wanted: ParameterValues, over base: ParameterValues) -> ParameterValues? {
        var values = base
        for (index, value) in wanted.enumerated() {
            guard let value, value != base[index] else { continue }
            guard TrackedParameter.isPlain(index) else { return nil }
            values[index] = value
        }
        return values
    }

    /// What a client is told whose session has these values: all that a server has reported.
    private func told(_ welcome: [PoolRecord.Parameter], _ values: ParameterValues) -> [UInt8] {
        parameterMessages(
            welcome.map { name, value in
                (name: name, value: TrackedParameter.index(name).flatMap { values[$0] } ?? value)
            })
    }

    /// - Parameter told: the ParameterStatus messages of its session.
    mutating func finishLogin(_ c: ClientIndex, _ told: [UInt8], parameters: UInt32) {
        logins.end(c)
        parameterSets.release(ends.clients[c].changesParameters(parameters))
        ends.clients[c].welcomed(now)
        var writer = FrameWriter()
        writer.raw(authenticationOk)
        writer.raw(told)
        let (process, secret) = (ends.clients[c].processID, ends.clients[c].secret)
        writer.frame(BackendTag.backendKeyData) {
            $0.int32(process)
            $0.int32(secret)
        }
        writer.readyForQuery()
        send(c, writer.bytes)
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

/// What a client is told when it has proved who it is; with what comes next.
let authenticationOk: [UInt8] = {
    var writer = FrameWriter()
    writer.frame(BackendTag.authentication) { $0.int32(0) }
    return writer.bytes
}()

extension ParameterValues {
    /// Bytes of all values.
    fileprivate var size: Int { reduce(0) { $0 + ($1?.count ?? 0) } }
}

/// ParameterStatus messages.
func parameterMessages(_ parameters: [PoolRecord.Parameter]) -> [UInt8] {
    var writer = FrameWriter()
    for (name, value) in parameters { writer.parameterStatus(name, value) }
    return writer.bytes
}
