import Auth
import CSys
import CWorker
import Engine
import FixedStorage
import Pooling
import Wire

/// Servers are opened: where to, connect, log in, confirm.
extension EngineThread {
    mutating func askRoute(_ s: ServerIndex, _ record: PoolRecord) {
        let (keys, password) = shared.directory.locked { (record.keys != nil, record.password != nil) }
        var question = question(.route, s.number, ends.servers.generation(s))
        question.names(
            record, role: record.isShared ? firstRole(ends.servers[s].pool, record) : record.userID)
        if keys { question.holds(CARPOOL_HOLDS_SCRAM_KEYS) }
        if password { question.holds(CARPOOL_HOLDS_PASSWORD) }
        if shared.directory.locked({ record.notAsOwner }) { question.holds(CARPOOL_NOT_AS_OWNER) }
        if !ask(question) {
            serverLoginFailed(s, ErrorFields(.fatal, "53300", "too many logins at a time"), .unreachable)
        }
    }

    /// The role that a new server of a shared pool serves first.
    private func firstRole(_ p: PoolIndex, _ record: PoolRecord) -> UInt32 {
        let c = ends.pools.firstWaiting(p)
        return c != .absent ? ends.clients[c].role : shared.directory.locked { record.latest }
    }

    /// Beyond the slots of servers: with the pool's index the slot of a question about settings.
    static let settingsSlots: UInt32 = 1 << 31

    /// Asks for the settings of a pool after a reload; the route in the answer is not used.
    mutating func askSettings(_ p: PoolIndex) {
        guard let record = ends.pools.record(p) else { return }
        var question = question(.route, Self.settingsSlots | p.number, record.serial)
        question.names(record, role: record.userID)
        _ = ask(question)
    }

    /// The settings of a pool are known anew: they hold for clients that wait already, too.
    mutating func settingsAnswered(_ p: PoolIndex, _ answer: HostAnswer) {
        // Whether a route was found doesn't matter here; without the names there is no pool.
        guard let record = ends.pools.record(p), record.serial == answer.generation,
            !answer.serverUser.isEmpty
        else { return }
        shared.directory.settled(record, answer.pool)
        meetPool(record, answer.pool)
        if ends.pools.hasWaiting(p) { agenda.post(.openServers(p)) }
    }

    mutating func routeAnswered(_ s: ServerIndex, _ answer: HostAnswer) {
        let p = ends.servers[s].pool
        guard let record = ends.pools.record(p) else { return closeServer(s, .evicted) }
        if let failure = answer.failure {
            return serverLoginFailed(s, failure, .refused)
        }
        ends.servers[s].routed(facts: answer.facts)
        shared.directory.settle(record, at: answer.server.address)
        let error = serverLogins.open(s, answer, record, &ends, poller, shared)
        if error != 0 { connectFailed(s, error) }
    }

    private mutating func connectFailed(_ s: ServerIndex, _ error: Int32) {
        let address = serverLogins.connector(s)?.text ?? "?"
        let fields = ErrorFields(
            .fatal, "08006", "\(shared.host.name) cannot connect to server",
            detail: "\(address): \(errorText(error))")
        serverLoginFailed(s, fields, .nothingThere)
    }

    /// A connecting socket is writable: the connection is there, or has failed.
    mutating func serverConnected(_ s: ServerIndex) {
        let error = ends.servers[s].stream.failure
        guard error == 0 else { return connectFailed(s, error) }
        ends.servers[s].logsIn()
        flushServer(s)
    }

    /// A frame of a server that logs in.
    mutating func serverLoginFrame(_ s: ServerIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) {
        serverLoginStep(s, serverLogins.received(s, tag, body))
    }

    mutating func serverHashed(_ s: ServerIndex, _ generation: UInt32, _ result: [UInt8]) {
        guard ends.servers.generation(s) == generation, ends.servers[s].state == .login else { return }
        serverLoginStep(s, serverLogins.hashed(s, result))
    }

    func hashAsker(server s: ServerIndex) -> Hasher.Asker {
        Hasher.Asker(thread: number, isClient: false, index: s.number, generation: ends.servers.generation(s))
    }

    private mutating func serverLoginStep(_ s: ServerIndex, _ step: ServerStartup.Step) {
        switch step {
        case .wait:
            break
        case .send(let bytes):
            // (where that fails, a receive says why)
            _ = sendServer(s, bytes)
        case .hash(let job):
            shared.hasher.submit(job, for: hashAsker(server: s), owner: .pool(ends.servers[s].pool))
        case .parameter(let name, let value):
            if case .tracked = ends.servers[s].sessions { trackParameter(s, name, value) }
        case .key(let pid, let key):
            ends.servers[s].hasKey(pid: pid, key: key)
        case .ready:
            serverLoggedIn(s)
        case .failed(let fields, let fault):
            serverLoginFailed(s, fields, fault)
        }
    }

