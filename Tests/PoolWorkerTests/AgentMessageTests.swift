import TestSupport
import Testing
import Wire

@testable import PoolWorker

/// What an agent says, as bytes; they may come from the middle of a buffer.
@Suite struct AgentMessageTests {
    private func read(_ body: [UInt8]) -> AgentMessage? { AgentMessage(([9, 9, 9] + body)[3...]) }

    private static let numbers: [UInt8] = [0x80, 0, 0, 1, 0x01, 0x02, 0x03, 0x04, 0xff, 0xff, 0xff, 0xfe]

    @Test func `that a client listens is told with hub, process and request`() {
        guard
            case .listens(let slot, let process, let request, let on) = read(bytes("L") + Self.numbers + [1])
        else { return #expect(Bool(false), "none") }
        #expect(slot == 0x8000_0001 && process == 0x0102_0304 && request == 0xffff_fffe && on)
        guard case .listens(_, _, _, let off) = read(bytes("L") + Self.numbers + [0]) else {
            return #expect(Bool(false), "none")
        }
        #expect(!off)
    }

    @Test func `a notification has a reference of 64 bits, high half first, and the rest as its body`() {
        guard
            case .notification(let process, let reference, let body) = read(
                bytes("N") + Self.numbers + bytes("rest"))
        else { return #expect(Bool(false), "none") }
        #expect(process == 0x8000_0001 && reference == 0x0102_0304_ffff_fffe)
        #expect(Array(body) == bytes("rest"))
    }

    @Test func `a notification that can't be written has no body`() {
        guard case .unwritable(let process, let reference) = read(bytes("U") + Self.numbers) else {
            return #expect(Bool(false), "none")
        }
        #expect(process == 0x8000_0001 && reference == 0x0102_0304_ffff_fffe)
    }

    @Test func `that a hub has read is told with the request`() {
        guard case .read(let request) = read([UInt8(ascii: "R"), 0, 0, 1, 0]) else {
            return #expect(Bool(false), "none")
        }
        #expect(request == 256)
    }

    @Test(arguments: [("L", 13), ("N", 12), ("U", 12), ("R", 4)])
    func `a message that is cut short is none`(kind: String, size: Int) {
        let whole = bytes(kind) + Array((Self.numbers + [1]).prefix(size))
        #expect(read(whole) != nil)
        for count in 0..<whole.count {
            #expect(read(Array(whole.prefix(count))) == nil, "\(count) bytes of \(kind)")
        }
    }

    @Test func `other kinds are none, and no bytes trap`() {
        for kind in UInt8.min ... .max where !bytes("LNUR").contains(kind) {
            #expect(read([kind] + Self.numbers + [1]) == nil)
        }
        var random = SeededGenerator(seed: 5)
        for _ in 0..<2000 { _ = read(random.bytes(random.below(20))) }
    }
}
