/// A view of bytes that somebody else keeps: bounds-checked, free to copy, and valid only
/// until its owner changes. It stands in for RawSpan on the hot path, where the compiler
/// takes the end of a local RawSpan for a possible deallocation (Swift 6.3).
@frozen @safe
public struct ByteView: BitwiseCopyable {
    public let base: UnsafeRawPointer
    public let byteCount: Int

    /// - Parameter base: `count` readable bytes; nil only with a count of 0.
    @inlinable @_noLocks @unsafe
    public init(base: UnsafeRawPointer?, count: Int) {
        if let base = unsafe base {
            unsafe self.base = unsafe base
            byteCount = count
        } else {
            unsafe self.base = unsafe UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
            byteCount = 0
        }
    }

    @inlinable @_noLocks
    public func byte(_ offset: Int) -> UInt8 {
        precondition(UInt(bitPattern: offset) < size)
        return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
    }

    /// The four bytes at an offset, in network order.
    @inlinable @_noLocks
    public func int32(_ offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset <= byteCount &- 4)
        return unsafe UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    // Counts without a sign: one compare is a whole bounds check, and folds with the
    // caller's own question whether there is as much.

    /// `byteCount` without its sign.
    @inlinable
    public var size: UInt { @_noLocks get { UInt(bitPattern: byteCount) } }

    /// At least five bytes are there from an offset on, however far beyond the end it is.
    @inlinable @_noLocks
    public func hasHeader(at offset: UInt) -> Bool { size >= 5 && offset <= size &- 5 }

    /// The byte at an offset, and the four behind it in network order.
    @inlinable @_noLocks
    public func header(at offset: UInt) -> (tag: UInt8, length: UInt32) {
        precondition(hasHeader(at: offset))
        let at = Int(bitPattern: offset)
        return unsafe (
            base.load(fromByteOffset: at, as: UInt8.self),
            UInt32(bigEndian: base.loadUnaligned(fromByteOffset: at &+ 1, as: UInt32.self))
        )
    }

    /// All but the first `count` bytes.
    @inlinable @_noLocks
    public func dropping(_ count: UInt) -> ByteView {
        precondition(count <= size)
        return unsafe ByteView(start: base + Int(bitPattern: count), count: size &- count)
    }

    /// The first `count` bytes.
    @inlinable @_noLocks
    public func first(_ count: UInt) -> ByteView {
        precondition(count <= size)
        return unsafe ByteView(start: base, count: count)
    }

    @inlinable @_noLocks
    init(start: UnsafeRawPointer, count: UInt) {
        unsafe base = unsafe start
        byteCount = Int(bitPattern: count)
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with a view of the array's bytes.
    public func withByteView<Result>(_ body: (ByteView) -> Result) -> Result {
        unsafe withUnsafeBytes { unsafe body(ByteView(base: $0.baseAddress, count: $0.count)) }
    }
}
