import FixedStorage

/// Limits of the frames we take, lengths as on the wire (the four length bytes count in,
/// the tag does not).
public enum FrameLimit {
    /// A startup packet: PostgreSQL's own MAX_STARTUP_PACKET_LENGTH, which leaves out the length.
    @inlinable public static var startup: Int { @_noLocks get { 10_004 } }
    /// A frame of a login: PG_MAX_AUTH_TOKEN_LENGTH.
    @inlinable public static var login: Int { @_noLocks get { 65_535 } }
    /// A frame that never carries data: PQ_SMALL_MESSAGE_LIMIT.
    @inlinable public static var small: UInt32 { @_noLocks get { 10_000 } }
    /// Any frame; a little more than PQ_LARGE_MESSAGE_LIMIT, as a server sends more than it
    /// takes, and refuses what is too long for it by itself.
    @inlinable public static var large: Int { @_noLocks get { 0x3fff_ffff + 4 } }
}

/// What the first bytes of a frame tell.
@frozen
public enum FrameHeader: Equatable, Sendable {
    /// Bytes of tag and length together.
    @inlinable public static var size: Int { @_noLocks get { 5 } }

    /// Tag, and how many body bytes follow the header (0 … limit - 4).
    case header(tag: UInt8, body: Int)
    /// Fewer than five bytes are there.
    case needMore
    /// The length is below 4 or above the limit.
    case malformed

    /// Reads the header at `offset` of `bytes`.
    @inlinable @_noLocks
    public static func read(_ bytes: ByteView, at offset: Int, limit: Int) -> FrameHeader {
        guard bytes.byteCount - offset >= size else { return .needMore }
        let (tag, length) = bytes.header(at: UInt(offset))
        guard length >= 4, length <= limit else { return .malformed }
        return .header(tag: tag, body: Int(length) &- 4)
    }
}
