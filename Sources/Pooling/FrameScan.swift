import FixedStorage
import Wire

/// What a scan of received bytes found.
@frozen
public struct Scan: BitwiseCopyable, Sendable {
    @frozen
    public enum Stop: UInt8, BitwiseCopyable, Sendable {
        /// All bytes were taken, or all but the first bytes of a frame that is cut off.
        case end
        /// frontend: the client says goodbye (the frame is not taken)
        case terminate
        /// A tag that has no place here, or an impossible length; nothing of it is taken.
        case malformed
        /// backend: a ParameterStatus frame begins here; not taken.
        case parameterStatus
        /// backend: ReadyForQuery was taken and the server may be released.
        case released
        /// backend: ReadyForQuery left a transaction open in statement mode; taken.
        case transaction
    }

    /// Bytes to forward, from the start.
    public var taken: Int
    public var stop: Stop

    @inlinable @_noLocks
    public init(taken: Int, stop: Stop) {
        self.taken = taken
        self.stop = stop
    }
}

/// Walks over the frames of received bytes, tells `Traffic` about each, and says how far
/// they may be forwarded. Bodies are passed over unseen; a frame may end in a later
/// buffer (`bodyLeft`).
public enum FrameScan {
    /// Bytes from a client.
    /// - Parameter bodyLeft: body bytes still to come of the frame last begun; kept by the
    ///   caller from call to call.
    @_noLocks
    public static func frontend(_ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic) -> Scan {
        var position = 0
        var left = bodyLeft
        let count = bytes.byteCount
        while true {
            let rest = count &- position
            if left >= rest {
                bodyLeft = left &- rest
                return Scan(taken: count, stop: .end)
            }
            position &+= left
            left = 0
            guard
                case .header(let tag, let body) = FrameHeader.read(
                    bytes, at: position, limit: FrameLimit.large)
            else {
                bodyLeft = 0
                return Scan(taken: position, stop: count &- position < FrameHeader.size ? .end : .malformed)
            }
            switch traffic.frontend(tag) {
            case .forward: break
            case .terminate:
                bodyLeft = 0
                return Scan(taken: position, stop: .terminate)
            case .invalid:
                bodyLeft = 0
                return Scan(taken: position, stop: .malformed)
            }
            position &+= FrameHeader.size
            left = body
        }
    }

    /// Bytes from a server that is linked (or whose client has gone).
    /// - Parameters:
    ///   - pooled: stop where the server may be released (transaction and statement mode).
    ///   - statements: a transaction left open is a violation (statement mode).
    ///   - lastTag: the last frame begun; for whoever wonders why a server closed.
    @_noLocks
    public static func backend(
        _ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic, pooled: Bool, statements: Bool,
        lastTag: inout UInt8
    ) -> Scan {
        var position = 0
        var left = bodyLeft
        var last = lastTag
        var stop = Scan.Stop.end
        let count = bytes.byteCount
        scan: while true {
            let rest = count &- position
            if left >= rest {
                position = count
                left &-= rest
                break
            }
            position &+= left
            left = 0
            guard
                case .header(let tag, let body) = FrameHeader.read(
                    bytes, at: position, limit: FrameLimit.large)
            else {
                if count &- position >= FrameHeader.size { stop = .malformed }
                break
            }
            if !isPlain(tag) {
                switch decide(tag, body, bytes, position, &traffic) {
                case .pass: break
                case .stop(let reason):
                    stop = reason
                    break scan
                case .ready(let status):
                    last = tag
                    position &+= FrameHeader.size &+ 1
                    guard pooled && traffic.isQuiet else { continue }
                    if status == TransactionStatus.idle {
                        stop = .released
                        break scan
                    }
                    guard statements else { continue }
                    stop = .transaction
                    break scan
                }
            }
            last = tag
            position &+= FrameHeader.size
            left = body
        }
        bodyLeft = left
        lastTag = last
        return Scan(taken: position, stop: stop)
    }

    /// Frames that mean nothing to a link: one bit per tag from '@' (0x40) to 0x7f, and
    /// the digits.
    @_noLocks @inline(__always)
    private static func isPlain(_ tag: UInt8) -> Bool {
        // A C D H I N T V c d n s t
        let letters: UInt64 =
            1 << 1 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 14 | 1 << 20 | 1 << 22
            | 1 << 35 | 1 << 36 | 1 << 46 | 1 << 51 | 1 << 52
        if tag >= 0x40 && tag < 0x80 { return letters >> UInt64(tag & 63) & 1 == 1 }
        return tag >= UInt8(ascii: "1") && tag <= UInt8(ascii: "3")
    }

    private enum Decision: BitwiseCopyable {
        case pass
        case ready(UInt8)
        case stop(Scan.Stop)
    }

    /// What a frame that isn't plain means. `pass`: it is forwarded like the others.
    @_noLocks
    private static func decide(
        _ tag: UInt8, _ body: Int, _ bytes: ByteView, _ position: Int, _ traffic: inout Traffic
    ) -> Decision {
        switch tag {
        case BackendTag.readyForQuery:
            guard body == 1 else { return .stop(.malformed) }
            guard bytes.byteCount &- position > FrameHeader.size else { return .stop(.end) }
            let status = bytes.byte(position &+ FrameHeader.size)
            return traffic.ready(status) ? .ready(status) : .stop(.malformed)
        case BackendTag.parameterStatus:
            return .stop(.parameterStatus)
        case BackendTag.errorResponse:
            traffic.failed()
        case BackendTag.copyInResponse:
            traffic.copyInStarted()
        case BackendTag.copyBothResponse:
            traffic.becomeUncertain()
        default:
            return .stop(.malformed)
        }
        return .pass
    }
}

extension Traffic {
    /// Something happened after which the count of replies can't be known.
    @_noLocks
    public mutating func becomeUncertain() { uncertain = true }
}
