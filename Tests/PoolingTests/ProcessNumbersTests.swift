import Testing

@testable import Pooling

@Suite struct ProcessNumbersTests {
    @Test func `ids don't repeat and are no process's`() {
        var numbers = ProcessNumbers(thread: 0, threads: 1, seed: 7)
        var seen: Set<UInt32> = []
        for _ in 0..<1000 {
            let id = numbers.take(for: 5)
            #expect(id >= ProcessNumbers.first && id < ProcessNumbers.end)
            #expect(seen.insert(id).inserted)
            #expect(numbers.client(of: id) == 5)
            numbers.giveBack(id)
            #expect(numbers.client(of: id) == nil)
        }
    }

    @Test func `each thread has its own, told by the id`() {
        for thread in 0..<3 {
            var numbers = ProcessNumbers(thread: thread, threads: 3, seed: 0xffff_ffff)
            for slot in 0..<10 {
                #expect(
                    ProcessNumbers.thread(of: numbers.take(for: ClientIndex(UInt32(slot))), threads: 3)
                        == thread)
            }
        }
    }

    @Test func `others than ours are nobody's`() {
        for id in [0, 1, ProcessNumbers.first - 1, ProcessNumbers.end, UInt32.max] {
            #expect(ProcessNumbers.thread(of: id, threads: 2) == nil)
        }
    }

    @Test func `at the end they begin anew`() {
        let count = ProcessNumbers.end - ProcessNumbers.first
        var numbers = ProcessNumbers(thread: 0, threads: 1, seed: count - 1)
        let last = numbers.take(for: 1)
        #expect(last == ProcessNumbers.end - 1)
        #expect(numbers.take(for: 2) == ProcessNumbers.first)
    }
}
