import Testing

@testable import LaunchConfig

@Suite struct LogQueueTests {
    @Test func `lines come out in order`() {
        var queue = LogQueue()
        queue.add(Array("one\n".utf8))
        queue.add(Array("two\n".utf8))
        let taken = queue.take()
        #expect(taken.bytes == Array("one\ntwo\n".utf8) && taken.dropped == 0)
        #expect(queue.isEmpty)
    }

    @Test func `lines too many are counted and dropped`() {
        var queue = LogQueue()
        for _ in 0..<LogQueue.mostLines + 7 { queue.add([10]) }
        let taken = queue.take()
        #expect(taken.bytes.count == LogQueue.mostLines && taken.dropped == 7)
        queue.add([10])
        let next = queue.take()
        #expect(next.bytes == [10] && next.dropped == 0)
    }

    @Test func `bytes are bounded, too`() {
        var queue = LogQueue()
        let line = [UInt8](repeating: 65, count: 10_000)
        for _ in 0..<100 { queue.add(line) }
        let taken = queue.take()
        #expect(taken.bytes.count <= LogQueue.mostBytes)
        #expect(taken.bytes.count / 10_000 + taken.dropped == 100)
    }
}
