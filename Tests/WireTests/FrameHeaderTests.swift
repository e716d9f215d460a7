import FixedStorage
import Testing

@testable import Wire

@Suite struct FrameHeaderTests {
    static func read(_ bytes: [UInt8], at offset: Int = 0, limit: Int = FrameLimit.large) -> FrameHeader {
        bytes.withByteView { FrameHeader.read($0, at: offset, limit: limit) }
    }

    @Test func `fewer than five bytes are no header yet`() {
        let header: [UInt8] = [0x51, 0, 0, 0, 9]
        for count in 0..<5 { #expect(Self.read(Array(header.prefix(count))) == .needMore) }
        #expect(Self.read(header) == .header(tag: 0x51, body: 5))
        // not even an impossible length is looked at
        #expect(Self.read([0x51, 0xff, 0xff, 0xff]) == .needMore)
    }

    @Test func `a header is read where it stands`() {
        let bytes: [UInt8] = [1, 2, 3, 0x5a, 0, 0, 0, 5, 0x49]
        #expect(Self.read(bytes, at: 3) == .header(tag: 0x5a, body: 1))
        #expect(Self.read(bytes, at: 5) == .needMore)
        #expect(Self.read(bytes, at: 9) == .needMore)
    }

    @Test(arguments: [0, 1, 2, 3, 0x4000_0004, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func `an impossible length is malformed`(length: UInt32) {
        #expect(Self.read([0x51] + number(length)) == .malformed)
        #expect(Self.read([0x51] + number(length), limit: FrameLimit.login) == .malformed)
    }

    @Test func `the limits themselves are within`() {
        for limit in [FrameLimit.large, FrameLimit.login, FrameLimit.startup, 4] {
            #expect(
                Self.read([0x51] + number(UInt32(limit)), limit: limit) == .header(tag: 0x51, body: limit - 4)
            )
            #expect(Self.read([0x51] + number(UInt32(limit + 1)), limit: limit) == .malformed)
        }
    }
}
