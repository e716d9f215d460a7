import CWorker
import Engine
import Pooling

extension ServerLimits {
    init(_ tuning: CworkerTuning) {
        self.init(
            opening: Clock.nanoseconds(tuning.server_connect_timeout),
            idling: Clock.nanoseconds(tuning.server_idle_timeout),
            cancelling: Clock.nanoseconds(tuning.cancel_wait_timeout))
    }
}

extension Server {
    /// What it does, as far as it may take too long.
    func phase(_ pools: borrowing ThreadPools) -> ServerPhase {
        switch state {
        case .routing, .connecting, .login, .confirming:
            return .opens(since: connected)
        case .idle:
            return .idle(
                since: since, isRetired: obsolete, servers: pools.servers(pool),
                needed: pools.neededServers(pool))
        case .setup, .resetting:
            return client == .absent ? .recovers(since: since) : .unlimited
        case .recovering:
            return finishing ? .unlimited : .recovers(since: since)
        case .settling:
            return .settles(since: since)
        case .active, .free, .gone:
            return .unlimited
        }
    }
}
