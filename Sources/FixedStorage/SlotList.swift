/// A doubly linked list of table indices; the links live in a `Links` of the same
/// capacity, so an index is on at most one list of that `Links` at a time.
@frozen
public struct SlotList: BitwiseCopyable, Sendable {
    public var first = noIndex
    public var last = noIndex
    public var count = 0

    @inlinable public init() {}

    @inlinable
    public var isEmpty: Bool { @_noLocks get { count == 0 } }

    @inlinable @_noLocks
    public mutating func pushFirst(_ index: UInt32, _ links: inout Links) {
        links[index] = Links.Link(previous: noIndex, next: first)
        if first == noIndex { last = index } else { links[first].previous = index }
        first = index
        count &+= 1
    }

    @inlinable @_noLocks
    public mutating func pushLast(_ index: UInt32, _ links: inout Links) {
        links[index] = Links.Link(previous: last, next: noIndex)
        if last == noIndex { first = index } else { links[last].next = index }
        last = index
        count &+= 1
    }

    /// Takes the first index off; `noIndex` when the list is empty.
    @inlinable @_noLocks
    public mutating func popFirst(_ links: inout Links) -> UInt32 {
        let index = first
        if index == noIndex { return noIndex }
        first = links[index].next
        if first == noIndex { last = noIndex } else { links[first].previous = noIndex }
        count &-= 1
        return index
    }

    /// Takes an index off that is on this list.
    @inlinable @_noLocks
    public mutating func remove(_ index: UInt32, _ links: inout Links) {
        let link = links[index]
        if link.previous == noIndex { first = link.next } else { links[link.previous].next = link.next }
        if link.next == noIndex { last = link.previous } else { links[link.next].previous = link.previous }
        count &-= 1
    }
}

/// The links of all lists over one table.
@safe
public struct Links: ~Copyable {
    @frozen
    public struct Link: BitwiseCopyable, Sendable {
        public var previous: UInt32
        public var next: UInt32

        @inlinable @_noLocks
        public init(previous: UInt32, next: UInt32) {
            self.previous = previous
            self.next = next
        }
    }

    @usableFromInline let links: UnsafeMutablePointer<Link>
    @usableFromInline let capacity: Int

    /// - Parameter reserve: as for `Table`.
    public init(capacity: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        self.capacity = capacity
        unsafe links = reserve(capacity * MemoryLayout<Link>.stride).bindMemory(
            to: Link.self, capacity: capacity)
    }

    @inlinable
    public subscript(index: UInt32) -> Link {
        @_noLocks unsafeAddress {
            precondition(Int(index) < capacity)
            return unsafe UnsafePointer(links + Int(index))
        }
        @_noLocks unsafeMutableAddress {
            precondition(Int(index) < capacity)
            return unsafe links + Int(index)
        }
    }
}
