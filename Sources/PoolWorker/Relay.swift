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

    /// Moves what the client sends to its server.
    @_noLocks
    static func toServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch, pooled: Bool
    ) -> PumpStop {
        guard server.output.isEmpty else { return .idle }
        var rounds = fairRounds
        while client.readable || client.input.count >= FrameHeader.size {
            let n = receive(client.fd, &client.input, &client.readable, client.hungUp, scratch)
            if n <= 0 {
                guard n == wouldBlock else { return .clientGone }
                break
            }
            let bytes = scratch.bytes(n)
            let scan = FrameScan.frontend(bytes, bodyLeft: &client.bodyLeft, traffic: &server.traffic)
            let passed = pass(bytes, scan.taken, to: server.fd, &server.output)
            if scan.taken < n { keep(bytes, scan.taken, &client.input) }
            guard passed else { return .serverGone }
            if scan.stop != .end { return scan.stop == .terminate ? .terminated : .clientMalformed }
            guard server.output.isEmpty else { return .idle }
            rounds &-= 1
            if rounds == 0 { return .again }
        }
        return pooled && isOver(client, server) ? .released : .idle
    }

    /// Moves what the server sends to its client.
    @_noLocks
    static func toClient(
        _ server: inout Server, _ client: inout Client, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        guard client.output.isEmpty else { return .idle }
        var rounds = fairRounds
        while server.readable {
            let n = receive(server.fd, &server.input, &server.readable, server.hungUp, scratch)
            if n <= 0 {
                guard n == wouldBlock else { return .serverGone }
                break
            }
            let bytes = scratch.bytes(n)
            let scan = FrameScan.backend(
                bytes, bodyLeft: &server.bodyLeft, traffic: &server.traffic, pooled: mode != .session,
                statements: mode == .statement, lastTag: &server.lastTag)
            let passed = pass(bytes, scan.taken, to: client.fd, &client.output)
            if scan.taken < n { keep(bytes, scan.taken, &server.input) }
            guard passed else { return .clientGone }
            // A client in the middle of a frame goes on with the same server.
            if scan.stop == .released { return client.bodyLeft == 0 ? .released : .idle }
            let stop = meaning(scan.stop, client, server, pooled: mode != .session)
            if stop != .idle { return stop }
            guard client.output.isEmpty else { return .idle }
            rounds &-= 1
            if rounds == 0 { return .again }
        }
        return .idle
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

    /// What the end of a scan means for the link.
    @_noLocks @inline(__always)
    private static func meaning(
        _ stop: Scan.Stop, _ client: borrowing Client, _ server: borrowing Server, pooled: Bool
    ) -> PumpStop {
        switch stop {
        // An asynchronous message may end after the link had nothing else to carry.
        case .end, .terminate, .released:
            guard pooled, isOver(client, server) else { return .idle }
            return .released
        case .malformed: return .serverMalformed
        case .parameterStatus: return .parameterStatus
        case .transaction: return .transaction
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

extension EngineThread {
    @_noLocks @inline(__always)
    mutating func pumpClient(_ c: UInt32) -> PumpStop {
        let s = clients[c].server
        let pooled = pools[clients[c].pool].mode != .session
        return Relay.toServer(&clients[c], &servers[s], scratch, pooled: pooled)
    }

    @_noLocks @inline(__always)
    mutating func pumpServer(_ s: UInt32) -> PumpStop {
        Relay.toClient(&servers[s], &clients[servers[s].client], scratch, pools[servers[s].pool].mode)
    }
}
