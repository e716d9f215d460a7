import Testing

@testable import FixedStorage

@Suite struct ByteViewTests {
    static let bytes: [UInt8] = [0x80, 0x01, 0x02, 0xff, 0x7f, 0x00, 0xfe]

    @Test func `every byte is where it was put`() {
        let seen = Self.bytes.withByteView { view in (0..<view.byteCount).map { view.byte($0) } }
        #expect(seen == Self.bytes)
    }

    @Test func `four bytes are a number in network order at every offset`() {
        let seen = Self.bytes.withByteView { view in (0...view.byteCount - 4).map { view.int32($0) } }
        #expect(seen == [0x8001_02ff, 0x0102_ff7f, 0x02ff_7f00, 0xff7f_00fe])
    }

    @Test func `a view of nothing is empty`() {
        #expect([UInt8]().withByteView { $0.byteCount } == 0)
        #expect(ByteView(base: nil, count: 0).byteCount == 0)
    }

    @Test func `a byte before the first or behind the last traps`() async {
        await #expect(processExitsWith: .failure) { _ = ByteViewTests.bytes.withByteView { $0.byte(-1) } }
        await #expect(processExitsWith: .failure) { _ = ByteViewTests.bytes.withByteView { $0.byte(7) } }
        await #expect(processExitsWith: .failure) { _ = [UInt8]().withByteView { $0.byte(0) } }
    }

    @Test func `a number that is not wholly inside traps`() async {
        await #expect(processExitsWith: .failure) { _ = ByteViewTests.bytes.withByteView { $0.int32(-1) } }
        await #expect(processExitsWith: .failure) { _ = ByteViewTests.bytes.withByteView { $0.int32(4) } }
        await #expect(processExitsWith: .failure) {
            _ = [UInt8](repeating: 0, count: 3).withByteView { $0.int32(0) }
        }
        await #expect(processExitsWith: .failure) { _ = ByteViewTests.bytes.withByteView { $0.int32(.max) } }
    }
}
