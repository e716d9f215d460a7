import Engine
import FixedStorage
import Pooling
import Wire

/// Clients get servers and give them back.
extension EngineThread {
    /// An idle client has sent something, or may have.
    mutating func startRequest(_ c: ClientIndex) {
        switch readRequest(c) {
        case .nothing: return
        case .gone: closeClient(c, .clientLeft)
        case .terminated: closeClient(c, .terminated)
        case .malformed: clientEnded(c, malformation(c))
        case .request:
            let s = lease(c)
            if s == .absent {
                openServers(clients[c].pool)
                if settings.test_rotate_servers { endRotationWait(c) }
            } else {
                serve(c, s)
            }
        }
    }

    enum Request { case nothing, gone, terminated, malformed, request }

    /// Receives from a client without a server, and looks at the first frame.
    @_noLocks
    private mutating func readRequest(_ c: ClientIndex) -> Request {
        if clients[c].stream.input.count < FrameHeader.size {
            let n = clients[c].stream.receive()
            if n == 0 { clients[c].ended = true }
            if n <= 0 { return n == Stream.wouldBlock ? .nothing : .gone }
        }
        let input = clients[c].stream.input
        switch FrameHeader.read(input.bytes, at: 0, limit: FrameLimit.large) {
        case .needMore: return clients[c].hungUp ? .gone : .nothing
        case .malformed: return .malformed
        case .header(let tag, _):
            var traffic = Traffic()
            switch traffic.frontend(tag) {
            case .forward: return .request
            case .invalid: return .malformed
            case .terminate: return .terminated
            }
        }
    }

    /// Takes an idle server for a client, or puts the client on the waiting list.
    @_noLocks
    private mutating func lease(_ c: ClientIndex) -> ServerIndex {
        let p = clients[c].pool
        let s = leaseServer(c)
        if s == .absent {
            clients[c].waits(now)
            if crowded { waitingCounters.add(p, thread: number, 1) }
        } else {
            link(c, s)
        }
        return s
    }

    /// The server a client had last, if that is idle, else the one that is next; `absent`:
    /// the client is on the waiting list.
    @_noLocks
    mutating func leaseServer(_ c: ClientIndex) -> ServerIndex {
        let p = clients[c].pool
        if clients[c].rotates { return leaseOther(c) }
        let last = clients[c].server
        if last != .absent, case .idle = servers[last].state, servers[last].pool == p,
            pools[p].waiting.isEmpty
        {
            pools[p].takeIdle(last, &serverLinks)
            return last
        }
        let alike = idleServer(alike: c)
        if alike != .absent {
            pools[p].takeIdle(alike, &serverLinks)
            return alike
        }
        return pools[p].lease(c, &clientLinks, &serverLinks)
    }

    /// So many idle servers are looked at, the most recently used first.
    private static var looked: Int { @_noLocks get { 8 } }

    /// An idle server whose caches were made in the environment of a client's session: another
    /// one would have to drop them. `absent`: there is none, or others wait.
    @_noLocks
    private func idleServer(alike c: ClientIndex) -> ServerIndex {
        let p = clients[c].pool
        guard pools[p].waiting.isEmpty, pools[p].idle.count > 1 else { return .absent }
        let environment = ledgerClients.environment(of: clients[c].ledger)
        guard environment != 0 else { return .absent }
        var s = pools[p].idle.first
        for _ in 0..<Self.looked {
            if s == .absent || servers[s].ledger.environment == environment { break }
            s = serverLinks[s].next
        }
        guard s != .absent, servers[s].ledger.environment == environment else { return .absent }
        return s
    }

    /// Client and server belong together from now on.
    @_noLocks
    mutating func link(_ c: ClientIndex, _ s: ServerIndex) {
        ledgerClients.note(server: servers[s].slot, of: clients[c].ledger)
        Relay.link(&clients[c], c, &servers[s], s, now)
    }

    /// A client and a server have just been linked: the server gets the client's
    /// parameters, then the client's bytes.
    mutating func serve(_ c: ClientIndex, _ s: ServerIndex) {
        if clients[c].parameters != servers[s].parameters {
            startSetup(c, s)
        } else {
            settle(pumpClient(c), client: c, server: s)
        }
    }

