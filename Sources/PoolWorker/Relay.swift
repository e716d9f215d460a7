import Engine
import FixedStorage
import Pooling
import Wire

/// Why a pump stopped; what has to be done about it is decided in `EngineThread.settle`.
enum PumpStop: UInt8, BitwiseCopyable {
    /// Nothing more can be moved now; an event will come.
    case idle
    /// More can be moved, but others are due first.
    case again
    /// The server is free again.
    case released
    /// The client's stream ended or failed.
    case clientGone
    /// The server's stream ended or failed.
    case serverGone
    /// The client said goodbye.
    case terminated
    case clientMalformed
    case serverMalformed
    /// A ParameterStatus is next.
    case parameterStatus
    /// A transaction was left open in statement mode.
    case transaction
    /// The client is done with the server, and nobody else can have it.
    case spent
}

/// The hot path: bytes from client to server and back. No allocation, no reference
/// counting, no lock; two receives and two sends a transaction. Static, over one client
/// and one server, so that their places in the tables are looked up once.
///
/// Bytes are received into `scratch` and sent from there. Only what can't be sent yet, or
/// is a part of a header, moves to a block of the connection's own.
enum Relay {
    /// Rounds a pump may take before others get their turn.
    private static var fairRounds: Int { @_noLocks get { 8 } }
    /// -EAGAIN
    private static var wouldBlock: Int { @_noLocks get { -11 } }

