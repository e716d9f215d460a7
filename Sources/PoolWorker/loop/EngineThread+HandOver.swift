import CSys
import Engine
import FixedStorage
import Pooling

extension EngineThread {
    /// A server that is free (and counted nowhere any more) goes to a thread whose clients wait.
    /// - Returns: false: nobody elsewhere waits any more. It is counted here again.
    mutating func handOver(_ s: ServerIndex) -> Bool {
        let p = ends.servers[s].pool
        guard let other = ends.pools.takeThreadInTurn(p) else {
            ends.pools.adopted(p)
            return false
        }
        ends.servers[s].stream.unwatch(poller)
        let parcel = ServerHandOver(
            server: ends.servers[s], parameters: parameterSets.values(ends.servers[s].parameters),
            connector: serverLogins.connector(s))
        forgetServer(s)
        shared.inboxes[other].post(.handOver(parcel))
        return true
    }

    /// A server comes from another thread.
    mutating func takeOver(_ parcel: ServerHandOver) {
        var server = parcel.server
        server.arrives(parameters: parameterSets.number(for: parcel.parameters), nobody: ends.nobody)
        let p = server.pool
        guard ends.pools.isKnown(p), let s = ends.add(server) else {
            server.stream.close()
            shared.countServer(-1)
            shared.ledger.giveBack(server: server.slot)
            return
        }
        serverLogins.keep(parcel.connector, s)
        ends.pools.adopted(p)
        guard ends.servers[s].stream.watch(poller, serverToken(s)) else { return closeServer(s, .serverGone) }
        passOn(s)
    }

    /// Other threads' clients wait for servers of a pool: idle ones may go there.
    mutating func giveIdle(_ p: PoolIndex) {
        guard ends.pools.isKnown(p) else { return }
        for _ in 0..<max(0, ends.pools.waitingElsewhere(p)) {
            guard !ends.pools.hasWaiting(p), ends.pools.idle(p) > 0 else { return }
            let s = ends.pools.firstIdle(p)
            guard !ends.servers[s].stream.input.hasMemory else { return }
            ends.pools.takeIdle(s, p)
            passOn(s)
        }
    }
}