    /// The link is over and the server idle: the client keeps nothing, the server goes to
    /// whoever waits; unless the client has something there that can't be carried.
    mutating func release(_ c: ClientIndex, _ s: ServerIndex) {
        if clients[c].ended { return closeEnded(c) }
        if draining == .transactions { return closeClient(c, .shutdown) }
        if servers[s].ledger.pins != 0 { return pin(c, s) }
        unpin(s)
        unlink(c, s)
        passOn(s)
        // It may have sent its next request already.
        if clients[c].state == .idle && (clients[c].readable || clients[c].stream.input.hasMemory) {
            startRequest(c)
        }
    }

    @_noLocks
    mutating func unlink(_ c: ClientIndex, _ s: ServerIndex) { Relay.unlink(&clients[c], &servers[s], now) }

    /// A server without a client: to the next waiting client, another thread, or the idle list.
    ///
    /// What one client asks for may end at once, and free the server again: then it is put on a
    /// list that the call under way goes on with, however many clients wait.
    mutating func passOn(_ s: ServerIndex) {
        servers[s].isFree()
        servers[s].isFreed = true
        freed.pushLast(s, &serverLinks)
        guard !isPassing else { return }
        isPassing = true
        while true {
            let next = freed.popFirst(&serverLinks)
            if next == .absent { break }
            servers[next].isFreed = false
            passOnNow(next)
        }
        isPassing = false
    }

    private mutating func passOnNow(_ s: ServerIndex) {
        if servers[s].cancels > 0 {
            servers[s].settles(now)
            return
        }
        guard servers[s].hungUp || hasFacts(s) else { return closeServer(s, outdated) }
        if servers[s].obsolete || servers[s].hungUp || now >= servers[s].expires {
            closeServer(s, servers[s].hungUp ? .serverGone : .lifetime)
            return
        }
        if servers[s].wanted && givesWay(s) { return closeServer(s, .evicted) }
        let p = servers[s].pool
        let foreign = crowded ? waitingCounters.total(p) - Int32(pools[p].waiting.count) : 0
        place(s, foreign: foreign)
    }

    /// A server stays on this thread: with the next client that waits, or on the idle list.
    mutating func keep(_ s: ServerIndex) { place(s, foreign: 0) }

    private mutating func place(_ s: ServerIndex, foreign: Int32) {
        if settings.test_rotate_servers { return placeRotating(s, foreign: foreign) }
        let p = servers[s].pool
        switch pools[p].release(s, foreign: foreign, &clientLinks, &serverLinks) {
        case .toClient(let next):
            if crowded { waitingCounters.add(p, thread: number, -1) }
            give(s, to: next)
        case .idle: becameIdle(s)
        case .toOtherThread: handOver(s)
        }
    }

    /// A server is on the idle list.
    mutating func becameIdle(_ s: ServerIndex) {
        servers[s].rests(now)
        if servers[s].readable || servers[s].stream.input.hasMemory { readServer(s) }
    }

    /// A client that waited gets a server.
    mutating func give(_ s: ServerIndex, to c: ClientIndex) {
        let welcoming = clients[c].state == .welcome
        link(c, s)
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
    private mutating func watchOutput(_ c: ClientIndex, _ s: ServerIndex) {
        scratch.blocked = false
        if !clients[c].stream.output.isEmpty { watchClient(c, output: true) }
        if !servers[s].stream.output.isEmpty { watchServer(s, output: true) }
    }

    @inline(never)
    private mutating func settleRare(_ stop: PumpStop, _ c: ClientIndex, _ s: ServerIndex) {
        switch stop {
        case .idle:
            break
        case .again:
            goOn(clientToken(c))
            goOn(serverToken(s))
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
            clientEnded(c, malformation(c))
        case .serverGone:
            serverDied(s, .serverGone)
        case .serverDeaf:
            serverDeaf(c, s)
        case .serverMalformed:
            serverDied(s, .serverMalformed)
        case .parameterStatus:
            readParameterStatus(s)
        case .agent:
            readAgent(s)
        case .spent:
            // One with pins stays; whatever its client sends next makes the link uncertain.
            if servers[s].ledger.pins == 0 { servers[s].obsolete = true }
            release(c, s)
        case .fence:
            fence(c, s)
        case .transaction:
            servers[s].obsolete = true
            closeClient(c, .transactionInStatementMode)
        }
    }
}