    /// Moves what the client sends to its server. Here the common case, without a loop and
    /// inlined: nothing is held, and one receive brings all there is.
    @_noLocks @inline(__always)
    static func toServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch, pooled: Bool
    ) -> PumpStop {
        guard client.input.isEmpty, client.readable, server.output.isEmpty else {
            return allToServer(&client, &server, scratch, pooled: pooled)
        }
        let stop = stepToServer(&client, &server, scratch)
        if stop != .idle { return stop }
        if client.readable { return allToServer(&client, &server, scratch, pooled: pooled) }
        return pooled && isOver(client, server) ? .released : .idle
    }

    /// The same, whatever there is.
    @_noLocks @inline(never)
    static func allToServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch, pooled: Bool
    ) -> PumpStop {
        guard server.output.isEmpty else { return .idle }
        var rounds = fairRounds
        while client.readable || client.input.count >= FrameHeader.size {
            let stop = stepToServer(&client, &server, scratch)
            if stop != .idle { return stop }
            guard server.output.isEmpty else { return .idle }
            rounds &-= 1
            if rounds == 0 { return .again }
        }
        return pooled && isOver(client, server) ? .released : .idle
    }

    @_noLocks @inline(__always)
    private static func stepToServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch
    ) -> PumpStop {
        let n = receive(client.fd, &client.input, &client.readable, client.hungUp, scratch)
        if n <= 0 { return n == wouldBlock ? .idle : .clientGone }
        let bytes = scratch.bytes(n)
        let scan = FrameScan.frontend(bytes, bodyLeft: &client.bodyLeft, traffic: &server.traffic)
        let passed = pass(bytes, scan.taken, to: server.fd, &server.output)
        if scan.taken < n { keep(bytes, scan.taken, &client.input) }
        guard passed else { return .serverGone }
        if scan.stop == .end { return .idle }
        return scan.stop == .terminate ? .terminated : .clientMalformed
    }

    /// Moves what the server sends to its client.
    @_noLocks @inline(never)
    static func allToClient(
        _ server: inout Server, _ client: inout Client, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        var rounds = fairRounds
        while server.readable && client.output.isEmpty {
            let stop = stepToClient(&server, &client, scratch, mode)
            if stop != .idle { return stop }
            rounds &-= 1
            if rounds == 0 { return .again }
        }
        return .idle
    }

    @_noLocks @inline(__always)
    private static func stepToClient(
        _ server: inout Server, _ client: inout Client, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        let n = receive(server.fd, &server.input, &server.readable, server.hungUp, scratch)
        if n <= 0 { return n == wouldBlock ? .idle : .serverGone }
        let bytes = scratch.bytes(n)
        let scan = FrameScan.backend(
            bytes, bodyLeft: &server.bodyLeft, traffic: &server.traffic, pooled: mode != .session,
            statements: mode == .statement, lastTag: &server.lastTag)
        let passed = pass(bytes, scan.taken, to: client.fd, &client.output)
        if scan.taken < n { keep(bytes, scan.taken, &server.input) }
        guard passed else { return .clientGone }
        // A client in the middle of a frame goes on with the same server.
        if scan.stop == .released { return client.bodyLeft == 0 ? .released : .idle }
        return meaning(scan.stop, client, server, pooled: mode != .session)
    }

    /// Delivers what is in the server's input block.
    @_noLocks
    static func deliver(
        _ server: inout Server, _ client: inout Client, pooled: Bool, statements: Bool
    ) -> PumpStop {
        let scan = FrameScan.backend(
            server.input.bytes, bodyLeft: &server.bodyLeft, traffic: &server.traffic, pooled: pooled,
            statements: statements, lastTag: &server.lastTag)
        let passed = pass(server.input.bytes, scan.taken, to: client.fd, &client.output)
        server.input.drop(scan.taken)
        if server.input.isEmpty { server.input.giveBack() }
        guard passed else { return .clientGone }
        if scan.stop == .released { return client.bodyLeft == 0 ? .released : .idle }
        return meaning(scan.stop, client, server, pooled: pooled)
    }

    /// What the end of a scan means for the link, other than its release.
    @_noLocks @inline(__always)
    private static func meaning(
        _ stop: Scan.Stop, _ client: borrowing Client, _ server: borrowing Server, pooled: Bool
    ) -> PumpStop {
        if stop != .end { return trouble(stop) }
        // An asynchronous message may end after the link had nothing else to carry.
        guard pooled, isOver(client, server) else { return .idle }
        return .released
    }

    @_noLocks @inline(never)
    private static func trouble(_ stop: Scan.Stop) -> PumpStop {
        switch stop {
        case .parameterStatus: .parameterStatus
        case .transaction: .transaction
        case .spent: .spent
        case .end, .terminate, .released, .malformed: .serverMalformed
        }
    }

    /// Nothing is due on a link, in either direction.
    @_noLocks @inline(__always)
    private static func isOver(_ client: borrowing Client, _ server: borrowing Server) -> Bool {
        guard server.traffic.isReleasable else { return false }
        guard client.bodyLeft == 0, server.bodyLeft == 0 else { return false }
        return !server.input.hasMemory
    }

    // MARK: steps

    /// Receives into `scratch`. Bytes there are now, 0 at the end of the stream, or -errno.
    /// `readable` stays while more may be waiting.
    @_noLocks @inline(__always)
    private static func receive(
        _ fd: Int32, _ held: inout Block, _ readable: inout Bool, _ hungUp: Bool, _ scratch: Scratch
    ) -> Int {
        if !held.isEmpty { return receiveMore(fd, &held, &readable, hungUp, scratch) }
        let n = scratch.receive(fd)
        readable = n == Scratch.size || (hungUp && n > 0)
        return n
    }

    /// Moves what is held to `scratch`; when it is only a part of a header, new bytes join it.
    @_noLocks @inline(never)
    private static func receiveMore(
        _ fd: Int32, _ held: inout Block, _ readable: inout Bool, _ hungUp: Bool, _ scratch: Scratch
    ) -> Int {
        let count = held.count
        scratch.put(held.bytes)
        if count < FrameHeader.size {
            let (n, more) = scratch.receive(fd, behind: count)
            readable = more || (hungUp && n > 0)
            if n <= 0 { return n }
            held.giveBack()
            return count &+ n
        }
        held.giveBack()
        return count
    }

    /// Sends the first `count` bytes; what the socket doesn't take now waits in `output`.
    /// False when the stream has ended.
    @_noLocks @inline(__always)
    private static func pass(_ bytes: ByteView, _ count: Int, to fd: Int32, _ output: inout Block) -> Bool {
        if count == 0 { return true }
        let due = bytes.first(UInt(bitPattern: count))
        let sent = due.send(fd)
        return sent == count || passLater(due, sent, &output)
    }

    @_noLocks @inline(never)
    private static func passLater(_ due: ByteView, _ sent: Int, _ output: inout Block) -> Bool {
        if sent < 0 && sent != wouldBlock { return false }
        return output.append(due.dropping(UInt(max(0, sent))))
    }

    /// Holds what was received and not taken.
    @_noLocks @inline(never)
    private static func keep(_ bytes: ByteView, _ taken: Int, _ input: inout Block) {
        _ = input.append(bytes.dropping(UInt(bitPattern: taken)))
    }
}

