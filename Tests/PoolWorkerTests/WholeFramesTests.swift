import Engine
import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// A stream taken apart into frames: "Z" is read whole, all else is skipped.
@Suite struct WholeFramesTests {
    private let pair = Pair()

    private func hold(_ bytes: [UInt8]) {
        if !pair.stream.input.hasMemory { pair.stream.input = .take() }
        #expect(pair.stream.input.append(bytes) == true)
    }

    private func take(_ bodyLeft: inout Int, limit: Int = FrameLimit.large) -> WholeFrames.Next {
        WholeFrames.take(&pair.stream, &bodyLeft, limit: limit) { $0 == UInt8(ascii: "Z") }
    }

    private static func header(_ tag: Character, length: UInt32) -> [UInt8] {
        [tag.asciiValue!] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32($0))) }
    }

    @Test func `a frame comes out when its last byte is there, and not before`() {
        var left = 0
        for byte in message(UInt8(ascii: "Z"), "abc") {
            guard case .needMore = take(&left) else { return #expect(Bool(false), "too soon") }
            hold([byte])
        }
        guard case .frame(let tag, let body) = take(&left) else { return #expect(Bool(false), "none") }
        #expect(tag == UInt8(ascii: "Z") && Array(body) == bytes("abc") && pair.stream.input.isEmpty)
    }

    @Test func `what follows a frame stays`() {
        var left = 0
        hold(message(UInt8(ascii: "Z"), "1") + message(UInt8(ascii: "Z")) + bytes("Z"))
        guard case .frame(_, let first) = take(&left), case .frame(_, let second) = take(&left) else {
            return #expect(Bool(false), "two frames are there")
        }
        #expect(Array(first) == bytes("1") && second.isEmpty)
        #expect(pair.stream.input.array == bytes("Z"))
    }

    @Test func `a body that nobody needs is skipped as it comes, however long it is`() {
        var left = 0
        hold(Self.header("D", length: UInt32(10 * Block.size + 4)))
        guard case .skipped = take(&left) else { return #expect(Bool(false), "not skipped") }
        #expect(left == 10 * Block.size)
        guard case .needMore = take(&left) else { return #expect(Bool(false), "nothing is there") }
        hold(bytes("some"))
        guard case .skipped = take(&left) else { return #expect(Bool(false), "not skipped") }
        #expect(left == 10 * Block.size - 4 && pair.stream.input.isEmpty)
    }

    @Test func `the next frame is not taken for a part of a skipped body`() {
        var left = 0
        hold(message(UInt8(ascii: "D"), "ZZZZZ") + message(UInt8(ascii: "Z"), "me"))
        for _ in 0..<2 {
            guard case .skipped = take(&left) else { return #expect(Bool(false), "not skipped") }
        }
        guard case .frame(_, let body) = take(&left) else { return #expect(Bool(false), "none") }
        #expect(Array(body) == bytes("me") && left == 0)
    }

    @Test func `a length that is none or beyond the limit is malformed`() {
        for (length, limit) in [(3, FrameLimit.large), (0, FrameLimit.large), (101, 100)] {
            var left = 0
            pair.stream.input.giveBack()
            hold(Self.header("D", length: UInt32(length)))
            guard case .malformed = take(&left, limit: limit) else {
                return #expect(Bool(false), "\(length) of \(limit)")
            }
        }
    }

    @Test func `a needed frame that would not fit into the block is malformed at once`() {
        var left = 0
        hold(Self.header("Z", length: UInt32(Block.size - 64 + 4)))
        guard case .needMore = take(&left) else { return #expect(Bool(false), "the longest frame") }
        pair.stream.input.giveBack()
        hold(Self.header("Z", length: UInt32(Block.size - 64 + 5)))
        guard case .malformed = take(&left) else { return #expect(Bool(false), "one byte more") }
    }

    // MARK: the first frame of a link

    private func first() -> WholeFrames.First { WholeFrames.first(&pair.stream, UInt8(ascii: "Z")) }

    @Test func `the first frame is received to its end, and stays`() {
        hold(Self.header("Z", length: 8))
        pair.say(bytes("abcd") + bytes("more"))
        guard case .frame(let frame) = first() else { return #expect(Bool(false), "none") }
        #expect(frame == message(UInt8(ascii: "Z"), "abcd"))
        #expect(pair.stream.input.array == frame + bytes("more"))
    }

    @Test func `what has another tag, or no header yet, is another's`() {
        guard case .other = first() else { return #expect(Bool(false), "nothing") }
        hold(message(UInt8(ascii: "D"), "abc"))
        guard case .other = first() else { return #expect(Bool(false), "another tag") }
        pair.stream.input.giveBack()
        hold(bytes("Z\0\0\0"))
        guard case .other = first() else { return #expect(Bool(false), "four bytes") }
    }

    @Test func `the rest of the first frame may still have to come`() {
        hold(Self.header("Z", length: 8))
        pair.say(bytes("abc"))
        guard case .needMore = first() else { return #expect(Bool(false), "all but a byte") }
        #expect(!pair.stream.signs.readable)
        pair.say(bytes("d"))
        guard case .frame = first() else { return #expect(Bool(false), "none") }
    }

    @Test func `the stream may end within the first frame, in order or not`() {
        hold(Self.header("Z", length: 8))
        pair.peer.endOutput()
        pair.stream.signs.readable = true
        guard case .ended = first() else { return #expect(Bool(false), "in order") }

        let other = Pair()
        other.stream.input = .take()
        #expect(other.stream.input.append(Self.header("Z", length: 8)) == true)
        // a socket with unread bytes that is closed resets the connection
        guard case .all = other.stream.send(bytes("unread")) else { return #expect(Bool(false), "not sent") }
        other.peer.close()
        other.stream.signs.readable = true
        guard case .ended = WholeFrames.first(&other.stream, UInt8(ascii: "Z")) else {
            return #expect(Bool(false), "by a reset, of which no further event would tell")
        }
    }

    @Test func `a first frame that would not fit into the block is malformed`() {
        hold(Self.header("Z", length: UInt32(Block.size)))
        guard case .malformed = first() else { return #expect(Bool(false), "too long") }
    }
}
