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
/// counting, no lock; two receives and two sends a transaction.
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
        _ client: inout Client, _ server: inout Server, _ scratch: inout Block, pooled: Bool
    ) -> PumpStop {
        var rounds = 0
        while server.output.isEmpty {
            let kept = client.input.hasMemory
            // What is held already comes first; new bytes join it when it is only a part.
            if !kept || client.input.count < FrameHeader.size {
                guard client.readable else { return pooled && isOver(client, server) ? .released : .idle }
                let n: Int
                let more: Bool
                if kept {
                    client.input.compact()
                    (n, more) = client.input.receive(client.fd)
                } else {
                    (n, more) = scratch.receive(client.fd)
                }
                if n <= 0 {
                    guard n == wouldBlock else { return .clientGone }
                    client.readable = false
                    continue
                }
                if !more && !client.hungUp { client.readable = false }
            }
            let stop =
                kept
                ? forward(&client.input, &client.bodyLeft, &server)
                : forward(&scratch, &client.bodyLeft, &server)
            if kept {
                if client.input.isEmpty { client.input.giveBack() }
            } else {
                if !scratch.isEmpty { client.input.take(&scratch) }
                scratch.clear()
            }
            if stop != .idle { return stop }
            rounds &+= 1
            if rounds == fairRounds { return .again }
        }
        return .idle
    }

    /// Sends the frames at the front of `source`, and the part of a frame begun, to the server.
    @_noLocks @inline(__always)
    private static func forward(_ source: inout Block, _ bodyLeft: inout Int, _ server: inout Server)
        -> PumpStop
    {
        let scan = FrameScan.frontend(source.bytes, bodyLeft: &bodyLeft, traffic: &server.traffic)
        if scan.taken > 0 {
            let sent = source.send(server.fd, scan.taken)
            if sent < scan.taken {
                if sent < 0 && sent != wouldBlock { return .serverGone }
                let rest = scan.taken &- max(0, sent)
                if !server.output.append(&source, rest) { return .serverGone }
            }
        }
        switch scan.stop {
        case .end: return .idle
        case .terminate: return .terminated
        default: return .clientMalformed
        }
    }

    /// Nothing is due on a link, in either direction.
    @_noLocks @inline(__always)
    private static func isOver(_ client: borrowing Client, _ server: borrowing Server) -> Bool {
        guard server.traffic.isReleasable else { return false }
        guard client.bodyLeft == 0, server.bodyLeft == 0 else { return false }
        return !server.input.hasMemory
    }

    /// Moves what the server sends to its client.
    @_noLocks
    static func toClient(
        _ server: inout Server, _ client: inout Client, _ scratch: inout Block, pooled: Bool, statements: Bool
    ) -> PumpStop {
        var rounds = 0
        while client.output.isEmpty && server.readable {
            let kept = server.input.hasMemory
            let n: Int
            let more: Bool
            if kept {
                server.input.compact()
                (n, more) = server.input.receive(server.fd)
            } else {
                (n, more) = scratch.receive(server.fd)
            }
            if n <= 0 {
                guard n == wouldBlock else { return .serverGone }
                server.readable = false
                break
            }
            if !more && !server.hungUp { server.readable = false }
            let stop: PumpStop
            if kept {
                stop = deliver(&server, &client, pooled: pooled, statements: statements)
            } else {
                stop = deliver(&scratch, &server, &client, pooled: pooled, statements: statements)
                if !scratch.isEmpty { server.input.take(&scratch) }
                scratch.clear()
            }
            if stop != .idle { return stop }
            rounds &+= 1
            if rounds == fairRounds { return .again }
        }
        return .idle
    }

    /// Delivers what is in the server's input block.
    @_noLocks
    static func deliver(
        _ server: inout Server, _ client: inout Client, pooled: Bool, statements: Bool
    ) -> PumpStop {
        var source = server.input
        server.input = Block()
        let stop = deliver(&source, &server, &client, pooled: pooled, statements: statements)
        if source.isEmpty { source.giveBack() }
        server.input = source
        return stop
    }

    /// Sends what may be sent of `source` to the client.
    @_noLocks @inline(__always)
    private static func deliver(
        _ source: inout Block, _ server: inout Server, _ client: inout Client, pooled: Bool, statements: Bool
    ) -> PumpStop {
        let scan = FrameScan.backend(
            source.bytes, bodyLeft: &server.bodyLeft, traffic: &server.traffic, pooled: pooled,
            statements: statements, lastTag: &server.lastTag)
        if scan.taken > 0 {
            let sent = source.send(client.fd, scan.taken)
            if sent < scan.taken {
                if sent < 0 && sent != wouldBlock {
                    source.drop(scan.taken)
                    return .clientGone
                }
                let rest = scan.taken &- max(0, sent)
                if !client.output.append(&source, rest) { return .clientGone }
            }
        }
        switch scan.stop {
        // An asynchronous message may end after the link had nothing else to carry.
        case .end, .terminate: return pooled && source.isEmpty && isOver(client, server) ? .released : .idle
        case .malformed: return .serverMalformed
        case .parameterStatus: return .parameterStatus
        // A client in the middle of a frame goes on with the same server.
        case .released: return client.bodyLeft == 0 ? .released : .idle
        case .transaction: return .transaction
        }
    }
}

extension EngineThread {
    @_noLocks
    mutating func pumpClient(_ c: UInt32) -> PumpStop {
        let s = clients[c].server
        let pooled = pools[clients[c].pool].mode != .session
        return Relay.toServer(&clients[c], &servers[s], &scratch, pooled: pooled)
    }

    @_noLocks
    mutating func pumpServer(_ s: UInt32) -> PumpStop {
        let c = servers[s].client
        let mode = pools[servers[s].pool].mode
        return Relay.toClient(
            &servers[s], &clients[c], &scratch, pooled: mode != .session, statements: mode == .statement)
    }
}
