import TestSupport
import Testing

@testable import Wire

@Suite struct FrameWriterTests {
    static func written(_ write: (inout FrameWriter) -> Void) -> [UInt8] {
        var writer = FrameWriter()
        write(&writer)
        return writer.bytes
    }

    @Test func `a frame without a body is tag and length`() {
        #expect(Self.written { $0.frame(FrontendTag.sync) } == [0x53, 0, 0, 0, 4])
    }

    @Test func `a frame counts its length and its body`() {
        let frame = Self.written {
            $0.frame(0x51) {
                $0.byte(1)
                $0.int16(0x0203)
                $0.int32(0x0405_0607)
                $0.string("ab")
                $0.raw([8, 0, 9])
            }
        }
        #expect(frame == [0x51, 0, 0, 0, 17, 1, 2, 3, 4, 5, 6, 7, 0x61, 0x62, 0, 8, 0, 9])
    }

    @Test func `a packet has no tag`() {
        #expect(Self.written { $0.packet { $0.int32(80_877_103) } } == [0, 0, 0, 8, 4, 210, 22, 47])
    }

    @Test func `frames follow each other`() {
        let frames = Self.written {
            $0.query(bytes("x"))
            $0.readyForQuery()
            $0.readyForQuery(TransactionStatus.failed)
            $0.parameterStatus(bytes("a"), bytes("bc"))
        }
        #expect(
            frames == [0x51, 0, 0, 0, 6, 0x78, 0] + [0x5a, 0, 0, 0, 5, 0x49] + [0x5a, 0, 0, 0, 5, 0x45]
                + [0x53, 0, 0, 0, 9, 0x61, 0, 0x62, 0x63, 0])
    }

    @Test func `a large body's length takes all four bytes`() {
        let frame = Self.written { $0.frame(0x64) { $0.raw([UInt8](repeating: 1, count: 0x01_0203)) } }
        #expect(Array(frame.prefix(5)) == [0x64, 0, 1, 2, 7])
        #expect(frame.count == 0x01_0203 + 5)
    }

    @Test func `a string ends at its NUL`() {
        #expect(Self.written { $0.string([0x61, 0, 0x62]) } == [0x61, 0])
        #expect(Self.written { $0.string("") } == [0])
        #expect(Self.written { $0.string("é") } == [0xc3, 0xa9, 0])
    }
}
