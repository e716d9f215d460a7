import Engine
import TestSupport
import Testing
import Wire

@testable import PoolWorker

@Suite struct ClientStartupTests {
    private let pair = Pair()

    private func terms(
        keepsOIDs: Bool = false, ignored: Set<String> = [], refusal: ErrorFields? = nil
    ) -> ClientStartup.Terms {
        .init(hostName: "test", keepsOIDs: keepsOIDs, ignored: ignored, refusal: refusal)
    }

    private func read(
        _ startup: inout ClientStartup, _ packet: [UInt8], _ terms: ClientStartup.Terms? = nil
    ) -> ClientStartup.Step {
        if !pair.stream.input.hasMemory { pair.stream.input = .take() }
        #expect(pair.stream.input.append(packet) == true)
        return startup.read(&pair.stream, terms ?? self.terms())
    }

    private func request(_ code: UInt32) -> [UInt8] { written { $0.packet { $0.int32(code) } } }

    private func error(_ parameters: [(String, String)], keepsOIDs: Bool = false) -> ErrorFields? {
        var startup = ClientStartup()
        guard
            case .refused(let error) = read(&startup, startupPacket(parameters), terms(keepsOIDs: keepsOIDs))
        else { return nil }
        return error
    }

    @Test func `a packet is taken when it is whole, and its memory given back`() {
        let packet = startupPacket([("user", "ann"), ("database", "shop")])
        var startup = ClientStartup()
        guard case .needMore = read(&startup, Array(packet.dropLast())) else {
            return #expect(Bool(false), "a byte is missing")
        }
        #expect(startup.names == "(nodb)/(nouser)")
        guard case .identified(let negotiation) = read(&startup, Array(packet.suffix(1))) else {
            return #expect(Bool(false), "not identified")
        }
        #expect(negotiation.isEmpty && startup.names == "shop/ann")
        #expect(!pair.stream.input.hasMemory)
    }

    @Test func `what a client sends behind its startup packet stays`() {
        var startup = ClientStartup()
        _ = read(&startup, startupPacket([("user", "ann")]) + bytes("p"))
        #expect(pair.stream.input.array == bytes("p"))
    }

    @Test func `names are cut at 63 bytes, and the database is the user's where none is named`() {
        let long = String(repeating: "x", count: 64)
        for database in [nil, ""] as [String?] {
            var startup = ClientStartup()
            _ = read(&startup, startupPacket([("user", long)] + (database.map { [("database", $0)] } ?? [])))
            #expect(startup.user == bytes(String(long.dropLast())) && startup.database == startup.user)
        }
        var startup = ClientStartup()
        _ = read(&startup, startupPacket([("user", "ann"), ("database", String(long.dropLast()))]))
        #expect(startup.database.count == 63)
    }

    @Test func `a packet without a user is refused`() {
        #expect(error([("database", "shop")])?.sqlstate == "28000")
        #expect(error([("user", ""), ("database", "shop")])?.sqlstate == "28000")
    }

    @Test(arguments: [StartupPacket.sslCode, StartupPacket.gssCode])
    func `encryption is declined once, and asked for twice it is an unknown protocol`(code: UInt32) {
        var startup = ClientStartup()
        guard case .noEncryption(nil) = read(&startup, request(code)) else {
            return #expect(Bool(false), "the first")
        }
        guard case .refused(let error) = read(&startup, request(code)) else {
            return #expect(Bool(false), "the second")
        }
        #expect(error == StartupPacket.unsupported(code))
    }

    @Test func `each kind of encryption may be asked for once`() {
        var startup = ClientStartup()
        for code in [StartupPacket.gssCode, StartupPacket.sslCode] {
            guard case .noEncryption(nil) = read(&startup, request(code)) else {
                return #expect(Bool(false), "\(code)")
            }
        }
    }

    @Test func `who does not wait for the answer about encryption is refused`() {
        var startup = ClientStartup()
        let early = request(StartupPacket.sslCode) + startupPacket([("user", "ann")])
        guard case .noEncryption(let refusal?) = read(&startup, early) else {
            return #expect(Bool(false), "taken")
        }
        #expect(refusal.message == "received unencrypted data after SSL request")
    }

