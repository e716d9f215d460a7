/// An index into a `Table` with the generation it was handed out in, so that a stale
/// reference (a late event, answer, cancel key) fails one compare. `Kind` keeps slots
/// of different tables apart.
@frozen
public struct Slot<Kind>: Sendable {
    public let index: UInt32
    public let generation: UInt32

    @inlinable @_noLocks
    public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// "No index": never a valid one, as tables are smaller.
@inlinable public var noIndex: UInt32 { @_noLocks get { .max } }
