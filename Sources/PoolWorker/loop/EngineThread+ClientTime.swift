import Engine
import FixedStorage
import Pooling
import Wire

/// Clients that have been as they are for too long.
extension EngineThread {
    /// Closes the clients whose limits are over.
    mutating func checkClients() {
        let limits = clientLimits
        for c in ends.clients.indices where ends.clients[c].state != .gone { checkClient(c, limits) }
    }

    /// The limits that hold for all clients.
    private var clientLimits: ClientLimits {
        var limits = ClientLimits()
        limits.login = Clock.nanoseconds(tuning.client_login_timeout)
        limits.queryWait = Clock.nanoseconds(tuning.query_wait_timeout)
        limits.cancel = Clock.nanoseconds(tuning.cancel_wait_timeout)
        return limits
    }

    private mutating func checkClient(_ c: ClientIndex, _ limits: ClientLimits) {
        if draining == .transactions, pipelines(c) {
            // It may never rest: what it has sent is done, and nothing more is read.
            return clientEnded(c, .shutdown)
        }
        guard let wait = wait(of: c) else { return }
        if let refusal = refusalOfDrain(c, wait) { return closeClient(c, .error(refusal)) }
        if draining == .transactions, case .request = wait { return closeClient(c, .shutdown) }
        var limits = limits
        limits.idle = ends.clients[c].idleTimeout
        limits.idleSession = UInt64(ledgerClients.idleTimeout(of: ends.clients[c].ledger)) * 1_000_000
        limits.transaction = ends.clients[c].transactionTimeout
        if case .over(let limit) = limits.verdict(wait, now: now) { limitIsOver(c, limit) }
    }

    /// While clients are let go, one that has said nothing for a while need not say who it is any more, as it
    /// would be refused; returns what it is told. It had time to bring a cancel request.
    private func refusalOfDrain(_ c: ClientIndex, _ wait: ClientWait) -> ErrorFields? {
        guard let draining else { return nil }
        let lastsAnyway = draining == .clients && logins[c]?.phase != .startup
        switch wait {
        case .login(let since) where !lastsAnyway && now &- since > Self.tick: return admissionRefusal
        case .server where !lastsAnyway && ends.clients[c].state == .welcome: return admissionRefusal
        default: return nil
        }
    }

    /// A linked client is between two messages, and its server owes answers to several.
    private func pipelines(_ c: ClientIndex) -> Bool {
        let s = ends.clients[c].linkedServer
        guard s != .absent, ends.servers[s].state == .active, !ends.clients[c].ended else { return false }
        return ends.clients[c].bodyLeft == 0 && ends.servers[s].traffic.isPipelining
    }

    /// Returns nil if no limit of time counts now.
    private mutating func wait(of c: ClientIndex) -> ClientWait? {
        let client = ends.clients[c]
        switch client.state {
        case .login: return .login(since: client.connected)
        case .welcome, .waiting: return .server(since: client.since)
        case .idle, .discarding: return .request(since: client.since)
        case .active: return waitOnLink(client)
        case .cancelling: return .cancel(since: client.since)
        case .closing: return .farewell(since: client.since)
        case .gone: return nil
        }
    }

    private mutating func waitOnLink(_ client: Client) -> ClientWait? {
        let s = client.server
        guard ends.servers[s].state == .active else {
            // (the worker's own query comes before what it has sent; the answer may never come)
            return client.hungUp ? .lastStatement(since: ends.servers[s].since) : nil
        }
        if client.ended {
            switch client.end {
            case .terminate, .shutdown: return nil
            case .stream, .unknownType, .wrongLength: return .lastStatement(since: client.since)
            }
        }
        ends.servers[s].noticesAnswer(now)
        let (traffic, since) = (ends.servers[s].traffic, ends.servers[s].since)
        let wait = ClientWait(onLink: traffic, bodyLeft: client.bodyLeft, since: since)
        if wait == nil { ends.servers[s].linkRests(now) }
        return wait
    }

    private mutating func limitIsOver(_ c: ClientIndex, _ limit: ClientLimits.Limit) {
        switch limit {
        case .login: closeClient(c, .loginTimeout)
        case .queryWait: queryWaitOver(c)
        case .idle: closeClient(c, .idleTimeout)
        case .idleSession: closeClient(c, .idleSession)
        case .transaction: closeClient(c, .transactionTimeout)
        case .lastStatement: closeEnded(c)
        case .cancel: closeClient(c, .cancelHandled)
        case .farewell: forgetClient(c)
        }
    }

    private mutating func queryWaitOver(_ c: ClientIndex) {
        let p = ends.clients[c].pool
        let waited = Double(now &- ends.clients[c].since) / 1e9
        guard let record = ends.pools.record(p) else { return }
        closeClient(
            c,
            .queryWaitTimeout(
                waited: waited, limits: record.settings, pool: "\(record.database)/\(record.user)"))
    }
}
