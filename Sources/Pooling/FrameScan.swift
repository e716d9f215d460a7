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
        /// backend: a message of an agent begins here; not taken.
        case agent
        /// backend: ReadyForQuery was taken and the server may be released.
        case released
        /// backend: ReadyForQuery was taken; the client is done with the server, but the server
        /// may owe one more reply and can't be released.
        case spent
        /// backend: ReadyForQuery was taken and nothing is due, but the server may be released
        /// only behind a fence (`Traffic.needsFence`).
        case fence
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
///
/// Functions of their own on purpose: inlined they would make their callers spill.
public enum FrameScan {
    /// Bytes from a client.
    /// - Parameter bodyLeft: body bytes still to come of the frame last begun; kept by the
    ///   caller from call to call.
    @_noLocks @inline(never)
    public static func frontend(_ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic) -> Scan {
        // Where the next header is; beyond the end while a body is cut off.
        var at = UInt(bitPattern: bodyLeft)
        var stop = Scan.Stop.end
        guard bytes.size >= 5 else { return ended(bytes, at, stop, &bodyLeft) }
        while bytes.hasHeader(at: at) {
            let (tag, length) = bytes.header(at: at)
            guard isPossible(length) else {
                stop = .malformed
                break
            }
            let verdict = traffic.frontend(tag, length: length)
            // (patterns: a synthesized == is more than @_noLocks allows without optimization)
            guard case .forward = verdict else {
                if case .terminate = verdict { stop = .terminate } else { stop = .malformed }
                break
            }
            at &+= 1 &+ UInt(length)
        }
        return ended(bytes, at, stop, &bodyLeft)
    }

    /// How many bytes from a client one step of statement mode takes: up to the end of the
    /// first message that ReadyForQuery answers, or all.
    /// - Parameter bodyLeft: as for `frontend`; not changed.
    @_noLocks
    public static func firstRequest(_ bytes: ByteView, bodyLeft: Int) -> UInt {
        var at = UInt(bitPattern: bodyLeft)
        while bytes.hasHeader(at: at) {
            let (tag, length) = bytes.header(at: at)
            guard isPossible(length) else { break }
            at &+= 1 &+ UInt(length)
            if tag == FrontendTag.query || tag == FrontendTag.sync || tag == FrontendTag.functionCall {
                return min(at, bytes.size)
            }
        }
        return bytes.size
    }

    /// Bytes from a server that is linked (or whose client has gone).
    /// - Parameters:
    ///   - mode: where to stop: other than in session mode where the server may be
    ///     released; in statement mode a transaction left open is a violation.
    @_noLocks @inline(never)
    public static func backend(
        _ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic, mode: PoolMode
    ) -> Scan {
        var at = UInt(bitPattern: bodyLeft)
        var stop = Scan.Stop.end
        guard bytes.size >= 5 else { return ended(bytes, at, stop, &bodyLeft) }
        while bytes.hasHeader(at: at) {
            let (tag, length) = bytes.header(at: at)
            guard isPossible(length) else {
                stop = .malformed
                break
            }
            if !isFrequent(tag) {
                if tag == BackendTag.readyForQuery {
                    // Its one byte is looked at, so it has to be there.
                    guard at &+ 5 < bytes.size || length != 5 else { break }
                    guard length == 5 else {
                        stop = .malformed
                        break
                    }
                    stop = ready(bytes.byte(Int(bitPattern: at &+ 5)), &traffic, mode)
                    if stop == .malformed { break }
                    at &+= 6
                    if stop == .end { continue }
                    break
                }
                if !isPlain(tag) {
                    stop = note(tag, &traffic, bytes, at, length)
                    if stop != .end { break }
                }
            }
            at &+= 1 &+ UInt(length)
        }
        return ended(bytes, at, stop, &bodyLeft)
    }

    /// The server sent ReadyForQuery.
    @_noLocks @inline(__always)
    private static func ready(_ status: UInt8, _ traffic: inout Traffic, _ mode: PoolMode) -> Scan.Stop {
        guard traffic.ready(status) else { return .malformed }
        if case .session = mode { return .end }
        if traffic.isReleasable { return .released }
        guard traffic.isQuiet else { return unquiet(traffic, mode) }
        if case .statement = mode { return .transaction }
        return .end
    }

