import TestSupport
import Testing

@testable import FixedStorage

@Suite struct IndexListTests {
    @Test func `a new list is empty`() {
        var links = Links<Row>(capacity: 4, reserve: reserve)
        var list = IndexList<Row>()
        #expect(list.isEmpty)
        let popped = list.popFirst(&links)
        #expect(popped == .absent)
        #expect(list.count == 0)
    }

    @Test func `what is pushed last comes out last`() {
        var links = Links<Row>(capacity: 4, reserve: reserve)
        var list = IndexList<Row>()
        for index: Index<Row> in [3, 0, 2] { list.pushLast(index, &links) }
        let popped = (0..<4).map { _ in list.popFirst(&links) }
        #expect(popped == [3, 0, 2, .absent])
        #expect(list.isEmpty)
    }

    @Test func `what is pushed first comes out first`() {
        var links = Links<Row>(capacity: 4, reserve: reserve)
        var list = IndexList<Row>()
        for index: Index<Row> in [3, 0, 2] { list.pushFirst(index, &links) }
        let popped = (0..<3).map { _ in list.popFirst(&links) }
        #expect(popped == [2, 0, 3])
    }

    @Test(arguments: [0, 1, 2] as [Index<Row>]) func `an index can be taken off from any place`(
        taken: Index<Row>
    ) {
        var links = Links<Row>(capacity: 3, reserve: reserve)
        var list = IndexList<Row>()
        for index: Index<Row> in 0..<3 { list.pushLast(index, &links) }
        list.remove(taken, &links)
        let left = contents(list, links)
        #expect(left == [0, 1, 2].filter { $0 != taken })
    }

    @Test func `a link beyond the capacity traps`() async {
        await #expect(processExitsWith: .failure) {
            var links = Links<Row>(capacity: 3, reserve: reserve)
            var list = IndexList<Row>()
            list.pushLast(3, &links)
        }
        await #expect(processExitsWith: .failure) {
            let links = Links<Row>(capacity: 3, reserve: reserve)
            _ = links[.absent]
        }
    }

    /// Several lists share one `Links`; each index is on one of them or on none.
    @Test(arguments: UInt64(0)..<20)
    func `random operations leave the lists as arrays have them`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let capacity = 1 + random.below(30)
        var links = Links<Row>(capacity: capacity, reserve: reserve)
        var lists = [IndexList<Row>](repeating: IndexList<Row>(), count: 3)
        var models = [[Index<Row>]](repeating: [], count: 3)
        var free = (0..<Index<Row>(UInt32(capacity))).map(\.self)
        for step in 0..<1_500 {
            let which = random.below(3)
            switch random.below(4) {
            case 0:
                guard let index = free.popLast() else { break }
                lists[which].pushFirst(index, &links)
                models[which].insert(index, at: 0)
            case 1:
                guard let index = free.popLast() else { break }
                lists[which].pushLast(index, &links)
                models[which].append(index)
            case 2:
                let popped = lists[which].popFirst(&links)
                let expected = models[which].isEmpty ? .absent : models[which].removeFirst()
                #expect(popped == expected, "seed \(seed), step \(step)")
                if popped != .absent { free.insert(popped, at: 0) }
            default:
                guard !models[which].isEmpty else { break }
                let index = models[which].remove(at: random.below(models[which].count))
                lists[which].remove(index, &links)
                free.insert(index, at: 0)
            }
            for (list, model) in zip(lists, models) {
                let seen = contents(list, links)
                #expect(seen == model, "seed \(seed), step \(step)")
                #expect(list.isEmpty == model.isEmpty)
            }
        }
    }
}
