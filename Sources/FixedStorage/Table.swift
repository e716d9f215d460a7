/// A fixed-capacity table of plain values, addressed by index, with a generation per
/// entry and a free list. Memory is reserved once and its pages are touched only as
/// entries are used. Out-of-range indices trap; nothing is bounds-unsafe.
@safe
public struct Table<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline let entries: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    @usableFromInline let nextFree: UnsafeMutablePointer<UInt32>
    public let capacity: Int
    /// Entries in use.
    public private(set) var count = 0
    private var firstFree = noIndex
    private var touched = 0

    /// - Parameters:
    ///   - capacity: how many entries at most.
    ///   - reserve: gives zeroed memory of that many bytes; it is never given back.
    public init(capacity: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        unsafe entries = reserve(capacity * MemoryLayout<Element>.stride)
            .bindMemory(to: Element.self, capacity: capacity)
        unsafe generations = reserve(capacity * 4).bindMemory(to: UInt32.self, capacity: capacity)
        unsafe nextFree = reserve(capacity * 4).bindMemory(to: UInt32.self, capacity: capacity)
    }

    /// The entry at an index that is or was in use.
    @inlinable
    public subscript(index: UInt32) -> Element {
        unsafeAddress {
            precondition(Int(index) < capacity)
            return unsafe UnsafePointer(entries + Int(index))
        }
        unsafeMutableAddress {
            precondition(Int(index) < capacity)
            return unsafe entries + Int(index)
        }
    }

    /// A lasting reference to the entry at an index that is or was in use.
    @inlinable
    public func entry(_ index: UInt32) -> Entry<Element> {
        precondition(Int(index) < capacity)
        return unsafe Entry(pointer: entries + Int(index))
    }

    /// Takes a free entry and stores `element` there; nil when the table is full.
    public mutating func insert(_ element: Element) -> UInt32? {
        var index = firstFree
        if index != noIndex {
            unsafe firstFree = nextFree[Int(index)]
        } else {
            guard touched < capacity else { return nil }
            index = UInt32(touched)
            touched += 1
        }
        unsafe (entries + Int(index)).initialize(to: element)
        count += 1
        return index
    }

    /// Frees an entry in use. Its generation moves on: older slots don't match any more.
    public mutating func remove(_ index: UInt32) {
        precondition(Int(index) < touched)
        unsafe generations[Int(index)] &+= 1
        unsafe nextFree[Int(index)] = firstFree
        firstFree = index
        count -= 1
    }

    @inlinable
    public func generation(_ index: UInt32) -> UInt32 {
        precondition(Int(index) < capacity)
        return unsafe generations[Int(index)]
    }

    /// One more than the highest index ever used: the end of a loop over all entries.
    public var end: UInt32 { UInt32(touched) }
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