    /// The server sent ReadyForQuery, and the link is not quiet.
    @_noLocks @inline(never)
    private static func unquiet(_ traffic: Traffic, _ mode: PoolMode) -> Scan.Stop {
        if case .statement = mode, traffic.status != TransactionStatus.idle { return .transaction }
        if traffic.needsFence { return .fence }
        return traffic.isSpent ? .spent : .end
    }

    /// A scan has come to an offset, maybe beyond the end of the bytes.
    @_noLocks @inline(__always)
    static func ended(_ bytes: ByteView, _ at: UInt, _ stop: Scan.Stop, _ bodyLeft: inout Int) -> Scan {
        let taken = min(at, bytes.size)
        bodyLeft = Int(bitPattern: at &- taken)
        return Scan(taken: Int(bitPattern: taken), stop: stop)
    }

    /// The frames of a simple query's result.
    @_noLocks @inline(__always)
    static func isFrequent(_ tag: UInt8) -> Bool {
        tag == BackendTag.dataRow || tag == BackendTag.commandComplete || tag == BackendTag.rowDescription
    }

    /// The length of a frame, as on the wire, is one we take.
    @_noLocks @inline(__always)
    static func isPossible(_ length: UInt32) -> Bool {
        length &- 4 <= UInt32(truncatingIfNeeded: FrameLimit.large &- 4)
    }

    /// Frames that mean nothing to a link: one bit per tag from 'A' on, and
    /// the digits.
    @_noLocks @inline(__always)
    static func isPlain(_ tag: UInt8) -> Bool {
        // A C D H I N T V c d n s t
        let letters: UInt64 =
            1 << 0 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 19 | 1 << 21
            | 1 << 34 | 1 << 35 | 1 << 45 | 1 << 50 | 1 << 51
        let place = tag &- UInt8(ascii: "A")
        if place < 64 { return letters &>> UInt64(place) & 1 == 1 }
        return tag >= UInt8(ascii: "1") && tag <= UInt8(ascii: "3")
    }

    /// Whether an ErrorResponse has SQLSTATE 57014, as far as it is here to be seen.
    @_noLocks @inline(never)
    static func mayBeCancel(_ bytes: ByteView, _ at: UInt, _ length: UInt32) -> Bool {
        let end = at &+ 1 &+ UInt(length)
        guard end <= bytes.size, length >= 11 else { return end > bytes.size }
        // 'C' behind the end of the field before, then the code
        var place = Int(bitPattern: at &+ 5)
        let last = Int(bitPattern: end) &- 6
        while place <= last {
            if bytes.byte(place) == UInt8(ascii: "C"), isCancel(bytes, place &+ 1) { return true }
            place &+= 1
        }
        return false
    }

    @_noLocks @inline(__always)
    private static func isCancel(_ bytes: ByteView, _ at: Int) -> Bool {
        bytes.byte(at) == UInt8(ascii: "5") && bytes.byte(at &+ 1) == UInt8(ascii: "7")
            && bytes.byte(at &+ 2) == UInt8(ascii: "0") && bytes.byte(at &+ 3) == UInt8(ascii: "1")
            && bytes.byte(at &+ 4) == UInt8(ascii: "4")
    }

    /// Tells of a rarer frame. `end`: it is forwarded like the others.
    @_noLocks @inline(never)
    static func note(
        _ tag: UInt8, _ traffic: inout Traffic, _ bytes: ByteView, _ at: UInt, _ length: UInt32
    ) -> Scan.Stop {
        switch tag {
        case BackendTag.parameterStatus: return .parameterStatus
        case BackendTag.agent: return .agent
        case BackendTag.errorResponse: traffic.failed(mayBeCancel: mayBeCancel(bytes, at, length))
        case BackendTag.copyInResponse: traffic.copyInStarted()
        case BackendTag.copyBothResponse: traffic.becomeUncertain()
        default: return .malformed
        }
        return .end
    }
}

extension Traffic {
    /// Something happened after which the count of replies can't be known.
    @_noLocks
    public mutating func becomeUncertain() { uncertain = true }
}
