/// What was learnt of a socket, or decided of its connection, that keeps it from the common
/// path; in one byte, so that one compare tells that there is nothing.
public struct Signs: BitwiseCopyable, Sendable {
    @usableFromInline var bits: UInt8 = 0

    @inlinable @_noLocks
    public init() {}

    @inlinable
    public var areClear: Bool { @_noLocks get { bits == 0 } }

    /// Input may be there: an event came and no receive has come short since.
    @inlinable
    public var readable: Bool {
        @_noLocks get { bits & 1 != 0 }
        @_noLocks set { put(1, newValue) }
    }

    /// The stream ended, behind what can still be received.
    @inlinable
    public var hungUp: Bool {
        @_noLocks get { bits & 2 != 0 }
        @_noLocks set { put(2, newValue) }
    }

    /// One of the signs that the owner of the connection has given a meaning: 0…5.
    @inlinable
    public subscript(mark: UInt8) -> Bool {
        @_noLocks get { bits & (4 << mark) != 0 }
        @_noLocks set { put(4 << mark, newValue) }
    }

    @inlinable @_noLocks @inline(__always)
    mutating func put(_ bit: UInt8, _ value: Bool) { bits = value ? bits | bit : bits & ~bit }
}
