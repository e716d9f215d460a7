/// A fixed-capacity table of plain values, addressed by index, with a generation per
/// entry and a free list. Memory is reserved once and its pages are touched only as
/// entries are used. Out-of-range indices trap; nothing is bounds-unsafe.
///
/// What makes a table, and fills and frees its entries, is for the files that own one: they import this
/// module with `@_spi(TableOwner)`. Others may change entries, not take or free them.
@safe
public struct Table<Element: BitwiseCopyable, Kind>: ~Copyable {
    @usableFromInline let entries: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    @usableFromInline let nextFree: UnsafeMutablePointer<Index<Kind>>
    public let capacity: Int
    /// Entries in use.
    public private(set) var count = 0
    private var firstFree = Index<Kind>.absent
    private var touched = 0

    /// - Parameters:
    ///   - capacity: how many entries at most.
    ///   - reserve: gives zeroed memory of that many bytes; it is never given back.
    @_spi(TableOwner)
    public init(capacity: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        unsafe entries = reserve(capacity * MemoryLayout<Element>.stride)
            .bindMemory(to: Element.self, capacity: capacity)
        unsafe generations = reserve(capacity * 4).bindMemory(to: UInt32.self, capacity: capacity)
        unsafe nextFree = reserve(capacity * 4).bindMemory(to: Index<Kind>.self, capacity: capacity)
    }

    /// The entry at an index that is or was in use.
    @inlinable
    public subscript(index: Index<Kind>) -> Element {
        unsafeAddress {
            precondition(Int(index.number) < capacity)
            return unsafe UnsafePointer(entries + Int(index.number))
        }
        unsafeMutableAddress {
            precondition(Int(index.number) < capacity)
            return unsafe entries + Int(index.number)
        }
    }

    /// A lasting reference to the entry at an index that is or was in use.
    @inlinable
    public func entry(_ index: Index<Kind>) -> Entry<Element> {
        precondition(Int(index.number) < capacity)
        return unsafe Entry(pointer: entries + Int(index.number))
    }

    /// Takes a free entry and stores `element` there; nil when the table is full.
    @_spi(TableOwner)
    public mutating func insert(_ element: Element) -> Index<Kind>? {
        var index = firstFree
        if index != .absent {
            unsafe firstFree = nextFree[Int(index.number)]
        } else {
            guard touched < capacity else { return nil }
            index = Index(UInt32(touched))
            touched += 1
        }
        unsafe (entries + Int(index.number)).initialize(to: element)
        count += 1
        return index
    }

    /// Frees an entry in use. Its generation moves on: older slots don't match any more.
    @_spi(TableOwner)
    public mutating func remove(_ index: Index<Kind>) {
        precondition(Int(index.number) < touched)
        unsafe generations[Int(index.number)] &+= 1
        unsafe nextFree[Int(index.number)] = firstFree
        firstFree = index
        count -= 1
    }

    @inlinable
    public func generation(_ index: Index<Kind>) -> UInt32 {
        precondition(Int(index.number) < capacity)
        return unsafe generations[Int(index.number)]
    }

    /// All indices ever used, for loops over all entries.
    public var indices: Range<Index<Kind>> { Index(0)..<Index(UInt32(touched)) }
}

/// A reference to an entry of a table: its place is looked up once. Safe for good, as a
/// table's memory is never moved or given back.
@frozen @safe
public struct Entry<Element: BitwiseCopyable>: BitwiseCopyable {
    @usableFromInline let pointer: UnsafeMutablePointer<Element>

    @inlinable
    init(pointer: UnsafeMutablePointer<Element>) { unsafe self.pointer = unsafe pointer }

    @inlinable
    public var value: Element {
        unsafeAddress { unsafe UnsafePointer(pointer) }
        nonmutating unsafeMutableAddress { unsafe pointer }
    }
}
