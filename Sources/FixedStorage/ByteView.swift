/// A view of bytes that somebody else keeps: bounds-checked, free to copy, and valid only
/// until its owner changes. It stands in for RawSpan on the hot path, where the compiler
/// takes the end of a local RawSpan for a possible deallocation (Swift 6.3).
@frozen @safe
public struct ByteView: BitwiseCopyable {
    @usableFromInline let base: UnsafeRawPointer
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
        precondition(offset >= 0 && offset < byteCount)
        return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
    }

    /// The four bytes at an offset, in network order.
    @inlinable @_noLocks
    public func int32(_ offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset <= byteCount &- 4)
        return unsafe UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with a view of the array's bytes.
    public func withByteView<Result>(_ body: (ByteView) -> Result) -> Result {
        unsafe withUnsafeBytes { unsafe body(ByteView(base: $0.baseAddress, count: $0.count)) }
    }
}
