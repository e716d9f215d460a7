import Engine
import FixedStorage
import Pooling

/// The common transaction: a request and a reply that arrive whole, on sockets of which
/// nothing else is known and for which nothing waits. Where anything else turns up, the
/// general functions of `Relay` go on.
extension Ends {
    /// The server for a client's input: for an idle client the one that is next, if it will
    /// do as it is; a linked client's own. Nil: it takes the general functions.
    @_noLocks @inline(__always)
    mutating func serverForCommonRequest(_ c: ClientIndex, _ event: PollEvent) -> Entry<Server>? {
        let client = clients.entry(c)
        guard event.isInputOnly, client.value.stream.signs.areClear, !client.value.stream.input.hasMemory
        else {
            return nil
        }
        let server: Entry<Server>
        if case .idle = client.value.state {
            let s = pools.next(client.value.pool)
            guard s != .absent else { return nil }
            server = servers.entry(s)
            guard server.value.parameters == client.value.parameters else { return nil }
            // An agent has less to do for the client it had last.
            if s != client.value.server && server.value.hasAgent { return nil }
        } else {
            guard case .active = client.value.state else { return nil }
            server = servers.entry(client.value.server)
            guard case .active = server.value.state else { return nil }
        }
        return server.value.stream.output.hasMemory ? nil : server
    }

    @_noLocks @inline(__always)
    mutating func moveRequest(_ c: ClientIndex, to server: Entry<Server>) -> PumpStop {
        let client = clients.entry(c)
        let n = scratch.receive(client.value.stream.descriptor)
        if n <= 0 { return Relay.failure(n) }
        if case .idle = client.value.state {
            let s = pools.leaseNext(client.value.pool)
            Relay.link(&client.value, c, &server.value, s, now)
        }
        guard n < Scratch.size else { return moveRest(ofClient: c, nil, n) }
        let bytes = scratch.bytes(n)
        let scan = FrameScan.frontend(
            bytes, bodyLeft: &client.value.bodyLeft, traffic: &server.value.traffic)
        guard scan.taken == n, server.value.traffic.isExpecting else {
            return moveRest(ofClient: c, scan, n)
        }
        let sent = bytes.send(server.value.stream.descriptor)
        return sent == n ? .idle : Relay.concludeRequest(&client.value, &server.value, scan, n, sent, scratch)
    }

    /// Input of a client that ends in the middle of a header, asks for no reply, or may not
    /// be all.
    /// - Parameter scan: nil when it has not been scanned yet.
    @_noLocks @inline(never)
    private mutating func moveRest(ofClient c: ClientIndex, _ scan: Scan?, _ n: Int) -> PumpStop {
        let s = clients[c].server
        if n == Scratch.size { clients[c].maySendMore() }
        let stop =
            if let scan {
                Relay.concludeRequest(&clients[c], &servers[s], scan, n, nil, scratch)
            } else {
                Relay.passToServer(&clients[c], &servers[s], n, scratch)
            }
        guard case .idle = stop else { return stop }
        return pumpClient(c)
    }

    /// Input of a server that is linked.
    @_noLocks @inline(__always)
    mutating func isCommonReply(_ s: ServerIndex, _ event: PollEvent) -> Bool {
        let server = servers.entry(s)
        guard event.isInputOnly, case .active = server.value.state, server.value.stream.signs.areClear else {
            return false
        }
        return !server.value.stream.input.hasMemory && !clients[server.value.client].stream.output.hasMemory
    }

    /// Ends the link, too, where nothing is in the way.
    @_noLocks @inline(__always)
    mutating func moveReply(_ s: ServerIndex) -> PumpStop {
        let server = servers.entry(s)
        let client = clients.entry(server.value.client)
        let n = scratch.receive(server.value.stream.descriptor)
        if n <= 0 { return n == Stream.wouldBlock ? .idle : .serverGone }
        guard n < Scratch.size else { return moveRest(ofServer: s, nil, n) }
        let bytes = scratch.bytes(n)
        let scan = FrameScan.backend(
            bytes, bodyLeft: &server.value.bodyLeft, traffic: &server.value.traffic,
            mode: pools.mode(server.value.pool))
        guard scan.taken == n else { return moveRest(ofServer: s, scan, n) }
        let sent = bytes.send(client.value.stream.descriptor)
        guard sent == n else {
            return Relay.concludeReply(
                &server.value, &client.value, scan, n, sent, scratch, pools.mode(server.value.pool))
        }
        if case .released = scan.stop, client.value.bodyLeft == 0 { return rest(client, server, s) }
        return Relay.meaning(scan.stop, client.value, server.value, pools.mode(server.value.pool))
    }

    @_noLocks @inline(never)
    private mutating func moveRest(ofServer s: ServerIndex, _ scan: Scan?, _ n: Int) -> PumpStop {
        let (c, mode) = (servers[s].client, pools.mode(servers[s].pool))
        if n == Scratch.size { servers[s].mayHaveInput() }
        let stop =
            if let scan {
                Relay.concludeReply(&servers[s], &clients[c], scan, n, nil, scratch, mode)
            } else {
                Relay.passToClient(&servers[s], &clients[c], n, scratch, mode)
            }
        guard case .idle = stop else { return stop }
        return pumpServer(s)
    }

    /// Ends a link whose server has nothing more to say, and no signs: both rest. `released`
    /// (nothing done) when the server is wanted, or has to stay, or when the client has more
    /// to say.
    @_noLocks @inline(__always)
    private mutating func rest(_ client: Entry<Client>, _ server: Entry<Server>, _ s: ServerIndex) -> PumpStop
    {
        guard server.value.ledger.mayRest, client.value.stream.signs.areClear else { return .released }
        guard !client.value.stream.input.hasMemory, pools.mayRest(s, server.value.pool) else {
            return .released
        }
        Relay.unlink(&client.value, &server.value, now)
        server.value.rests(now)
        return .idle
    }
}
