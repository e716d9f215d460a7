/// A doubly linked list of table indices; the links live in a `Links` of the same
/// capacity, so an index is on at most one list of that `Links` at a time.
@frozen
public struct IndexList<Kind>: BitwiseCopyable, Sendable {
    public var first = Index<Kind>.absent
    public var last = Index<Kind>.absent
    public var count = 0

    @inlinable public init() {}

    @inlinable
    public var isEmpty: Bool { count == 0 }

    @inlinable
    public mutating func pushFirst(_ index: Index<Kind>, _ links: inout Links<Kind>) {
        links[index] = Links<Kind>.Link(previous: .absent, next: first)
        if first == .absent { last = index } else { links[first].previous = index }
        first = index
        count &+= 1
    }

    @inlinable
    public mutating func pushLast(_ index: Index<Kind>, _ links: inout Links<Kind>) {
        links[index] = Links<Kind>.Link(previous: last, next: .absent)
        if last == .absent { first = index } else { links[last].next = index }
        last = index
        count &+= 1
    }

    /// Takes the first index off; returns `absent` when the list is empty.
    @inlinable
    public mutating func popFirst(_ links: inout Links<Kind>) -> Index<Kind> {
        let index = first
        if index == .absent { return .absent }
        first = links[index].next
        if first == .absent { last = .absent } else { links[first].previous = .absent }
        count &-= 1
        return index
    }

    /// Takes an index off that is on this list.
    @inlinable
    public mutating func remove(_ index: Index<Kind>, _ links: inout Links<Kind>) {
        let link = links[index]
        if link.previous == .absent { first = link.next } else { links[link.previous].next = link.next }
        if link.next == .absent { last = link.previous } else { links[link.next].previous = link.previous }
        count &-= 1
    }
}

/// The links of all lists over one table.
@safe
public struct Links<Kind>: ~Copyable {
    @frozen
    public struct Link: BitwiseCopyable, Sendable {
        public var previous: Index<Kind>
        public var next: Index<Kind>

        @inlinable
        public init(previous: Index<Kind>, next: Index<Kind>) {
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
    public subscript(index: Index<Kind>) -> Link {
        unsafeAddress {
            precondition(Int(index.number) < capacity)
            return unsafe UnsafePointer(links + Int(index.number))
        }
        unsafeMutableAddress {
            precondition(Int(index.number) < capacity)
            return unsafe links + Int(index.number)
        }
    }
}
