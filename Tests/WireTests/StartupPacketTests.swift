import TestSupport
import Testing

@testable import Wire

@Suite struct StartupPacketTests {
    static func parse(_ bytes: [UInt8]) -> StartupPacket.Result { StartupPacket.parse(bytes[...]) }

    /// A packet with its right length.
    static func packet(_ body: [UInt8]) -> [UInt8] { number(UInt32(body.count + 4)) + body }

    /// A startup packet of protocol 3.0.
    static func startup(_ body: String) -> [UInt8] { packet(number(196_608) + bytes(body)) }

    static func malformed(_ sqlstate: String, _ message: String) -> StartupPacket.Result {
        .malformed(ErrorFields(.fatal, sqlstate, message))
    }

    static let invalidLength = StartupPacket.Result.invalid("invalid length of startup packet")
    static let invalidLayout = malformed(
        "08P01", "invalid startup packet layout: expected terminator as last byte")

    static let ordinary = [
        parameter("user", "me"), parameter("database", "mine"), parameter("application_name", ""),
        parameter("options", "-c a=b"),
    ]

    static let whole: [(bytes: [UInt8], packet: StartupPacket)] = [
        (packet(number(80_877_103)), .sslRequest),
        (packet(number(80_877_104)), .gssEncryptionRequest),
        (
            packet(number(80_877_102) + number(0xffff_fffe) + number(0x8000_0001)),
            .cancelRequest(processID: 0xffff_fffe, secret: 0x8000_0001)
        ),
        (
            StartupPacket.startupPacket(ordinary),
            .startup(minor: 0, parameters: ordinary, protocolOptions: [])
        ),
        (packet(number(196_610) + [0]), .startup(minor: 2, parameters: [], protocolOptions: [])),
    ]

    @Test func `each packet is read with the size it took`() {
        for (bytes, packet) in Self.whole {
            #expect(Self.parse(bytes) == .packet(packet, size: bytes.count))
            #expect(Self.parse(bytes + [1, 2, 3]) == .packet(packet, size: bytes.count))
        }
    }

    @Test func `a packet cut at any point needs more and nothing else`() {
        for (bytes, _) in Self.whole {
            for count in 0..<bytes.count {
                #expect(Self.parse(Array(bytes.prefix(count))) == .needMore, "\(count) of \(bytes)")
            }
        }
    }

    @Test func `a packet is read from a slice's own start`() {
        for (bytes, packet) in Self.whole {
            let source = [9, 9, 9] + bytes + [9]
            #expect(StartupPacket.parse(source[3...]) == .packet(packet, size: bytes.count))
        }
    }

