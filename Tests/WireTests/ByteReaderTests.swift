import TestSupport
import Testing

@testable import Wire

@Suite struct ByteReaderTests {
    @Test func `values are read front to back`() {
        var reader = ByteReader([7, 1, 2, 3, 4, 0x61, 0x62, 0, 0, 9, 8])
        #expect(reader.left == 11)
        let (byte, word, text, empty) = (reader.byte(), reader.int32(), reader.string(), reader.string())
        #expect(byte == 7)
        #expect(word == 0x0102_0304)
        #expect(text == bytes("ab"))
        #expect(empty == [])
        let (none, rest, end) = (reader.take(3), reader.take(2).map(Array.init), reader.byte())
        #expect(none == nil)
        #expect(rest == [9, 8])
        #expect(end == nil)
        #expect(reader.left == 0)
    }

    @Test func `a read beyond the end says nil and takes nothing`() {
        var reader = ByteReader([1, 2, 3])
        let (word, text, four, negative) = (reader.int32(), reader.string(), reader.take(4), reader.take(-1))
        #expect(word == nil && text == nil && four == nil && negative == nil)
        #expect(reader.left == 3)
        let nothing = reader.take(0).map(Array.init)
        #expect(nothing == [])
    }

    @Test func `a slice is read from its own start`() {
        let whole: [UInt8] = [9, 9, 9, 0, 0, 1, 0, 9]
        var reader = ByteReader(whole[3..<7])
        let (word, end) = (reader.int32(), reader.byte())
        #expect(word == 256)
        #expect(end == nil)
    }

    /// Whatever is read, no read goes beyond the bytes, and all reads together are the bytes.
    @Test(arguments: UInt64(0)..<50) func `random reads of random bytes never trap`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let source = random.bytes(random.below(60))
        var reader = ByteReader(source)
        var taken: [UInt8] = []
        for _ in 0..<40 {
            let before = reader.left
            switch random.below(4) {
            case 0: if let byte = reader.byte() { taken.append(byte) }
            case 1: if let word = reader.int32() { taken += number(word) }
            case 2: if let text = reader.string() { taken += text + [0] }
            default: if let some = reader.take(random.below(8)) { taken += some }
            }
            #expect(reader.left <= before && reader.left >= 0)
            #expect(taken.count + reader.left == source.count)
        }
        #expect(taken == Array(source.prefix(taken.count)), "seed \(seed)")
    }
}