    /// The server is ready for queries; where pools are keyed by OIDs the host has the
    /// last word, as names may have changed hands since the route was given.
    private mutating func serverLoggedIn(_ s: ServerIndex) {
        guard shared.host.keepsOIDs, let record = ends.pools.record(ends.servers[s].pool) else {
            return serverOpened(s)
        }
        ends.servers[s].confirms()
        var question = question(.confirm, s.number, ends.servers.generation(s))
        question.names(record, role: serverLogins.role(s) ?? record.userID)
        question.numbers.server_pid = ends.servers[s].pid
        if !ask(question) {
            serverLoginFailed(s, ErrorFields(.fatal, "53300", "too many logins at a time"), .unreachable)
        }
    }

    mutating func confirmAnswered(_ s: ServerIndex, _ answer: HostAnswer) {
        if let failure = answer.failure {
            serverLoginFailed(s, failure, .refused)
        } else if answer.facts > ends.servers[s].facts {
            serverLoginFailed(
                s, ErrorFields(.fatal, "57P03", "the role was changed during the login"), .refused)
        } else if let failure = meetAgent(s, answer.serverSlot) {
            serverLoginFailed(s, failure, .unreachable)
        } else if answer.mustBecome {
            become(s)
        } else {
            serverOpened(s)
        }
    }

    /// A server that was logged in as the cluster's owner becomes its pool's role; the host
    /// is asked again when it has.
    private mutating func become(_ s: ServerIndex) {
        let step = serverLogins.becomes(s)
        if case .send = step {
            ends.servers[s].logsIn()
            ends.servers[s].ledger.announce(.become)
        }
        serverLoginStep(s, step)
    }

    /// Takes the entry in the ledger of a backend's agent. A pool whose first server had an
    /// agent has no other servers; one whose first server had none makes no use of agents.
    /// - Parameter slot: 0: the backend has no agent.
    /// - Returns: why the server can't be had.
    private mutating func meetAgent(_ s: ServerIndex, _ slot: UInt32) -> ErrorFields? {
        guard let record = ends.pools.record(ends.servers[s].pool) else { return nil }
        guard shared.directory.carries(record, with: slot != 0) else { return nil }
        guard slot != 0 else {
            return ErrorFields(
                .fatal, "58000", "a backend has no agent", hint: "The server's log says why.")
        }
        if ends.servers[s].slot == slot { return nil }
        guard let ledger = shared.ledger.take(server: slot) else {
            return ErrorFields(.fatal, "57P03", "the last backend in this slot has not ended yet")
        }
        parameterSets.release(ends.servers[s].parameters)
        ends.servers[s].meetsAgent(slot, ledger, parameters: ParameterSets.unknown)
        return nil
    }

    private mutating func serverOpened(_ s: ServerIndex) {
        guard let record = ends.pools.record(ends.servers[s].pool) else { return closeServer(s, .evicted) }
        let before = shared.directory.told(record, PoolRecord.standby)
        shared.directory.keepWelcome(
            record, serverLogins.end(s), facts: ends.servers[s].facts, now: now)
        outageEnded(record)
        if !ends.servers[s].hasAgent, before != nil,
            let now = shared.directory.told(record, PoolRecord.standby),
            now != before
        {
            standbyChanged(s, now)
        }
        ends.servers[s].isOpened(now)
        if ends.servers[s].isForHub { return startHub(s) }
        ends.pools.opened(ends.servers[s].pool)
        if tuning.log_connections { shared.log(.info, "\(describeServer(s)) new connection to server") }
        passOn(s)
    }

    /// A server could not be opened.
    mutating func serverLoginFailed(_ s: ServerIndex, _ fields: ErrorFields, _ fault: ServerStartup.Fault) {
        let p = ends.servers[s].pool
        switch fault {
        case .notAsOwner:
            if let record = ends.pools.record(p) { shared.directory.refusesOwner(record) }
            closeServer(s, .loginFailed(fields))
            agenda.post(.openServers(p))
        case .roleRefused:
            refuseWaiting(p, fields, loginsOnly: false, role: serverLogins.role(s))
            closeServer(s, .loginFailed(fields))
        case .refused, .refusedThere, .unreachable, .nothingThere:
            if !ends.servers[s].isForHub { noteFailure(s, fields, fault) }
            let isForHub = ends.servers[s].isForHub
            closeServer(s, .loginFailed(fields))
            guard !isForHub, ends.pools.servers(p) == 0, !fields.passesByItself else { return }
            refuseWaiting(p, fields, loginsOnly: !fault.isRefusal)
        }
    }

    /// The pool of a server, and others at the same address, may have to wait for the next attempt.
    private mutating func noteFailure(_ s: ServerIndex, _ fields: ErrorFields, _ fault: ServerStartup.Fault) {
        guard let record = ends.pools.record(ends.servers[s].pool) else { return }
        shared.directory.failed(
            record, fields, started: ends.servers[s].connected, ofPlace: fault.isOfPlace, now: now,
            longest: Clock.nanoseconds(tuning.server_login_retry))
        // A word about this role or database: others may fare better.
        if case .refused = fault, case .login = ends.servers[s].state { outageEnded(record, ofPool: false) }
        if ["28P01", "28000"].contains(fields.sqlstate) {
            // What the worker holds may be stale: the next client's login brings fresh keys.
            shared.directory.forgetCredentials(record)
        }
    }
}
