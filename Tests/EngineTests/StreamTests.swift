import CSys
import FixedStorage
import TestSupport
import Testing

@testable import Engine

/// The rule that a receive which comes short has emptied the socket, and what waits on either side.
@Suite struct StreamTests {
    private let scratch = Scratch()
    private static let header = 5

    @Test func `a receive that comes short has emptied the socket`() {
        var pair = Pair()
        pair.say(bytes("hello"))
        pair.isReadable()
        #expect(pair.stream.receive(scratch, header: Self.header) == 5)
        #expect(scratch.bytes(5).array == bytes("hello"))
        #expect(!pair.stream.signs.readable)
        pair.stream.close()
    }

    @Test func `a receive that fills the memory leaves the socket readable`() {
        var pair = Pair()
        pair.say([UInt8](repeating: 1, count: Scratch.size + 1))
        pair.isReadable()
        #expect(pair.stream.receive(scratch, header: Self.header) == Scratch.size)
        #expect(pair.stream.signs.readable)
        #expect(pair.stream.receive(scratch, header: Self.header) == 1)
        #expect(!pair.stream.signs.readable)
        #expect(pair.stream.receive(scratch, header: Self.header) == Stream.wouldBlock)
        pair.stream.close()
    }

    @Test func `behind the last bytes the end of the stream is still to be read`() {
        var pair = Pair()
        pair.say(bytes("bye"))
        pair.endPeersOutput()
        pair.isReadable()
        pair.stream.signs.hungUp = true
        #expect(pair.stream.receive(scratch, header: Self.header) == 3)
        #expect(pair.stream.signs.readable, "the end brings no event of its own")
        #expect(pair.stream.receive(scratch, header: Self.header) == 0)
        pair.stream.close()
    }

    @Test func `a part of a header waits for the rest of it`() {
        var pair = Pair()
        pair.stream.input = .take()
        #expect(pair.stream.input.append(bytes("Q12")) == true)
        pair.isReadable()
        #expect(pair.stream.receive(scratch, header: Self.header) == Stream.wouldBlock)
        #expect(pair.stream.input.array == bytes("Q12"))
        pair.say(bytes("345"))
        #expect(pair.stream.receive(scratch, header: Self.header) == 6)
        #expect(scratch.bytes(6).array == bytes("Q12345"))
        #expect(!pair.stream.input.hasMemory && !pair.stream.signs.readable)
        pair.stream.close()
    }

    @Test func `an input that is longer than a header is used before more is received`() {
        var pair = Pair()
        #expect(pair.stream.input.append(bytes("Qabcdefgh")) == true)
        pair.say(bytes("more"))
        pair.isReadable()
        #expect(pair.stream.receive(scratch, header: Self.header) == 9)
        #expect(scratch.bytes(9).array == bytes("Qabcdefgh"))
        #expect(!pair.stream.input.hasMemory && pair.stream.signs.readable)
        #expect(pair.stream.receive(scratch, header: Self.header) == 4)
        pair.stream.close()
    }

    @Test func `a stream that ends in the middle of a header says so, and keeps the part`() {
        var pair = Pair()
        #expect(pair.stream.input.append(bytes("Q")) == true)
        pair.endPeersOutput()
        pair.stream.signs.hungUp = true
        #expect(pair.stream.receive(scratch, header: Self.header) == 0)
        #expect(pair.stream.input.array == bytes("Q"))
        pair.stream.close()
    }

    @Test func `bytes are received behind those that wait, if there may be any`() {
        var pair = Pair()
        pair.say(bytes("one"))
        #expect(pair.stream.receive() == Stream.wouldBlock, "no event came")
        #expect(!pair.stream.input.hasMemory)
        pair.isReadable()
        #expect(pair.stream.receive() == 3)
        #expect(!pair.stream.signs.readable)
        pair.say(bytes("two"))
        pair.isReadable()
        #expect(pair.stream.receive() == 3)
        #expect(pair.stream.input.array == bytes("onetwo"))
        pair.isReadable()
        #expect(pair.stream.receive() == Stream.wouldBlock)
        #expect(!pair.stream.signs.readable && pair.stream.input.count == 6)
        pair.stream.close()
    }

    @Test func `a receive of nothing leaves an empty input without memory`() {
        var pair = Pair()
        pair.isReadable()
        #expect(pair.stream.receive() == Stream.wouldBlock)
        #expect(!pair.stream.input.hasMemory && !pair.stream.signs.readable)
        pair.endPeersOutput()
        pair.isReadable()
        #expect(pair.stream.receive() == 0)
        #expect(!pair.stream.input.hasMemory && pair.stream.signs.readable)
        pair.stream.close()
    }

    @Test func `all there is can be received at once, up to a block`() {
        var pair = Pair()
        for _ in 0..<3 { pair.say([UInt8](repeating: 1, count: Block.size / 2)) }
        #expect(pair.stream.receiveAll() == true)
        #expect(pair.stream.input.count == Block.size && pair.stream.signs.readable)
        pair.stream.input.drop(Block.size)
        #expect(pair.stream.receiveAll() == true)
        #expect(pair.stream.input.count == Block.size / 2)
        pair.stream.close()
    }

    @Test func `what a socket does not take waits, and goes when it takes it`() {
        var pair = Pair()
        let filled = pair.fill()
        #expect(pair.stream.send(bytes("last")) == .waits)
        #expect(pair.stream.send(bytes(" words")) == .waits)
        #expect(pair.stream.output.array == bytes("last words"))
        #expect(pair.heard().count == filled)
        #expect(pair.stream.flush() == .all)
        #expect(!pair.stream.output.hasMemory)
        #expect(pair.heard() == bytes("last words"))
        pair.stream.close()
    }

    @Test func `more than a block can't wait`() {
        var pair = Pair()
        _ = pair.fill()
        #expect(pair.stream.send([UInt8](repeating: 1, count: Block.size)) == .waits)
        #expect(pair.stream.send([2]) == .failed)
        #expect(pair.stream.output.count == Block.size)
        pair.stream.close()
    }

    @Test func `a stream whose peer has gone takes no bytes`() {
        var ends: [Int32] = [-1, -1]
        #expect(pairOfSockets(&ends))
        var stream = Stream(descriptor: ends[0])
        csys_close(ends[1])
        #expect(stream.send(bytes("anybody?")) == .failed)
        stream.close()
    }

    @Test func `last words are sent as far as the socket takes them`() {
        var pair = Pair()
        pair.stream.sendLast(bytes("goodbye"))
        #expect(pair.heard() == bytes("goodbye"))
        _ = pair.fill()
        pair.stream.sendLast(bytes("nothing more"))
        #expect(pair.stream.output.array == bytes("nothing more"))
        pair.stream.close()
    }

    @Test func `a stream may end its output and still receive`() {
        var pair = Pair()
        pair.stream.endOutput()
        pair.say(bytes("still here"))
        pair.isReadable()
        #expect(pair.stream.receive() == 10)
        pair.stream.close()
    }

    @Test func `a closed stream has neither socket nor memory`() throws {
        var pair = Pair()
        let poller = makePoller()
        #expect(pair.stream.watch(poller, PollToken(.client, index: 1, generation: 1)) == true)
        #expect(pair.stream.input.append([1]) && pair.stream.output.append([2]))
        pair.stream.close(poller)
        #expect(!pair.stream.isOpen && !pair.stream.input.hasMemory && !pair.stream.output.hasMemory)
        pair.stream.close(poller)
        pair.stream.close()
        #expect(pair.stream.descriptor == -1)
    }
}
