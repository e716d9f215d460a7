import TestSupport
import Testing

@testable import Auth

/// Takes turns of `slice` iterations until the queue is empty, or `most` turns; the jobs in the
/// order in which they were done.
private func work(_ queue: inout HashQueue<String>, slice: Int, most: Int = .max) -> [UInt64] {
    var done: [UInt64] = []
    var turns = 0
    while turns < most, let (id, run) = queue.next() {
        turns += 1
        if run.step(slice) != nil, queue.finish(id) { done.append(id) }
    }
    return done
}

private func job(_ iterations: Int) -> HashJob {
    HashJob(password: bytes("pencil"), salt: bytes("salt"), iterations: iterations)
}

@Suite struct HashQueueTests {
    @Test func `a job done in slices gives what it gives at once`() {
        let run = HashRun(job(1000))
        var result: [UInt8]?
        var steps = 0
        while result == nil {
            result = run.step(64)
            steps += 1
        }
        #expect(result == job(1000).run())
        #expect(steps == 16)
    }

    @Test func `a password longer than a block of SHA-256 is hashed first`() {
        let key = HashJob(
            password: [UInt8](repeating: UInt8(ascii: "x"), count: 100), salt: bytes("salt"), iterations: 5000
        ).run()
        #expect(
            key.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                == "ffe3ff191890ed8a457ecfbc0ed370505fbdb5e608270fdc8931e298564444fa")
    }

    @Test func `a short job overtakes a long one of another owner`() {
        var queue = HashQueue<String>()
        queue.add(job(1_000_000), id: 1, owner: "eve")
        queue.add(job(64), id: 2, owner: "bob")
        let done = work(&queue, slice: 64, most: 2)
        #expect(done == [2])
        #expect(queue.count == 1)
    }

    @Test func `an owner with many jobs has one turn like the others`() {
        var queue = HashQueue<String>()
        for id in 1...100 { queue.add(job(64), id: UInt64(id), owner: "eve") }
        queue.add(job(128), id: 200, owner: "bob")
        let done = work(&queue, slice: 64, most: 4)
        #expect(done == [1, 2, 200])
    }

    @Test func `jobs of one owner are done in the order they came`() {
        var queue = HashQueue<String>()
        queue.add(job(200), id: 3, owner: "eve")
        queue.add(job(1), id: 1, owner: "eve")
        queue.add(job(100), id: 2, owner: "eve")
        let done = work(&queue, slice: 64)
        #expect(done == [3, 1, 2])
        #expect(queue.isEmpty)
    }

    @Test func `a dropped job is not done, wherever it is in its line`() {
        for dropped in 1...3 as ClosedRange<UInt64> {
            var queue = HashQueue<String>()
            for id in 1...3 as ClosedRange<UInt64> { queue.add(job(64), id: id, owner: "eve") }
            queue.drop(dropped)
            let done = work(&queue, slice: 64)
            #expect(done == [1, 2, 3].filter { $0 != dropped })
        }
    }

    @Test func `a job dropped under way gives its turn to the next`() {
        var queue = HashQueue<String>()
        queue.add(job(1_000_000), id: 1, owner: "eve")
        queue.add(job(64), id: 2, owner: "eve")
        let first = queue.next()
        #expect(first?.id == 1)
        queue.drop(1)
        let wanted = queue.finish(1)
        #expect(!wanted)
        let done = work(&queue, slice: 64)
        #expect(done == [2])
    }

    @Test func `an owner may come back`() {
        var queue = HashQueue<String>()
        for id in 1...5 as ClosedRange<UInt64> {
            queue.add(job(1), id: id, owner: "eve")
            queue.add(job(1), id: id + 10, owner: "bob")
            queue.drop(id + 10)
            queue.add(job(1), id: id + 20, owner: "bob")
            let done = work(&queue, slice: 64)
            #expect(done == [id, id + 20])
        }
    }

    @Test func `jobs come and go by chance, and each is done or dropped once`() {
        var generator = SeededGenerator(seed: 7)
        var queue = HashQueue<String>()
        var open: Set<UInt64> = []
        for id in 0..<3000 as Range<UInt64> {
            queue.add(job(Int.random(in: 1...150, using: &generator)), id: id, owner: "\(id % 7)")
            open.insert(id)
            if id % 3 == 0, let other = open.min() {
                queue.drop(other)
                open.remove(other)
            }
            for done in work(&queue, slice: 64, most: Int.random(in: 0...2, using: &generator)) {
                let wasOpen = open.remove(done) != nil
                #expect(wasOpen)
            }
            #expect(queue.count == open.count)
        }
        let rest = work(&queue, slice: 64)
        #expect(Set(rest) == open)
        #expect(queue.isEmpty)
    }
}
