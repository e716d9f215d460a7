import CSys
import FixedStorage

/// A stretch of bytes in a fixed block of memory that is lent only while bytes are
/// pending. A plain value: copies see the same memory, so one owner takes, fills and
/// gives it back.
@safe
public struct Block: BitwiseCopyable {
    @usableFromInline var memory: UnsafeMutableRawPointer?
    @usableFromInline var start: Int32 = 0
    @usableFromInline var end: Int32 = 0

    /// Bytes a block holds.
    @inlinable public static var size: Int { @_noLocks get { Int(CSYS_BLOCK_SIZE) } }

    /// No bytes, no memory.
    @inlinable @_noLocks
    public init() { unsafe memory = nil }

    /// A block with memory, still empty.
    @inlinable @_noLocks
    public static func take() -> Block {
        var block = Block()
        unsafe block.memory = csys_block_take()
        return block
    }

    @inlinable
    public var count: Int { @_noLocks get { Int(end &- start) } }
    @inlinable
    public var isEmpty: Bool { @_noLocks get { end == start } }
    @inlinable
    public var hasMemory: Bool { @_noLocks get { unsafe memory != nil } }

    /// The pending bytes; valid until the block changes.
    @inlinable
    public var bytes: ByteView {
        @_noLocks get {
            guard let memory = unsafe memory else { return unsafe ByteView(base: nil, count: 0) }
            return unsafe ByteView(base: memory + Int(start), count: count)
        }
    }

    /// The pending bytes as an array.
    public var array: [UInt8] {
        guard let memory = unsafe memory else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: memory + Int(start), count: count))
    }

    /// Receives behind the pending bytes, as much as there is room.
    /// - Returns: bytes received, 0 at the end of the stream, or -errno; and whether more
    ///   may be waiting.
    @inlinable @_noLocks
    public mutating func receive(_ fd: Int32) -> (count: Int, more: Bool) {
        guard let memory = unsafe memory else { return (0, false) }
        let room = Self.size &- Int(end)
        let n = unsafe csys_recv(fd, memory + Int(end), room)
        if n > 0 { end &+= Int32(truncatingIfNeeded: n) }
        return (n, n == room)
    }

    /// Room for more bytes behind the pending ones.
    @inlinable public var room: Int { @_noLocks get { Self.size &- Int(end) } }

    /// Sends the first `count` pending bytes and drops what the kernel took.
    /// - Returns: bytes sent, or -errno.
    @inlinable @_noLocks
    public mutating func send(_ fd: Int32, _ count: Int) -> Int {
        guard let memory = unsafe memory else { return 0 }
        let n = unsafe csys_send(fd, memory + Int(start), min(count, self.count))
        if n > 0 { start &+= Int32(truncatingIfNeeded: n) }
        return n
    }

    /// Drops the first `count` pending bytes.
    @inlinable @_noLocks
    public mutating func drop(_ count: Int) { start &+= Int32(truncatingIfNeeded: min(count, self.count)) }

    /// Appends bytes that are not its own. The block gets memory if it has none. False
    /// (nothing done) when there is no room.
    @_noLocks
    public mutating func append(_ bytes: ByteView) -> Bool {
        let count = bytes.byteCount
        if count == 0 { return true }
        if unsafe memory == nil { self = .take() }
        if room < count { compact() }
        guard room >= count, let memory = unsafe memory else { return false }
        unsafe csys_copy(memory + Int(end), bytes.base, count)
        end &+= Int32(truncatingIfNeeded: count)
        return true
    }

    /// Appends bytes; false (nothing done) when there is no room.
    public mutating func append(_ bytes: [UInt8]) -> Bool {
        if bytes.isEmpty { return true }
        if unsafe memory == nil { self = .take() }
        if room < bytes.count { compact() }
        guard room >= bytes.count, let memory = unsafe memory else { return false }
        unsafe bytes.withUnsafeBytes { unsafe csys_copy(memory + Int(end), $0.baseAddress, bytes.count) }
        end &+= Int32(truncatingIfNeeded: bytes.count)
        return true
    }

    /// Moves the pending bytes to the front of the memory.
    @inlinable @_noLocks
    public mutating func compact() {
        guard start > 0, let memory = unsafe memory else { return }
        let count = self.count
        if count > 0 { unsafe csys_copy(memory, memory + Int(start), count) }
        start = 0
        end = Int32(truncatingIfNeeded: count)
    }

    /// Gives the memory back; pending bytes are lost.
    @inlinable @_noLocks
    public mutating func giveBack() {
        if let memory = unsafe memory { unsafe csys_block_give(memory) }
        self = Block()
    }
}

/// Memory of a thread's own that bytes are received into which need not be kept.
@safe
public struct Scratch: BitwiseCopyable {
    @usableFromInline let memory: UnsafeMutableRawPointer

    /// Bytes it holds: as many as a block, as each may have to take over what the other
    /// has. The byte behind them is `blocked`.
    @inlinable public static var size: Int { @_noLocks get { Block.size } }

    /// Bytes that were sent from here have had to be put into a block, as a socket took no
    /// more of them; until somebody has seen to it.
    @inlinable public var blocked: Bool {
        @_noLocks get { unsafe memory.load(fromByteOffset: Self.size, as: UInt8.self) != 0 }
        @_noLocks nonmutating set {
            unsafe memory.storeBytes(of: newValue ? 1 : 0, toByteOffset: Self.size, as: UInt8.self)
        }
    }

    public init() {
        unsafe memory = csys_reserve(Self.size + 1)
    }

    /// Bytes received, 0 at the end of the stream, or -errno.
    @inlinable @_noLocks
    public func receive(_ fd: Int32) -> Int { unsafe csys_recv(fd, memory, Self.size) }

    /// As `receive`, behind the first `count` bytes; and whether more may be waiting.
    @_noLocks
    public func receive(_ fd: Int32, behind count: Int) -> (count: Int, more: Bool) {
        precondition(count >= 0 && count < Self.size)
        let n = unsafe csys_recv(fd, memory + count, Self.size &- count)
        return (n, n == Self.size &- count)
    }

    /// Copies bytes to its beginning.
    @_noLocks
    public func put(_ bytes: ByteView) {
        precondition(bytes.byteCount <= Self.size)
        unsafe csys_copy(memory, bytes.base, bytes.byteCount)
    }

    /// The first `count` bytes; valid until the next are received.
    @inlinable @_noLocks
    public func bytes(_ count: Int) -> ByteView {
        precondition(UInt(bitPattern: count) <= UInt(Self.size))
        return unsafe ByteView(base: memory, count: count)
    }
}

extension ByteView {
    /// Sends the bytes; how many the kernel took, or -errno.
    @inlinable @_noLocks
    public func send(_ fd: Int32) -> Int { unsafe csys_send(fd, base, byteCount) }
}
