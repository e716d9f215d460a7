/// Small numbers for names, the same number for the same name for good. Numbers start
/// at 1 and are never used again.
///
/// Names come from clients that have not proved themselves yet, so an unkept name may
/// be forgotten: only the last `capacity` of them are remembered.
struct Interner<Name: Hashable & Sendable>: Sendable {
    private var numbers: [Name: UInt32] = [:]
    private var names: [UInt32: Name] = [:]
    private var kept: Set<UInt32> = []
    private var last: UInt32 = 0
    /// Numbers of unkept names, oldest at `oldest`; entries of kept ones may stand in it.
    private var ring: [UInt32] = []
    private var oldest = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// The number of name, a new one if it has none.
    mutating func number(of name: Name) -> UInt32 {
        if let number = numbers[name] { return number }
        last += 1
        numbers[name] = last
        names[last] = name
        if ring.count < capacity {
            ring.append(last)
        } else {
            forget(ring[oldest])
            ring[oldest] = last
            oldest = (oldest + 1) % capacity
        }
        return last
    }

    /// Keeps the name of number for good.
    mutating func keep(_ number: UInt32) {
        if names[number] != nil { kept.insert(number) }
    }

    func name(of number: UInt32) -> Name? { names[number] }

    /// All that are remembered, lowest number first.
    var all: [(number: UInt32, name: Name)] {
        names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private mutating func forget(_ number: UInt32) {
        guard !kept.contains(number), let name = names.removeValue(forKey: number) else { return }
        numbers[name] = nil
    }
}
