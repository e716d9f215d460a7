import TestSupport
import Testing

@_spi(TableOwner) @testable import FixedStorage

@Suite struct TableTests {
    struct Entry: BitwiseCopyable, Equatable {
        var number: UInt64
        var flag: Bool
    }

    @Test func `entries are handed out in order until the table is full`() {
        var table = Table<Int, Row>(capacity: 3, reserve: reserve)
        let handedOut = (0..<4).map { table.insert($0 * 10) }
        #expect(handedOut == [0, 1, 2, nil])
        let (count, end, capacity, last) = (table.count, table.indices.upperBound, table.capacity, table[2])
        #expect(count == 3)
        #expect(end == 3)
        #expect(capacity == 3)
        #expect(last == 20)
    }

    @Test func `a freed entry is used again and its generation has moved on`() {
        var table = Table<Int, Row>(capacity: 2, reserve: reserve)
        guard let index = table.insert(1), table.insert(2) != nil else {
            Issue.record("the table is full too early")
            return
        }
        let before = table.generation(index)
        table.remove(index)
        let after = table.generation(index)
        let again = table.insert(3)
        let (full, value, last) = (table.insert(4), table[index], table.generation(index))
        #expect(after == before + 1)
        #expect(again == index)
        #expect(full == nil)
        #expect(value == 3)
        #expect(last == after)
    }

    @Test func `an untouched table costs no entry`() {
        let table = Table<Entry, Row>(capacity: 1_000, reserve: reserve)
        let (count, end) = (table.count, table.indices.upperBound)
        #expect(count == 0)
        #expect(end == 0)
    }

    @Test func `an index beyond the capacity traps`() async {
        await #expect(processExitsWith: .failure) {
            let table = Table<Int, Row>(capacity: 2, reserve: reserve)
            _ = table[2]
        }
        await #expect(processExitsWith: .failure) {
            var table = Table<Int, Row>(capacity: 2, reserve: reserve)
            table[.absent] = 1
        }
        await #expect(processExitsWith: .failure) {
            let table = Table<Int, Row>(capacity: 2, reserve: reserve)
            _ = table.generation(2)
        }
        await #expect(processExitsWith: .failure) {
            var table = Table<Int, Row>(capacity: 2, reserve: reserve)
            table.remove(0)
        }
    }

    /// Random insertions, removals and changes against a dictionary.
    @Test(arguments: UInt64(0)..<20)
    func `random operations leave the table as a model has it`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let capacity = 1 + random.below(40)
        var table = Table<Entry, Row>(capacity: capacity, reserve: reserve)
        var model: [Index<Row>: Entry] = [:]
        var generations: [Index<Row>: UInt32] = [:]
        for step in 0..<1_500 {
            let entry = Entry(number: random.next(), flag: random.below(2) == 0)
            switch random.below(5) {
            case 0, 1:
                let index = table.insert(entry)
                #expect((index == nil) == (model.count == capacity), "seed \(seed), step \(step)")
                guard let index else { break }
                #expect(model[index] == nil, "seed \(seed), step \(step): \(index) is in use")
                model[index] = entry
            case 2, 3:
                guard let index = model.keys.sorted().randomElement(using: &random) else { break }
                table.remove(index)
                model[index] = nil
                generations[index, default: 0] += 1
            default:
                guard let index = model.keys.sorted().randomElement(using: &random) else { break }
                table[index].number = entry.number
                model[index]?.number = entry.number
            }
            let count = table.count
            #expect(count == model.count, "seed \(seed), step \(step)")
        }
        for index in table.indices {
            let (entry, generation) = (table[index], table.generation(index))
            #expect(model[index] == nil || model[index] == entry, "seed \(seed), index \(index)")
            #expect(generations[index, default: 0] == generation, "seed \(seed), index \(index)")
        }
        #expect(model.keys.allSatisfy { $0.number < UInt32(capacity) })
    }
}
