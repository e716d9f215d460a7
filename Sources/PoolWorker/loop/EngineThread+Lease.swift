import Engine
import FixedStorage
import Pooling
import Wire

/// Clients get servers and give them back.
extension EngineThread {
    /// Takes an idle server for a client, or puts the client on the waiting list.
    @_noLocks
    mutating func lease(_ c: ClientIndex) -> ServerIndex {
        let s = leaseServer(c)
        if s == .absent {
            ends.clients[c].waits(now)
        } else {
            ends.link(c, s)
        }
        return s
    }

    /// As `Ends.lease`; a client that is to change its servers gets another one than it had.
    @_noLocks
    mutating func leaseServer(_ c: ClientIndex) -> ServerIndex {
        ends.clients[c].rotates ? leaseOther(c) : ends.lease(c)
    }

    /// A client and a server have just been linked: the server gets the client's
    /// parameters, then the client's bytes.
    mutating func serve(_ c: ClientIndex, _ s: ServerIndex) {
        if ends.clients[c].parameters != ends.servers[s].parameters {
            startSetup(c, s)
        } else {
            settle(ends.pumpClient(c), client: c, server: s)
        }
    }

    /// The link is over and the server idle: the client keeps nothing, the server goes to
    /// the next client that waits; unless the client has something there that can't be carried.
    mutating func release(_ c: ClientIndex, _ s: ServerIndex) {
        if ends.clients[c].ended { return closeEnded(c) }
        if draining == .transactions { return closeClient(c, .shutdown) }
        if ends.servers[s].ledger.pins != 0 { return pin(c, s) }
        unpin(s)
        ends.unlink(c, s)
        passOn(s)
        postStartRequest(c)
    }

    /// What stopped on a link is to go on, when the call under way has returned.
    mutating func postGoOn(_ s: ServerIndex) {
        agenda.post(.goOn(s, generation: ends.servers.generation(s)))
    }

    /// A server has no client: soon it goes to the next waiting client, another thread, or the idle list.
    mutating func passOn(_ s: ServerIndex) {
        ends.servers[s].isFree()
        agenda.post(.passOn(s, generation: ends.servers.generation(s)))
    }

    mutating func passOnNow(_ s: ServerIndex) {
        if ends.servers[s].cancels > 0 {
            ends.servers[s].settles(now)
            return
        }
        guard ends.servers[s].hungUp || hasFacts(s) else { return closeServer(s, outdated) }
        if ends.servers[s].hungUp { return closeServer(s, .serverGone) }
        if ends.servers[s].isNew {
            startLifetime(s)
        } else if ends.servers[s].obsolete || now >= ends.servers[s].expires {
            return closeServer(s, now >= ends.servers[s].expires ? .lifetime : .retired)
        } else if ends.servers[s].wanted && givesWay(s) {
            return closeServer(s, .evicted)
        }
        place(s)
    }

    /// Whatever its lifetime and whichever pool wants it, a new server is for a client first.
    private mutating func startLifetime(_ s: ServerIndex) {
        let p = ends.servers[s].pool
        guard let record = ends.pools.record(p) else {
            return ends.servers[s].startsLife(until: .max, isWanted: false, now)
        }
        let expires = ends.servers[s].connected &+ ends.pools.serverLifetime(p)
        ends.servers[s].startsLife(until: expires, isWanted: shared.directory.isWanted(record), now)
    }

    private mutating func place(_ s: ServerIndex) {
        if tuning.test_rotate_servers { return placeRotating(s) }
        let p = ends.servers[s].pool
        var release = ends.pools.release(s, p)
        if case .toOtherThread = release {
            if handOver(s) { return }
            release = ends.pools.release(s, p, stays: true)
        }
        switch release {
        case .toClient(let next): give(s, to: next)
        case .idle, .toOtherThread: becameIdle(s)
        }
    }

    /// A server is on the idle list.
    mutating func becameIdle(_ s: ServerIndex) {
        ends.servers[s].rests(now)
        if ends.servers[s].readable || ends.servers[s].stream.input.hasMemory { readServer(s) }
    }

    /// A client that waited gets a server.
    mutating func give(_ s: ServerIndex, to c: ClientIndex) {
        let welcoming = ends.clients[c].state == .welcome
        ends.link(c, s)
        if welcoming { welcomeOnServer(c, s) } else { serve(c, s) }
    }

    /// Does what a pump asks for.
    @inline(__always)
    mutating func settle(_ stop: PumpStop, client c: ClientIndex, server s: ServerIndex) {
        if scratch.blocked { watchOutput(c, s) }
        if stop != .idle { settleRare(stop, c, s) }
    }

    /// A socket of a link took less than it was given.
    @inline(never)
    mutating func watchOutput(_ c: ClientIndex, _ s: ServerIndex) {
        scratch.blocked = false
        if !ends.clients[c].stream.output.isEmpty { watchClient(c, output: true) }
        if !ends.servers[s].stream.output.isEmpty { watchServer(s, output: true) }
    }

    @inline(never)
    mutating func settleRare(_ stop: PumpStop, _ c: ClientIndex, _ s: ServerIndex) {
        switch stop {
        case .idle:
            break
        case .again:
            agenda.goOn(clientToken(c))
            agenda.goOn(serverToken(s))
        case .released:
            release(c, s)
        case .clientGone:
            closeEnded(c)
        case .answered:
            lastAnswer(c, s)
        case .clientEnded:
            clientEnded(c, .stream)
        case .terminated:
            clientEnded(c, .terminate)
        case .clientMalformed:
            clientEnded(c, ends.clients[c].malformation)
        case .serverGone:
            serverDied(s, .serverGone)
        case .serverDeaf:
            agenda.post(.serverDeaf(s, generation: ends.servers.generation(s)))
        case .serverMalformed:
            serverDied(s, .serverMalformed)
        case .parameterStatus:
            readParameterStatus(s)
        case .agent:
            readAgent(s)
        case .spent:
            // One with pins stays; whatever its client sends next makes the link uncertain.
            if ends.servers[s].ledger.pins == 0 { ends.servers[s].retires() }
            release(c, s)
        case .fence:
            fence(c, s)
        case .transaction:
            ends.servers[s].retires()
            closeClient(c, .transactionInStatementMode)
        }
    }
}
