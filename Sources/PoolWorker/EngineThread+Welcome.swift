import Engine
import FixedStorage
import Pooling
import Wire

/// The end of a login: the client learns the parameters of its session, as a server of
/// its pool has them, with those of its own startup packet laid over.
extension EngineThread {
    /// Welcomes a client that has entered its pool, as soon as its parameters are known.
    mutating func welcome(_ c: UInt32) {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else { return }
        let (known, resolved) = shared.directory.locked { (record.welcome, record.resolved[login.wanted]) }
        if let known, let values = resolved ?? plainly(login.wanted, over: baseValues(known)) {
            return finishLogin(c, known, values)
        }
        clients[c].state = .welcome
        clients[c].since = now
        let p = clients[c].pool
        let s = pools[p].lease(c, &clientLinks, &serverLinks)
        if s != noIndex {
            link(c, s)
            welcomeOnServer(c, s)
        } else {
            if crowded { waitingCounters.add(p, thread: number, 1) }
            failFast(p)
            if clients[c].state == .welcome { openServers(p) }
        }
    }

    /// A client in its welcome has got a server.
    mutating func welcomeOnServer(_ c: UInt32, _ s: UInt32) {
        guard let login = logins[c] else { return release(c, s) }
        let have = parameterSets.values(servers[s].parameters)
        guard let query = ParameterSets.settingQuery(from: have, to: login.wanted) else {
            return parametersResolved(c, s)
        }
        runTask(s, .welcome, query, state: .setup)
    }

    /// The server has taken the client's parameters: in its spelling they hold from now on.
    mutating func parametersResolved(_ c: UInt32, _ s: UInt32) {
        guard let login = logins[c], let record = poolDetails[clients[c].pool]?.record else {
            return release(c, s)
        }
        let have = parameterSets.values(servers[s].parameters)
        let (known, values) = shared.directory.locked {
            let known = record.welcome ?? []
            var values = baseValues(known)
            for index in values.indices where login.wanted[index] != nil { values[index] = have[index] }
            // Names of applications are many; spellings of the rest are few.
            if record.resolved.count < 1000 { record.resolved[login.wanted] = values }
            return (known, values)
        }
        unlink(c, s)
        finishLogin(c, known, values)
        passOn(s)
        if clients[c].state == .idle && (clients[c].readable || clients[c].input.hasMemory) {
            startRequest(c)
        }
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

    private mutating func finishLogin(
        _ c: UInt32, _ welcome: [(name: [UInt8], value: [UInt8])], _ values: ParameterValues
    ) {
        logins[c] = nil
        let set = parameterSets.number(for: values)
        parameterSets.release(clients[c].parameters)
        clients[c].parameters = set
        clients[c].state = .idle
        clients[c].since = now
        var writer = FrameWriter()
        writer.frame(BackendTag.authentication) { $0.int32(0) }
        for (name, value) in welcome {
            let own = TrackedParameter.index(name).flatMap { values[$0] }
            writer.parameterStatus(name, own ?? value)
        }
        let (process, secret) = (processID(c), clients[c].secret)
        writer.frame(BackendTag.backendKeyData) {
            $0.int32(process)
            $0.int32(secret)
        }
        writer.readyForQuery()
        send(c, writer.bytes)
        if draining == .transactions { closeClient(c, .shutdown) }
        if clients[c].state == .idle, clients[c].readable || clients[c].input.hasMemory {
            goOn(clientToken(c))
        }
    }

    /// Logins don't wait for servers that can't be had now: they hear why at once.
    private mutating func failFast(_ p: UInt32) {
        guard let record = poolDetails[p]?.record else { return }
        let (failure, retryAt) = shared.directory.locked { (record.failure, record.retryAt) }
        guard let failure, !failure.passesByItself, now < retryAt, pools[p].servers == 0 else { return }
        refuseWaiting(p, failure, loginsOnly: true)
    }

    /// Tells the clients that wait in a pool that they can't be served.
    mutating func refuseWaiting(_ p: UInt32, _ failure: ErrorFields, loginsOnly: Bool) {
        var error = failure
        error.severity = .fatal
        var c = pools[p].waiting.first
        while c != noIndex {
            let next = clientLinks[c].next
            if !loginsOnly || clients[c].state == .welcome { closeClient(c, .loginFailed(error)) }
            c = next
        }
    }
}
