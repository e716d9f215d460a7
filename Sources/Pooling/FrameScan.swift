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
        /// backend: ReadyForQuery was taken; the client is done with the server, but the server
        /// may owe one more reply and can't be released.
        case spent
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
    @inlinable @_noLocks @inline(__always)
    public static func frontend(_ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic) -> Scan {
        var rest = bytes
        // Bytes to pass over before the next header.
        var left = UInt(bitPattern: bodyLeft)
        var stop = Scan.Stop.end
        while true {
            guard left < rest.size else {
                left &-= rest.size
                rest = rest.dropping(rest.size)
                break
            }
            rest = rest.dropping(left)
            left = 0
            guard rest.size >= 5 else { break }
            let (tag, length) = rest.header
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
            left = 1 &+ UInt(length)
        }
        bodyLeft = Int(bitPattern: left)
        return Scan(taken: bytes.byteCount &- rest.byteCount, stop: stop)
    }

    /// Bytes from a server that is linked (or whose client has gone).
    /// - Parameters:
    ///   - pooled: stop where the server may be released (transaction and statement mode).
    ///   - statements: a transaction left open is a violation (statement mode).
    ///   - lastTag: the last frame begun; for whoever wonders why a server closed.
    @inlinable @_noLocks @inline(__always)
    public static func backend(
        _ bytes: ByteView, bodyLeft: inout Int, traffic: inout Traffic, pooled: Bool, statements: Bool,
        lastTag: inout UInt8
    ) -> Scan {
        var rest = bytes
        var left = UInt(bitPattern: bodyLeft)
        var last = lastTag
        var stop = Scan.Stop.end
        while true {
            guard left < rest.size else {
                left &-= rest.size
                rest = rest.dropping(rest.size)
                break
            }
            rest = rest.dropping(left)
            left = 0
            guard rest.size >= 5 else { break }
            let (tag, length) = rest.header
            guard isPossible(length) else {
                stop = .malformed
                break
            }
            last = tag
            if tag == BackendTag.dataRow || isPlain(tag) {
                // the many
            } else if tag == BackendTag.readyForQuery {
                // Its one byte is looked at, so it has to be there.
                guard rest.size >= 6 && length == 5 else {
                    if length != 5 { stop = .malformed }
                    break
                }
                let status = rest.byte(5)
                guard traffic.ready(status) else {
                    stop = .malformed
                    break
                }
                rest = rest.dropping(6)
                guard pooled else { continue }
                guard traffic.isQuiet else {
                    guard traffic.isSpent else { continue }
                    stop = .spent
                    break
                }
                if status == TransactionStatus.idle {
                    stop = .released
                    break
                }
                guard statements else { continue }
                stop = .transaction
                break
            } else {
                stop = note(tag, &traffic)
                if stop != .end { break }
            }
            left = 1 &+ UInt(length)
        }
        bodyLeft = Int(bitPattern: left)
        lastTag = last
        return Scan(taken: bytes.byteCount &- rest.byteCount, stop: stop)
    }

    /// The length of a frame, as on the wire, is one we take.
    @inlinable @_noLocks @inline(__always)
    static func isPossible(_ length: UInt32) -> Bool {
        length &- 4 <= UInt32(truncatingIfNeeded: FrameLimit.large &- 4)
    }

    /// Frames that mean nothing to a link: one bit per tag from 'A' on, and
    /// the digits.
    @inlinable @_noLocks @inline(__always)
    static func isPlain(_ tag: UInt8) -> Bool {
        // A C D H I N T V c d n s t
        let letters: UInt64 =
            1 << 0 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 19 | 1 << 21
            | 1 << 34 | 1 << 35 | 1 << 45 | 1 << 50 | 1 << 51
        let place = tag &- UInt8(ascii: "A")
        if place < 64 { return letters &>> UInt64(place) & 1 == 1 }
        return tag >= UInt8(ascii: "1") && tag <= UInt8(ascii: "3")
    }

    /// Tells of a rarer frame. `end`: it is forwarded like the others.
    @usableFromInline @_noLocks @inline(never)
    static func note(_ tag: UInt8, _ traffic: inout Traffic) -> Scan.Stop {
        switch tag {
        case BackendTag.parameterStatus: return .parameterStatus
        case BackendTag.errorResponse: traffic.failed()
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
