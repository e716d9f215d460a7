/// The place of an entry in a `Table`. `Kind` keeps the indices of different tables apart: it is
/// a type without values.
@frozen
public struct Index<Kind>: BitwiseCopyable, Sendable {
    /// Counts from 0.
    public let number: UInt32

    @inlinable @inline(__always)
    public init(_ number: UInt32) { self.number = number }

    /// "No index": never a valid one, as tables are smaller.
    @inlinable
    public static var absent: Index { Index(.max) }
}

extension Index: Hashable, Comparable {
    @inlinable @inline(__always)
    public static func == (one: Index, other: Index) -> Bool { one.number == other.number }

    @inlinable @inline(__always)
    public static func < (one: Index, other: Index) -> Bool { one.number < other.number }
}

extension Index: Strideable {
    @inlinable
    public func distance(to other: Index) -> Int { Int(other.number) - Int(number) }

    @inlinable
    public func advanced(by count: Int) -> Index { Index(UInt32(Int(number) + count)) }
}

extension Index: CustomStringConvertible {
    public var description: String { "\(number)" }
}
