import TestSupport
import Testing

@testable import Pooling

@Suite struct WaitingFramesTests {
    private let overhead = WaitingFrames.overhead

    private func frame(_ number: Int) -> [UInt8] {
        Array(repeating: UInt8(number % 251), count: number % 7 + 1)
    }

    @Test func `frames come out in order, and a client that has got all is not waiting`() {
        var waiting = WaitingFrames()
        for round in 0..<3 {
            for number in 0..<5000 { waiting.append(frame(number + round), for: 7) }
            for number in 0..<5000 { #expect(waiting.takeFirst(of: 7) == frame(number + round)) }
            #expect(waiting.takeFirst(of: 7) == nil)
            #expect(!waiting.isWaiting(7) && waiting.isEmpty && waiting.bytes == 0)
        }
    }

    @Test func `bytes are counted for each and for all`() {
        var waiting = WaitingFrames()
        waiting.append([1, 2, 3], for: 1)
        waiting.append([4], for: 2)
        waiting.append([5, 6], for: 2)
        #expect(waiting.bytes(of: 1) == 3 + overhead)
        #expect(waiting.bytes(of: 2) == 3 + 2 * overhead)
        #expect(waiting.bytes == 6 + 3 * overhead)
        #expect(waiting.largest == 2)
        _ = waiting.takeFirst(of: 2)
        #expect(waiting.largest == 1)
        waiting.forget(1)
        waiting.forget(1)
        #expect(waiting.bytes == 2 + overhead)
        #expect(waiting.clients == [2])
        waiting.forget(2)
        #expect(waiting.bytes == 0 && waiting.largest == nil)
    }

    @Test func `interleaved appends and takes lose nothing`() {
        var waiting = WaitingFrames()
        var taken = 0
        for number in 0..<20_000 {
            waiting.append(frame(number), for: 1)
            if number % 3 != 0 {
                #expect(waiting.takeFirst(of: 1) == frame(taken))
                taken += 1
            }
        }
        while let next = waiting.takeFirst(of: 1) {
            #expect(next == frame(taken))
            taken += 1
        }
        #expect(taken == 20_000 && waiting.bytes == 0)
    }
}
