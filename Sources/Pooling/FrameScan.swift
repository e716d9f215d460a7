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
        let count = bytes.byteCount
        while true {
            if bodyLeft > 0 {
                let step = min(bodyLeft, count &- position)
                position &+= step
                bodyLeft &-= step
                if bodyLeft > 0 { return Scan(taken: position, stop: .end) }
            }
            switch FrameHeader.read(bytes, at: position, limit: FrameLimit.large) {
            case .needMore:
                return Scan(taken: position, stop: .end)
            case .malformed:
                return Scan(taken: position, stop: .malformed)
            case .header(let tag, let body):
                switch traffic.frontend(tag) {
                case .terminate: return Scan(taken: position, stop: .terminate)
                case .invalid: return Scan(taken: position, stop: .malformed)
                case .forward: break
                }
                position &+= FrameHeader.size
                bodyLeft = body
            }
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
        let count = bytes.byteCount
        while true {
            if bodyLeft > 0 {
                let step = min(bodyLeft, count &- position)
                position &+= step
                bodyLeft &-= step
                if bodyLeft > 0 { return Scan(taken: position, stop: .end) }
            }
            guard case .header(let tag, let body) = FrameHeader.read(bytes, at: position, limit: FrameLimit.large)
            else {
                return Scan(taken: position, stop: count &- position < FrameHeader.size ? .end : .malformed)
            }
            switch tag {
            case BackendTag.dataRow, BackendTag.copyData, BackendTag.rowDescription, BackendTag.commandComplete,
                BackendTag.bindComplete, BackendTag.parseComplete:
                break
            case BackendTag.readyForQuery:
                guard body == 1 else { return Scan(taken: position, stop: .malformed) }
                guard count &- position > FrameHeader.size else { return Scan(taken: position, stop: .end) }
                let status = bytes.byte(position &+ FrameHeader.size)
                guard traffic.ready(status) else { return Scan(taken: position, stop: .malformed) }
                lastTag = tag
                position &+= FrameHeader.size &+ 1
                if pooled && traffic.isQuiet {
                    if status == TransactionStatus.idle { return Scan(taken: position, stop: .released) }
                    if statements { return Scan(taken: position, stop: .transaction) }
                }
                continue
            case BackendTag.parameterStatus:
                return Scan(taken: position, stop: .parameterStatus)
            case BackendTag.errorResponse:
                traffic.failed()
            case BackendTag.copyInResponse:
                traffic.copyInStarted()
            case BackendTag.copyBothResponse:
                traffic.becomeUncertain()
            case BackendTag.noticeResponse, BackendTag.notificationResponse, BackendTag.noData,
                BackendTag.closeComplete, BackendTag.parameterDescription, BackendTag.portalSuspended,
                BackendTag.emptyQueryResponse, BackendTag.copyDone, BackendTag.copyOutResponse,
                BackendTag.functionCallResponse:
                break
            default:
                return Scan(taken: position, stop: .malformed)
            }
            lastTag = tag
            position &+= FrameHeader.size
            bodyLeft = body
        }
    }
}

extension Traffic {
    /// Something happened after which the count of replies can't be known.
    @_noLocks
    public mutating func becomeUncertain() { uncertain = true }
}
