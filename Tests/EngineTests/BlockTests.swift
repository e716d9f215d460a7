import CSys
import FixedStorage
import TestSupport
import Testing

@testable import Engine

@Suite struct BlockTests {
    @Test func `a block without bytes has no memory until it needs some`() {
        var block = Block()
        #expect(block.isEmpty && !block.hasMemory && block.array == [] && block.bytes.byteCount == 0)
        #expect(block.append([UInt8]()) && !block.hasMemory)
        #expect(block.append([1, 2, 3]) && block.hasMemory)
        #expect(block.array == [1, 2, 3] && block.bytes.array == [1, 2, 3])
        block.giveBack()
        #expect(block.isEmpty && !block.hasMemory)
        block.giveBack()
        #expect(!block.hasMemory)
    }

    @Test func `what does not fit is not appended in part`() {
        var block = Block()
        #expect(block.append([UInt8](repeating: 1, count: Block.size - 1)) == true)
        #expect(block.room == 1)
        #expect(block.append([2, 3]) == false)
        #expect(block.count == Block.size - 1)
        #expect(block.append([2]) == true)
        #expect(block.room == 0 && !block.append([3]))
        block.giveBack()
    }

    @Test func `bytes that were used make room`() {
        var block = Block()
        #expect(block.append([UInt8](repeating: 1, count: Block.size)) == true)
        block.drop(Block.size - 2)
        #expect(block.room == 0)
        #expect(block.append([2, 3, 4]) == true)
        #expect(block.array == [1, 1, 2, 3, 4])
        block.drop(100)
        #expect(block.isEmpty)
        block.giveBack()
    }

    @Test(arguments: 0..<5)
    func `a block holds what was appended and not yet dropped`(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var block = Block()
        var model: [UInt8] = []
        for _ in 0..<200 {
            switch random.below(6) {
            case 0, 1:
                let bytes = random.bytes(random.below(Block.size / 3))
                #expect(block.append(bytes) == (model.count + bytes.count <= Block.size))
                if model.count + bytes.count <= Block.size { model += bytes }
            case 2:
                let bytes = random.bytes(random.below(64))
                let fits = model.count + bytes.count <= Block.size
                #expect(bytes.withByteView { block.append($0) } == fits)
                if fits { model += bytes }
            case 3, 4:
                let count = random.below(Block.size / 2)
                block.drop(count)
                model.removeFirst(min(count, model.count))
            default:
                block.compact()
                #expect(block.room == Block.size - model.count)
            }
            let same = block.array == model
            try #require(same)
        }
        block.giveBack()
    }

    @Test func `a receive takes what there is room for, and says when there may be more`() {
        var pair = Pair()
        var block = Block()
        pair.say([UInt8](repeating: 5, count: Block.size + 10))
        #expect(block.receive(pair.stream.descriptor) == (0, false))
        block = .take()
        #expect(block.append([9]) == true)
        #expect(block.receive(pair.stream.descriptor) == (Block.size - 1, true))
        block.drop(Block.size)
        block.compact()
        #expect(block.receive(pair.stream.descriptor) == (11, false))
        #expect(block.receive(pair.stream.descriptor) == (Stream.wouldBlock, false))
        #expect(block.count == 11)
        block.giveBack()
        pair.stream.close()
    }

    @Test func `a send drops what the socket took`() {
        var pair = Pair()
        var block = Block()
        #expect(block.send(pair.stream.descriptor, 1) == 0)
        #expect(block.append(bytes("abcdef")) == true)
        #expect(block.send(pair.stream.descriptor, 4) == 4)
        #expect(block.array == bytes("ef"))
        #expect(block.send(pair.stream.descriptor, 100) == 2)
        #expect(pair.heard() == bytes("abcdef"))
        block.giveBack()
        pair.stream.close()
    }

    @Test func `scratch memory keeps its sign apart from its bytes`() {
        let scratch = Scratch()
        #expect(!scratch.blocked)
        let full = [UInt8](repeating: 0xff, count: Scratch.size)
        full.withByteView { scratch.put($0) }
        #expect(!scratch.blocked)
        scratch.blocked = true
        #expect(scratch.bytes(Scratch.size).array == full)
        full.withByteView { scratch.put($0) }
        #expect(scratch.blocked)
        scratch.blocked = false
        #expect(!scratch.blocked && scratch.bytes(1).array == [0xff])
    }
}
