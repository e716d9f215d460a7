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
    /// The client's stream failed.
    case clientGone
    /// The client's stream ended in order.
    case clientEnded
    /// The client has ended, and has the last answer it can get.
    case answered
    /// The server's stream ended or failed.
    case serverGone
    /// The server takes no more bytes; its last ones may still be there.
    case serverDeaf
    /// The client said goodbye.
    case terminated
    case clientMalformed
    case serverMalformed
    /// A ParameterStatus is next.
    case parameterStatus
    /// A message of the server's agent is next.
    case agent
    /// A transaction was left open in statement mode.
    case transaction
    /// The client is done with the server, and nobody else can have it.
    case spent
    /// The client is done with the server, which may not have read all that it was sent.
    case fence
}

/// Bytes from client to server and back; with CommonTransaction.swift the hot path. No
/// allocation, no reference counting, no lock; two receives and two sends a transaction.
/// Static, over one client and one server, so that their places in the tables are looked
/// up once.
///
/// Bytes are received into `scratch` and sent from there. Only what can't be sent yet, or
/// is a part of a header, moves to a block of the connection's own.
enum Relay {
    /// Rounds a pump may take before others get their turn.
    private static var fairRounds: Int { @_noLocks get { 8 } }

    /// Moves what the client sends to its server.
    @_noLocks @inline(never)
    static func allToServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch, pooled: Bool
    ) -> PumpStop {
        guard server.stream.output.isEmpty else { return .idle }
        var rounds = fairRounds
        while client.readable || client.stream.input.count >= FrameHeader.size {
            if waits(client, server) { return client.hungUp ? noticeHangUp(&client) : .idle }
            let stop = stepToServer(&client, &server, scratch)
            if stop != .idle { return stop }
            guard server.stream.output.isEmpty else { return .idle }
            rounds &-= 1
            if rounds == 0 { return .again }
        }
        return pooled ? end(client, server) : .idle
    }

    @_noLocks @inline(__always)
    private static func stepToServer(
        _ client: inout Client, _ server: inout Server, _ scratch: Scratch
    ) -> PumpStop {
        let n = client.stream.receive(scratch, header: FrameHeader.size)
        if n <= 0 { return failure(n) }
        return passToServer(&client, &server, n, scratch)
    }

    /// What it means that a receive from a client returned no bytes.
    @_noLocks @inline(__always)
    static func failure(_ n: Int) -> PumpStop {
        if n == Stream.wouldBlock { return .idle }
        return n == 0 ? .clientEnded : .clientGone
    }

    /// In statement mode the next request waits for the answer to the last one: that may say
    /// that a transaction block is open, in which nothing may run. It doesn't wait where the server may
    /// wait for the client: after an error among messages without a Sync it skips a Query, too.
    @_noLocks @inline(__always)
    private static func waits(_ client: borrowing Client, _ server: borrowing Server) -> Bool {
        guard client.inSteps, client.bodyLeft == 0 else { return false }
        return !server.traffic.needsClient
    }

    /// A client that waits for its answer has hung up: what it has sent until then is kept, as far as there
    /// is room, and its stream has ended or failed behind that.
    @_noLocks @inline(never)
    private static func noticeHangUp(_ client: inout Client) -> PumpStop {
        guard client.stream.receiveAll() else { return .clientGone }
        guard client.stream.input.isEmpty else { return .idle }
        client.stream.input.giveBack()
        return .clientEnded
    }

    /// The first `n` bytes of `scratch` came from the client.
    @_noLocks @inline(__always)
    static func passToServer(
        _ client: inout Client, _ server: inout Server, _ n: Int, _ scratch: Scratch
    ) -> PumpStop {
        var bytes = scratch.bytes(n)
        if client.inSteps {
            bytes = bytes.first(FrameScan.firstRequest(bytes, bodyLeft: client.bodyLeft))
        }
        let scan = FrameScan.frontend(bytes, bodyLeft: &client.bodyLeft, traffic: &server.traffic)
        return concludeRequest(&client, &server, scan, n, nil, scratch)
    }

    /// What was scanned is sent, what can't be now is kept.
    /// - Parameter sent: what came of sending all that the scan took; nil when that is still to do.
    @_noLocks @inline(never)
    static func concludeRequest(
        _ client: inout Client, _ server: inout Server, _ scan: Scan, _ n: Int, _ sent: Int?,
        _ scratch: Scratch
    ) -> PumpStop {
        let bytes = scratch.bytes(n)
        let passed = pass(
            bytes, scan.taken, sent, to: server.stream.descriptor, &server.stream.output, scratch)
        if scan.taken < n { keep(bytes, scan.taken, &client.stream.input) }
        guard passed else { return .serverDeaf }
        if scan.stop == .end { return .idle }
        return scan.stop == .terminate ? .terminated : .clientMalformed
    }

    /// Moves what the server sends to its client.
    @_noLocks @inline(never)
    static func allToClient(
        _ server: inout Server, _ client: inout Client, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        var rounds = fairRounds
        while server.readable && client.stream.output.isEmpty {
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
        // (of a ReadyForQuery the status is looked at, too)
        let n = server.stream.receive(scratch, header: FrameHeader.size + 1)
        if n <= 0 { return n == Stream.wouldBlock ? .idle : .serverGone }
        return passToClient(&server, &client, n, scratch, mode)
    }

    /// The first `n` bytes of `scratch` came from the server.
    @_noLocks @inline(__always)
    static func passToClient(
        _ server: inout Server, _ client: inout Client, _ n: Int, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        let scan = FrameScan.backend(
            scratch.bytes(n), bodyLeft: &server.bodyLeft, traffic: &server.traffic, mode: mode)
        return concludeReply(&server, &client, scan, n, nil, scratch, mode)
    }

    /// As `concludeRequest`.
    @_noLocks @inline(never)
    static func concludeReply(
        _ server: inout Server, _ client: inout Client, _ scan: Scan, _ n: Int, _ sent: Int?,
        _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        let bytes = scratch.bytes(n)
        let passed = pass(
            bytes, scan.taken, sent, to: client.stream.descriptor, &client.stream.output, scratch)
        if scan.taken < n { keep(bytes, scan.taken, &server.stream.input) }
        guard passed else { return .clientGone }
        return meaning(scan.stop, client, server, mode)
    }

    /// Delivers what is in the server's input block.
    @_noLocks
    static func deliver(
        _ server: inout Server, _ client: inout Client, _ scratch: Scratch, _ mode: PoolMode
    ) -> PumpStop {
        let scan = FrameScan.backend(
            server.stream.input.bytes, bodyLeft: &server.bodyLeft, traffic: &server.traffic, mode: mode)
        let passed = pass(
            server.stream.input.bytes, scan.taken, nil, to: client.stream.descriptor, &client.stream.output,
            scratch)
        server.stream.input.drop(scan.taken)
        if server.stream.input.isEmpty { server.stream.input.giveBack() }
        guard passed else { return .clientGone }
        return meaning(scan.stop, client, server, mode)
    }

    /// What the end of a scan means for the link. Out of line: the common reply ends otherwise.
    @_noLocks @inline(never)
    static func meaning(
        _ stop: Scan.Stop, _ client: borrowing Client, _ server: borrowing Server, _ mode: PoolMode
    ) -> PumpStop {
        switch stop {
        case .released, .fence:
            // A client in the middle of a frame goes on with the same server.
            guard client.bodyLeft == 0 else { return .idle }
            if case .released = stop { return .released }
            return .fence
        case .end:
            // What the client has sent may have waited for just this.
            if client.inSteps, !waits(client, server) {
                if client.readable { return .again }
                if !client.stream.input.isEmpty { return .again }
            }
            if client.ended { return isLast(server) ? .answered : .idle }
            // An asynchronous message may end after the link had nothing else to carry.
            return mode != .session ? end(client, server) : .idle
        default:
            return trouble(stop)
        }
    }

    /// Nothing more comes from a server whose client sends nothing more, or it can't be told
    /// any more what is the last: a COPY may have taken a Sync that was sent before it began.
    @_noLocks @inline(__always)
    private static func isLast(_ server: borrowing Server) -> Bool {
        if server.ending { return false }
        if server.traffic.needsClient { return true }
        return server.traffic.isOpenEnded
    }

    @_noLocks @inline(never)
    private static func trouble(_ stop: Scan.Stop) -> PumpStop {
        switch stop {
        case .parameterStatus: .parameterStatus
        case .agent: .agent
        case .transaction: .transaction
        case .spent: .spent
        case .end, .terminate, .released, .fence, .malformed: .serverMalformed
        }
    }

    /// What becomes of a link when nothing is due on it, in either direction; else `idle`.
    @_noLocks @inline(__always)
    private static func end(_ client: borrowing Client, _ server: borrowing Server) -> PumpStop {
        // An error that answers nothing is the server's last word.
        guard server.traffic.mayEnd, !server.traffic.hasFailed else { return .idle }
        guard client.bodyLeft == 0, server.bodyLeft == 0, server.stream.input.isEmpty else { return .idle }
        return server.traffic.isReleasable ? .released : .fence
    }

    // MARK: steps

    /// Sends the first `count` bytes, unless they were; what the socket doesn't take now
    /// waits in `output`. False when the stream has ended.
    @_noLocks @inline(__always)
    private static func pass(
        _ bytes: ByteView, _ count: Int, _ done: Int?, to fd: Int32, _ output: inout Block,
        _ scratch: Scratch
    ) -> Bool {
        if count == 0 { return true }
        let due = bytes.first(UInt(bitPattern: count))
        let sent = done ?? due.send(fd)
        return sent == count || passLater(due, sent, &output, scratch)
    }

    @_noLocks @inline(never)
    private static func passLater(
        _ due: ByteView, _ sent: Int, _ output: inout Block, _ scratch: Scratch
    ) -> Bool {
        if sent < 0 && sent != Stream.wouldBlock { return false }
        scratch.blocked = true
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
    @_noLocks @inline(__always)
    static func link(
        _ client: inout Client, _ c: ClientIndex, _ server: inout Server, _ s: ServerIndex, _ now: UInt64
    ) {
        client.linked(to: s)
        server.linked(to: c, client.ledger, now)
    }

    @_noLocks @inline(__always)
    static func unlink(_ client: inout Client, _ server: inout Server, _ now: UInt64) {
        client.unlinked(now)
        server.unlinked()
    }
}