    @Test func `a newer protocol and its options are negotiated down`() {
        let packet = written {
            $0.packet {
                $0.int32(3 << 16 | 2)
                for text in ["user", "ann", "_pq_.fast", "on"] { $0.string(text) }
                $0.byte(0)
            }
        }
        var startup = ClientStartup()
        guard case .identified(let negotiation) = read(&startup, packet) else {
            return #expect(Bool(false), "not identified")
        }
        let expected = written {
            $0.frame(BackendTag.negotiateProtocolVersion) {
                $0.int32(3 << 16)
                $0.int32(1)
                $0.string("_pq_.fast")
            }
        }
        #expect(negotiation == expected)
    }

    @Test func `while nobody is let in a cancel request still is`() {
        let closed = terms(refusal: ErrorFields(.fatal, "57P03", "not now"))
        var startup = ClientStartup()
        guard case .cancel(7, 9) = read(&startup, StartupPacket.cancelPacket(processID: 7, secret: 9), closed)
        else { return #expect(Bool(false), "no cancel") }
        var other = ClientStartup()
        guard case .refused(let error) = read(&other, startupPacket([("user", "ann")]), closed) else {
            return #expect(Bool(false), "let in")
        }
        #expect(error.sqlstate == "57P03")
    }

    @Test(arguments: [
        ("true", "0A000"), ("database", "0A000"), ("1", "0A000"), ("maybe", "22023"), ("", "22023"),
    ])
    func `a replication connection is refused, and a value that is none`(value: String, sqlstate: String) {
        #expect(error([("user", "ann"), ("replication", value)])?.sqlstate == sqlstate)
    }

    @Test(arguments: ["false", "off", "0", "no"])
    func `who says that it is no replication connection is let in`(value: String) {
        #expect(error([("user", "ann"), ("replication", value)]) == nil)
    }

    @Test func `settings of the options come before the others, which override them`() throws {
        var startup = ClientStartup()
        let packet = startupPacket([
            ("user", "ann"), ("TimeZone", "UTC"), ("options", "-c timezone=PRC -c datestyle=iso"),
        ])
        guard case .identified = read(&startup, packet) else { return #expect(Bool(false), "refused") }
        #expect(startup.sent.map { text($0.value) } == ["PRC", "iso", "UTC"])
        let values = try startup.trackedParameters(ignoring: [])
        #expect(values.compactMap { $0 }.map { text($0) }.sorted() == ["UTC", "iso"])
    }

    @Test func `options that make no sense are refused at once, or with agents when the client is known`() {
        #expect(error([("user", "ann"), ("options", "-c")])?.sqlstate == "42601")
        var startup = ClientStartup()
        let packet = startupPacket([("user", "ann"), ("options", "-c")])
        guard case .identified = read(&startup, packet, terms(keepsOIDs: true)) else {
            return #expect(Bool(false), "who it is may not be told yet")
        }
        #expect(startup.optionsFailure?.sqlstate == "42601")
    }

    @Test func `without agents other parameters are refused, unless they are to be ignored`() {
        var startup = ClientStartup()
        _ = read(&startup, startupPacket([("user", "ann"), ("Work_Mem", "1MB"), ("TimeZone", "UTC")]))
        #expect { try startup.trackedParameters(ignoring: ["extra"]) } throws: {
            ($0 as? ErrorFields)?.sqlstate == "0A000"
        }
        #expect((try? startup.trackedParameters(ignoring: ["work_mem"])) != nil)
        #expect(startup.agentParameters(ignoring: []).count == 2)
        #expect(startup.agentParameters(ignoring: ["work_mem"]).map { text($0.name) } == ["TimeZone"])
        #expect(startup.agentParameters(ignoring: ["timezone"]).count == 2, "tracked ones are never ignored")
    }

    @Test func `a value with bytes that no tracked parameter has is refused, but for a name`() {
        var startup = ClientStartup()
        _ = read(&startup, startupPacket([("user", "ann"), ("datestyle", "Zürich")]))
        #expect { try startup.trackedParameters(ignoring: []) } throws: {
            ($0 as? ErrorFields)?.sqlstate == "22023"
        }
        var named = ClientStartup()
        _ = read(&named, startupPacket([("user", "ann"), ("application_name", "ü")]))
        #expect((try? named.trackedParameters(ignoring: []))?.contains(bytes("\\xc3\\xbc")) == true)
    }
}