/// Links begin and end.
extension Relay {
    /// Moves what an idle or linked client sends. An idle one leases the server that is
    /// next, if nobody waits and it suits the client as it is: then nothing has to be known
    /// of the request first. Returns its server, `noIndex` when none was suitable.
    @_noLocks @inline(__always)
    static func request(
        _ client: inout Client, _ c: UInt32, _ pool: inout Pool, _ servers: inout Table<Server>,
        _ links: inout Links, _ scratch: Scratch, _ now: UInt64
    ) -> (server: UInt32, stop: PumpStop) {
        var s = client.server
        if case .idle = client.state {
            s = pool.next
            guard s != noIndex, client.readable, servers[s].parameters == client.parameters else {
                return (noIndex, .idle)
            }
            pool.leaseNext(&links)
            link(&client, c, &servers[s], s, now)
        } else {
            guard case .active = servers[s].state else { return (s, .idle) }
        }
        return (s, toServer(&client, &servers[s], scratch, pooled: pool.mode != .session))
    }

    @_noLocks @inline(__always)
    static func link(
        _ client: inout Client, _ c: UInt32, _ server: inout Server, _ s: UInt32, _ now: UInt64
    ) {
        client.state = .active
        client.server = s
        client.since = now
        server.state = .active
        server.client = c
        server.since = now
        server.traffic = Traffic()
    }

    @_noLocks @inline(__always)
    static func unlink(_ client: inout Client, _ server: inout Server, _ now: UInt64) {
        client.server = noIndex
        client.state = .idle
        client.since = now
        server.client = noIndex
    }

    /// Moves what a linked server sends, and ends the link where nothing is in the way.
    /// Here the common case, as in `toServer`.
    /// - Parameter wanted: clients on other threads wait for servers of the pool.
    @_noLocks @inline(__always)
    static func reply(
        _ server: inout Server, _ s: UInt32, _ client: inout Client, _ pool: inout Pool,
        _ servers: inout Links, _ scratch: Scratch, _ now: UInt64, wanted: Bool
    ) -> PumpStop {
        guard server.input.isEmpty, server.readable, client.output.isEmpty else {
            return allToClient(&server, &client, scratch, pool.mode)
        }
        let stop = stepToClient(&server, &client, scratch, pool.mode)
        if stop == .released {
            return !wanted && finish(&client, &server, s, &pool, &servers, now) ? .idle : .released
        }
        if stop == .idle && server.readable { return allToClient(&server, &client, scratch, pool.mode) }
        return stop
    }

    /// Ends a link: client and server rest. False (nothing done) when the server is to
    /// be closed or wanted, or when either has more to say.
    @_noLocks @inline(__always)
    static func finish(
        _ client: inout Client, _ server: inout Server, _ s: UInt32, _ pool: inout Pool,
        _ servers: inout Links, _ now: UInt64
    ) -> Bool {
        guard server.cancels == 0, !server.obsolete, !server.hungUp else { return false }
        guard now < server.expires, pool.waiting.isEmpty, !server.readable, !server.input.hasMemory else {
            return false
        }
        guard !client.readable, !client.input.hasMemory else { return false }
        unlink(&client, &server, now)
        server.state = .idle
        server.since = now
        pool.becameIdle(s, &servers)
        return true
    }
}

/// Events.
extension Relay {
    /// Notes what an event says of a client; true when it is idle or linked and nothing
    /// waits to be sent to it (nearly every event says writable).
    @_noLocks @inline(__always)
    static func note(_ event: PollEvent, _ client: inout Client) -> Bool {
        if event.isReadable { client.readable = true }
        if event.isHungUp { client.hungUp = true }
        guard client.output.isEmpty else { return false }
        switch client.state {
        case .idle, .active: return true
        default: return false
        }
    }

    /// The same of a server; true when it is linked and nothing waits to be sent to it.
    @_noLocks @inline(__always)
    static func note(_ event: PollEvent, _ server: inout Server) -> Bool {
        if event.isReadable { server.readable = true }
        if event.isHungUp { server.hungUp = true }
        guard case .active = server.state else { return false }
        return server.output.isEmpty
    }
}

extension EngineThread {
    @_noLocks @inline(never)
    mutating func pumpClient(_ c: UInt32) -> PumpStop {
        let s = clients[c].server
        let pooled = pools[clients[c].pool].mode != .session
        return Relay.allToServer(&clients[c], &servers[s], scratch, pooled: pooled)
    }

    @_noLocks @inline(never)
    mutating func pumpServer(_ s: UInt32) -> PumpStop {
        Relay.allToClient(&servers[s], &clients[servers[s].client], scratch, pools[servers[s].pool].mode)
    }
}