    @Test(arguments: [0, 1, 4, 7, 10_005, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func `an impossible length is refused before anything follows`(length: UInt32) {
        #expect(Self.parse(number(length)) == Self.invalidLength)
        #expect(Self.parse(number(length) + number(196_608) + [0]) == Self.invalidLength)
    }

    @Test func `what another protocol says first is refused`() {
        for text in ["GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\0\u{1}", "SSH-2.0-x\r\n"] {
            #expect(Self.parse(bytes(text)) == Self.invalidLength)
        }
    }

    @Test func `the longest packet is taken, one byte more is not`() {
        let value = [UInt8](repeating: 0x61, count: 10_004 - 8 - 2 - 1 - 1)
        let longest = StartupPacket.startupPacket([StartupPacket.Parameter(name: bytes("u"), value: value)])
        #expect(longest.count == 10_004)
        guard case .packet(.startup(_, let parameters, _), let size) = Self.parse(longest) else {
            Issue.record("not taken")
            return
        }
        #expect(size == 10_004)
        #expect(parameters == [StartupPacket.Parameter(name: bytes("u"), value: value)])
        let longer = StartupPacket.startupPacket([StartupPacket.Parameter(name: bytes("us"), value: value)])
        #expect(Self.parse(longer) == Self.invalidLength)
    }

    @Test func `a cancel request with a wrong length is refused`() {
        let cancel = StartupPacket.Result.invalid("invalid length of query cancel packet")
        #expect(Self.parse(Self.packet(number(80_877_102))) == cancel)
        #expect(Self.parse(Self.packet(number(80_877_102) + number(1))) == cancel)
        #expect(Self.parse(Self.packet(number(80_877_102) + number(1) + number(2) + [0])) == cancel)
    }

    @Test func `an encryption request may be longer, as for PostgreSQL`() {
        #expect(Self.parse(Self.packet(number(80_877_103) + [0])) == .packet(.sslRequest, size: 9))
        #expect(
            Self.parse(Self.packet(number(80_877_104) + number(1)))
                == .packet(.gssEncryptionRequest, size: 12))
    }

    @Test func `a boolean is read by its beginning`() {
        for text in ["1", "t", "TRUE", "y", "Yes", "on"] { #expect(StartupPacket.boolean(text) == true) }
        for text in ["0", "f", "fals", "N", "no", "of", "off"] {
            #expect(StartupPacket.boolean(text) == false)
        }
        for text in ["", "o", "2", "truer", "bogus", "database"] {
            #expect(StartupPacket.boolean(text) == nil)
        }
    }

    @Test(arguments: [(0, 0), (1, 0), (2, 0), (4, 0), (1234, 5681), (0xffff, 0xffff)] as [(UInt32, UInt32)])
    func `other major versions are refused by name`(major: UInt32, minor: UInt32) {
        let error = ErrorFields(
            .fatal, "0A000", "unsupported frontend protocol \(major).\(minor): server supports 3.0 to 3.0")
        #expect(
            Self.parse(Self.packet(number(major << 16 | minor) + [0]))
                == (major < 3 ? .outdated(error) : .malformed(error)))
        #expect(error.oldFrame == Array("EFATAL:  \(error.message)\n\0".utf8))
    }

    @Test func `protocol options are kept apart`() {
        let bytes = Self.packet(number(196_609) + Array("user\0me\0_pq_.a\u{0}1\0_pq_.\u{0}2\0\0".utf8))
        #expect(
            Self.parse(bytes)
                == .packet(
                    .startup(
                        minor: 1, parameters: [parameter("user", "me")],
                        protocolOptions: [Array("_pq_.a".utf8), Array("_pq_.".utf8)]), size: bytes.count))
    }

    @Test(arguments: [
        "", "user\0me\0", "user\0me", "user", "user\0me\0database\0", "\0\0", "\0user\0me\0\0",
        "user\0me\0\0x",
    ])
    func `parameters that don't end where the packet ends are refused`(body: String) {
        #expect(Self.parse(Self.startup(body)) == Self.invalidLayout)
    }

    @Test func `a parameter may have an empty value`() {
        #expect(
            Self.parse(Self.startup("user\0\0\0"))
                == .packet(
                    .startup(minor: 0, parameters: [parameter("user", "")], protocolOptions: []), size: 15))
    }

    @Test func `a cancel packet is the protocol's own`() {
        #expect(
            StartupPacket.cancelPacket(processID: 1, secret: 0xdead_beef)
                == [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef])
    }

    @Test(arguments: UInt64(0)..<300) func `damaged packets are answered, never trapped over`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bytes = Self.whole[random.below(Self.whole.count)].bytes
        for _ in 0...random.below(4) where !bytes.isEmpty {
            switch random.below(3) {
            case 0: bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.remove(at: random.below(bytes.count))
            default: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: random.below(bytes.count + 1))
            }
        }
        switch Self.parse(bytes) {
        case .packet(_, let size): #expect(size >= 8 && size <= bytes.count, "seed \(seed)")
        case .invalid: break
        case .malformed(let fields), .outdated(let fields):
            #expect(fields.severity == .fatal, "seed \(seed)")
            #expect(["08P01", "0A000"].contains(fields.sqlstate), "seed \(seed)")
        case .needMore:
            let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            #expect(bytes.count < 4 || bytes.count < length, "seed \(seed)")
        }
    }

    /// cledger.h, CLEDGER_START.
    @Test func `a session packet is length, the role's settings, pairs and a NUL`() {
        let packet = StartupPacket.sessionPacket(
            roleSettings: [3] + bytes("work_mem\0" + "7MB\0") + [0],
            [parameter("work_mem", "5MB"), parameter("search_path", "")])
        let own = bytes("work_mem\0" + "5MB\0" + "search_path\0" + "\0" + "\0")
        let body = [3] + bytes("work_mem\0" + "7MB\0" + "\0") + own
        #expect(packet == number(UInt32(4 + body.count)) + body)
        #expect(StartupPacket.sessionPacket(roleSettings: [0], []) == number(6) + [0, 0])
    }
}
