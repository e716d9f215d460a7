import Engine
import FixedStorage
import Pooling
import Wire

/// Why a pump stopped; what has to be done about it is decided in `settle`.
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
extension EngineThread {
    /// Rounds a pump may take before others get their turn.
    static var fairRounds: Int { @_noLocks get { 8 } }

    /// Moves what client `c` sends to its server.
    @_noLocks
    mutating func pumpClient(_ c: UInt32) -> PumpStop {
        let s = clients[c].server
        var rounds = 0
        while true {
            guard servers[s].output.isEmpty else { return .idle }
            var source = clients[c].input
            let kept = source.hasMemory
            if !kept { source = scratch }
            // What is held already comes first; new bytes join it when it is only a part.
            if !kept || source.count < FrameHeader.size {
                guard clients[c].readable else { return pausedClient(c, s) }
                source.compact()
                let (n, more) = source.receive(clients[c].fd)
                if n <= 0 {
                    if n == -11 {  // EAGAIN
                        clients[c].readable = false
                        return pausedClient(c, s)
                    }
                    return .clientGone
                }
                if !more && !clients[c].hungUp { clients[c].readable = false }
            }
            let stop = forward(c, s, &source, kept: kept)
            if stop != .idle { return stop }
            rounds &+= 1
            if rounds == Self.fairRounds { return .again }
        }
    }

    /// Sends the whole frames at the front of `source` (and the parts that belong to a
    /// frame begun) to the server; keeps the rest.
    @_noLocks
    private mutating func forward(_ c: UInt32, _ s: UInt32, _ source: inout Block, kept: Bool) -> PumpStop {
        let scan = FrameScan.frontend(
            source.bytes, bodyLeft: &clients[c].bodyLeft, traffic: &servers[s].traffic)
        if scan.taken > 0 {
            let sent = source.send(servers[s].fd, scan.taken)
            if sent < 0 && sent != -11 {
                keepClientInput(c, &source, kept: kept)
                return .serverGone
            }
            let rest = scan.taken &- max(0, sent)
            if rest > 0 && !servers[s].output.append(&source, rest) { return .serverGone }
        }
        keepClientInput(c, &source, kept: kept)
        switch scan.stop {
        case .terminate: return .terminated
        case .malformed: return .clientMalformed
        default: return .idle
        }
    }

    /// What was received and not forwarded waits in the client's input block.
    @_noLocks
    private mutating func keepClientInput(_ c: UInt32, _ source: inout Block, kept: Bool) {
        if kept {
            if source.isEmpty { source.giveBack() }
            clients[c].input = source
        } else {
            if !source.isEmpty {
                let count = source.count
                _ = clients[c].input.append(&source, count)
            }
            scratch.clear()
        }
    }

    /// The client has nothing to send now. A link over which nothing is due is released.
    @_noLocks
    private mutating func pausedClient(_ c: UInt32, _ s: UInt32) -> PumpStop {
        pools[servers[s].pool].mode != .session && isOver(c, s) ? .released : .idle
    }

    /// Nothing is due on a link, in either direction.
    @_noLocks
    private func isOver(_ c: UInt32, _ s: UInt32) -> Bool {
        servers[s].traffic.isReleasable && clients[c].bodyLeft == 0 && servers[s].bodyLeft == 0
            && !servers[s].input.hasMemory
    }

    /// Moves what server `s` sends to its client.
    @_noLocks
    mutating func pumpServer(_ s: UInt32) -> PumpStop {
        let c = servers[s].client
        let mode = pools[servers[s].pool].mode
        var rounds = 0
        while true {
            guard clients[c].output.isEmpty else { return .idle }
            var source = servers[s].input
            let kept = source.hasMemory
            if !kept { source = scratch }
            guard servers[s].readable else { return .idle }
            source.compact()
            let (n, more) = source.receive(servers[s].fd)
            if n <= 0 {
                if n == -11 {
                    servers[s].readable = false
                    return .idle
                }
                return .serverGone
            }
            if !more && !servers[s].hungUp { servers[s].readable = false }
            let stop = deliver(s, c, &source, kept: kept, mode: mode)
            if stop != .idle { return stop }
            rounds &+= 1
            if rounds == Self.fairRounds { return .again }
        }
    }

    /// Sends what may be sent of `source` to the client; keeps the rest.
    @_noLocks
    mutating func deliver(
        _ s: UInt32, _ c: UInt32, _ source: inout Block, kept: Bool, mode: PoolMode
    ) -> PumpStop {
        var (bodyLeft, traffic, lastTag) = (servers[s].bodyLeft, servers[s].traffic, servers[s].lastTag)
        let scan = FrameScan.backend(
            source.bytes, bodyLeft: &bodyLeft, traffic: &traffic, pooled: mode != .session,
            statements: mode == .statement, lastTag: &lastTag)
        servers[s].bodyLeft = bodyLeft
        servers[s].traffic = traffic
        servers[s].lastTag = lastTag
        var stop = PumpStop.idle
        if scan.taken > 0 {
            let sent = source.send(clients[c].fd, scan.taken)
            if sent < 0 && sent != -11 {
                source.drop(scan.taken)
                stop = .clientGone
            } else {
                let rest = scan.taken &- max(0, sent)
                if rest > 0 && !clients[c].output.append(&source, rest) { stop = .clientGone }
            }
        }
        if kept {
            if source.isEmpty { source.giveBack() }
            servers[s].input = source
        } else {
            if !source.isEmpty {
                let count = source.count
                _ = servers[s].input.append(&source, count)
            }
            scratch.clear()
        }
        if stop != .idle { return stop }
        switch scan.stop {
        // An asynchronous message may end after the link had nothing else to carry.
        case .end, .terminate: return mode != .session && isOver(c, s) ? .released : .idle
        case .malformed: return .serverMalformed
        case .parameterStatus: return .parameterStatus
        // The client is in the middle of a frame: it goes on with the same server.
        case .released: return clients[c].bodyLeft == 0 ? .released : .idle
        case .transaction: return .transaction
        }
    }
}
