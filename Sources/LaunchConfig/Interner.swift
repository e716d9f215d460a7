/// Small numbers for names, the same number for the same name as long as it is remembered.
/// Numbers start at 1 and are never used again.
///
/// Names come from clients that have not proved themselves yet, so a name that is not kept
/// may be forgotten: those of the last `capacity` logins are remembered.
struct Interner<Name: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let name: Name
        /// Its latest place in the line of names that are not kept; 0: it is kept.
        var place: UInt64
    }

    private var numbers: [Name: UInt32] = [:]
    private var entries: [UInt32: Entry] = [:]
    private var last: UInt32 = 0
    /// The last `capacity` places, the oldest one at `oldest`; their names may have others by now.
    private var line: [(number: UInt32, place: UInt64)] = []
    private var oldest = 0
    private var places: UInt64 = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// The number of name, a new one if it has none.
    mutating func number(of name: Name) -> UInt32 {
        if let number = numbers[name] {
            if entries[number]?.place != 0 { queue(number) }
            return number
        }
        last += 1
        numbers[name] = last
        entries[last] = Entry(name: name, place: 0)
        queue(last)
        return last
    }

    /// Keeps the name of number until `release`.
    mutating func keep(_ number: UInt32) { entries[number]?.place = 0 }

    /// The name of number need not be kept any more.
    mutating func release(_ number: UInt32) {
        if entries[number]?.place == 0 { queue(number) }
    }

    func name(of number: UInt32) -> Name? { entries[number]?.name }

    /// All that are remembered, lowest number first.
    var all: [(number: UInt32, name: Name)] {
        entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value.name) }
    }

    /// Gives a name the newest place in the line, which pushes the oldest one out.
    private mutating func queue(_ number: UInt32) {
        places += 1
        entries[number]?.place = places
        guard line.count == capacity else { return line.append((number, places)) }
        let out = line[oldest]
        line[oldest] = (number, places)
        oldest = (oldest + 1) % capacity
        guard let entry = entries[out.number], entry.place == out.place else { return }
        entries[out.number] = nil
        numbers[entry.name] = nil
    }
}
