import FixedStorage
import TestSupport
import Testing
import Wire

@testable import Pooling

/// Client bytes scanned in pieces, as a network would cut them.
private struct FrontendStream {
    var traffic = Traffic()
    var bodyLeft = 0
    private var kept: [UInt8] = []
    private(set) var forwarded: [UInt8] = []
    private(set) var stop = Scan.Stop.end

    init() {}

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        guard stop == .end else { return }
        kept += bytes
        let scan = kept.withByteView { FrameScan.frontend($0, bodyLeft: &bodyLeft, traffic: &traffic) }
        forwarded += kept.prefix(scan.taken)
        kept.removeFirst(scan.taken)
        stop = scan.stop
    }
}

/// Server bytes scanned in pieces. Where a scan stops without an end, what it stopped at is
/// noted and, for a ParameterStatus, taken out, as the worker does.
private struct BackendStream {
    var traffic: Traffic
    let mode: PoolMode
    var bodyLeft = 0
    private var kept: [UInt8] = []
    private(set) var forwarded: [UInt8] = []
    /// Where in the stream a scan stopped, and why.
    private(set) var stops: [String] = []

    init(_ traffic: Traffic, _ mode: PoolMode = .transaction) {
        self.traffic = traffic
        self.mode = mode
    }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        kept += bytes
        while true {
            let scan = kept.withByteView {
                FrameScan.backend($0, bodyLeft: &bodyLeft, traffic: &traffic, mode: mode)
            }
            forwarded += kept.prefix(scan.taken)
            kept.removeFirst(scan.taken)
            switch scan.stop {
            case .end: return
            case .parameterStatus, .agent:
                let length = 1 + kept[1...4].reduce(0) { $0 << 8 | Int($1) }
                guard kept.count >= length else { return }
                stops.append("\(scan.stop) \(forwarded.count)")
                kept.removeFirst(length)
            default:
                stops.append("\(scan.stop) \(forwarded.count)")
                if scan.stop == .malformed { return }
            }
        }
    }
}

@Suite struct FrameScanTests {
    static let requests: [UInt8] =
        frame(tag("Q"), Array("select 1\0".utf8)) + frame(tag("P"), Array("s\0select $1\0\0\0".utf8))
        + frame(tag("B"), [0, 0, 0, 0, 0, 0, 0, 0]) + frame(tag("D"), [UInt8(ascii: "P"), 0])
        + frame(tag("E"), [0, 0, 0, 0, 0]) + frame(tag("H")) + frame(tag("S"))
        + frame(tag("Q"), Array("copy t from stdin\0".utf8)) + frame(tag("d"), Array(0...255))
        + frame(tag("d"))
        + frame(tag("c")) + frame(tag("F"), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + frame(tag("f"), [0])
        + frame(tag("C"), [UInt8(ascii: "S"), 0]) + frame(tag("S"))

    static let replies: [UInt8] =
        frame(tag("T"), [0, 0]) + frame(tag("D"), Array(0...99)) + frame(tag("D")) + frame(tag("N"), [0])
        + frame(tag("C"), Array("SELECT 1\0".utf8)) + ready() + frame(tag("1")) + frame(tag("2"))
        + frame(tag("t"), [0, 0]) + frame(tag("n")) + frame(tag("s")) + frame(tag("3")) + ready()
        + frame(tag("S"), Array("TimeZone\0UTC\0".utf8)) + frame(tag("G"), [0, 0, 0]) + frame(tag("C"))
        + ready(tag("T")) + frame(tag("*"), Array("L".utf8)) + frame(tag("A"), [1, 2, 3])
        + frame(tag("H"), [0, 0, 0]) + frame(tag("d"), [9])
        + frame(tag("c")) + frame(tag("I")) + frame(tag("V"), [0, 0, 0, 0]) + frame(tag("E"), [0])
        + frame(tag("S"), Array("DateStyle\0ISO\0".utf8)) + ready()

    /// Without their ParameterStatus frames, and that of an agent.
    static let delivered: [UInt8] = {
        var left = replies
        for text in ["TimeZone\0UTC\0", "DateStyle\0ISO\0"] {
            guard let status = left.firstRange(of: frame(tag("S"), Array(text.utf8))) else { continue }
            left.removeSubrange(status)
        }
        if let agent = left.firstRange(of: frame(tag("*"), Array("L".utf8))) { left.removeSubrange(agent) }
        return left
    }()

    /// Four requests are due.
    static var waiting: Traffic {
        var traffic = Traffic()
        for _ in 0..<4 { _ = traffic.frontend(FrontendTag.query) }
        return traffic
    }

    @Test func `a client's bytes pass whole whatever the points they are cut at`() {
        for first in 0...Self.requests.count {
            for second in stride(from: first, through: Self.requests.count, by: 13) {
                var stream = FrontendStream()
                stream.receive(Self.requests[..<first])
                stream.receive(Self.requests[first..<second])
                stream.receive(Self.requests[second...])
                guard stream.forwarded == Self.requests, stream.stop == .end, stream.bodyLeft == 0 else {
                    Issue.record("cut at \(first) and \(second)")
                    return
                }
            }
        }
    }

    @Test func `a client's bytes pass one by one, and a header only when it is whole`() {
        var stream = FrontendStream()
        var previous = 0
        for byte in Self.requests {
            stream.receive([byte])
            let step = stream.forwarded.count - previous
            #expect([0, 1, 5].contains(step))
            previous = stream.forwarded.count
        }
        #expect(stream.forwarded == Self.requests)
    }

    @Test func `a server's bytes pass whole whatever the points they are cut at`() {
        var whole = BackendStream(Self.waiting)
        whole.receive(Self.replies)
        #expect(whole.forwarded == Self.delivered)
        #expect(
            whole.stops.map { $0.split(separator: " ")[0] } == [
                "parameterStatus", "agent", "parameterStatus", "released",
            ])
        for first in 0...Self.replies.count {
            for second in stride(from: first, through: Self.replies.count, by: 11) {
                var stream = BackendStream(Self.waiting)
                stream.receive(Self.replies[..<first])
                stream.receive(Self.replies[first..<second])
                stream.receive(Self.replies[second...])
                guard
                    stream.forwarded == Self.delivered, stream.stops == whole.stops, stream.bodyLeft == 0,
                    stream.traffic.isReleasable, !stream.traffic.hasFailed
                else {
                    Issue.record("cut at \(first) and \(second): \(stream.stops)")
                    return
                }
            }
        }
    }

    @Test func `a body may be larger than any buffer`() {
        let header = [tag("d"), 0x3f, 0xff, 0xff, 0x03]
        var (bodyLeft, traffic) = (0, Traffic())
        let scan = header.withByteView { FrameScan.frontend($0, bodyLeft: &bodyLeft, traffic: &traffic) }
        #expect(scan.taken == 5)
        #expect(scan.stop == .end)
        let body = [UInt8](repeating: 7, count: 8_192)
        let expected = 0x3fff_ff03 - 4
        #expect(bodyLeft == expected)
        for round in 1...3 {
            let part = body.withByteView { FrameScan.frontend($0, bodyLeft: &bodyLeft, traffic: &traffic) }
            #expect(part.taken == body.count)
            #expect(bodyLeft == expected - round * body.count)
        }
    }

    static let badLengths: [[UInt8]] = [
        [0, 0, 0, 0], [0, 0, 0, 3], [0x40, 0, 0, 4], [0x7f, 0xff, 0xff, 0xff], [0x80, 0, 0, 0],
        [0xff, 0xff, 0xff, 0xff],
    ]

    @Test(arguments: badLengths)
    func `an impossible length stops either direction before its frame`(length: [UInt8]) {
        var client = FrontendStream()
        client.receive(frame(tag("Q"), [0]) + [tag("Q")] + length)
        #expect(client.stop == .malformed)
        #expect(client.forwarded == frame(tag("Q"), [0]))

        var server = BackendStream(Self.waiting)
        server.receive(frame(tag("C"), [0]) + [tag("D")] + length)
        #expect(server.stops == ["malformed 6"])
        #expect(server.forwarded == frame(tag("C"), [0]))
    }

    static let largest = (0..<4).map { UInt8(truncatingIfNeeded: FrameLimit.large >> (24 - 8 * $0)) }

    @Test func `the largest frame is taken in both directions`() {
        var client = FrontendStream()
        client.receive([tag("d")] + Self.largest)
        #expect(client.stop == .end)
        #expect(client.bodyLeft == FrameLimit.large - 4)
        var server = BackendStream(Self.waiting)
        server.receive([tag("d")] + Self.largest)
        #expect(server.stops == [])
        #expect(server.bodyLeft == FrameLimit.large - 4)
    }

    @Test func `unknown tags stop either direction before their frame`() {
        let fromClient = Set("QFPBDECSHdcfX".utf8)
        let fromServer = Set("123ACDEGHINTVWZcdnstS*".utf8)
        for tag in UInt8.min ... .max {
            var client = FrontendStream()
            client.receive(frame(tag))
            let stop: Scan.Stop =
                tag == FrontendTag.terminate ? .terminate : fromClient.contains(tag) ? .end : .malformed
            #expect(client.stop == stop, "tag \(tag)")
            #expect(client.forwarded.isEmpty == (stop != .end), "tag \(tag)")

            var server = BackendStream(Self.waiting)
            server.receive(frame(tag, [tag == BackendTag.readyForQuery ? 0x49 : 0]))
            #expect((server.stops == ["malformed 0"]) == !fromServer.contains(tag), "tag \(tag)")
        }
    }

    @Test(arguments: ["S", "H", "c"] as [Character])
    func `a message without a body may not have one`(character: Character) {
        var stream = FrontendStream()
        stream.receive(frame(tag(character)) + frame(tag(character), [0]))
        #expect(stream.stop == .malformed)
        #expect(stream.forwarded == frame(tag(character)))
    }

    @Test func `a CopyFail is as long as a server takes it at most`() {
        var stream = FrontendStream()
        let longest = frame(tag("f"), [UInt8](repeating: 0x61, count: Int(FrameLimit.small) - 4))
        let longer = frame(tag("f"), [UInt8](repeating: 0x61, count: Int(FrameLimit.small) - 3))
        stream.receive(longest + longer)
        #expect(stream.stop == .malformed)
        #expect(stream.forwarded == longest)
    }

    @Test func `goodbye is not forwarded, what stands before it is`() {
        var stream = FrontendStream()
        stream.receive(frame(tag("Q"), [0]) + frame(tag("X")) + frame(tag("Q"), [0]))
        #expect(stream.stop == .terminate)
        #expect(stream.forwarded == frame(tag("Q"), [0]))
        #expect(stream.bodyLeft == 0)
    }

    @Test func `a ReadyForQuery that is too long, too short or not due is malformed`() {
        for bytes in [frame(tag("Z"), []), frame(tag("Z"), [0x49, 0x49]), frame(tag("Z"), Array(0...40))] {
            var stream = BackendStream(Self.waiting)
            stream.receive(bytes)
            #expect(stream.stops == ["malformed 0"])
        }
        var stream = BackendStream(Traffic())
        stream.receive(ready())
        #expect(stream.stops == ["malformed 0"])
    }

    @Test func `a status that is none is malformed`() {
        for status in UInt8.min ... .max {
            var stream = BackendStream(Self.waiting)
            stream.receive(ready(status))
            let isKnown = "ITE".utf8.contains(status)
            #expect(stream.stops == (isKnown ? [] : ["malformed 0"]), "status \(status)")
        }
    }

    @Test func `a scan stops where the server is spent, in pooled modes only`() {
        var traffic = Traffic()
        for character in "PBES" { _ = traffic.frontend(tag(character)) }
        var (pooled, session) = (BackendStream(traffic), BackendStream(traffic, .session))
        pooled.receive(frame(tag("1")) + frame(tag("2")) + frame(tag("G"), [0, 0, 0]))
        session.receive(frame(tag("1")) + frame(tag("2")) + frame(tag("G"), [0, 0, 0]))
        for character in "dcS" {
            _ = pooled.traffic.frontend(tag(character))
            _ = session.traffic.frontend(tag(character))
        }
        pooled.receive(frame(tag("E"), [0]) + ready())
        session.receive(frame(tag("E"), [0]) + ready())
        #expect(pooled.stops == ["spent 30"])
        #expect(session.stops == [])
        #expect(session.traffic.isSpent)
    }

    @Test func `a session's server is never released by a scan`() {
        var stream = BackendStream(Self.waiting, .session)
        stream.receive(ready() + ready() + ready() + ready())
        #expect(stream.stops == [])
        #expect(stream.traffic.isReleasable)
    }

    @Test func `a scan stops where the server may be released, and what follows is kept`() {
        var traffic = Traffic()
        _ = traffic.frontend(FrontendTag.query)
        var bodyLeft = 0
        let bytes = frame(tag("C"), [0]) + ready() + frame(tag("N"), [0])
        let scan = bytes.withByteView {
            FrameScan.backend($0, bodyLeft: &bodyLeft, traffic: &traffic, mode: .transaction)
        }
        #expect(scan.taken == 12)
        #expect(scan.stop == .released)
    }

    @Test(arguments: [0x54, 0x45] as [UInt8])
    func `a transaction left open stops a scan in statement mode only`(status: UInt8) {
        var traffic = Traffic()
        _ = traffic.frontend(FrontendTag.query)
        var statement = BackendStream(traffic, .statement)
        statement.receive(frame(tag("C"), [0]) + ready(status))
        #expect(statement.stops == ["transaction 12"])
        var transaction = BackendStream(traffic)
        transaction.receive(frame(tag("C"), [0]) + ready(status))
        #expect(transaction.stops == [])
        #expect(transaction.forwarded.count == 12)
    }

    @Test func `statement mode refuses a transaction block in the middle of a pipeline`() {
        var traffic = Traffic()
        _ = traffic.frontend(FrontendTag.query)
        _ = traffic.frontend(FrontendTag.query)
        var stream = BackendStream(traffic, .statement)
        stream.receive(ready(tag("T")) + ready())
        #expect(stream.stops.first == "transaction 6")
    }

    @Test func `a step of statement mode ends with the first message that has a ReadyForQuery`() {
        let (query, sync) = (frame(FrontendTag.query, [1, 2, 0]), frame(FrontendTag.sync, []))
        let parse = frame(FrontendTag.parse, [1, 0, 0, 0])
        for (bytes, bodyLeft, expected) in [
            (query + query, 0, query.count), (parse + sync + parse + sync, 0, parse.count + sync.count),
            (parse + parse, 0, 2 * parse.count), (query.dropLast() + [], 0, query.count - 1),
            ([9, 9, 9] + query + query, 3, 3 + query.count), (Array(query.prefix(3)), 0, 3), ([9, 9], 5, 2),
        ] {
            let taken = bytes.withByteView { FrameScan.firstRequest($0, bodyLeft: bodyLeft) }
            #expect(taken == UInt(expected))
        }
    }

    @Test func `an error is remembered until the server is ready again`() {
        var traffic = Self.waiting
        _ = traffic.frontend(FrontendTag.query)
        var stream = BackendStream(traffic)
        stream.receive(frame(tag("C"), [0]) + frame(tag("E"), [0, 0]).dropLast())
        #expect(stream.traffic.hasFailed)
        #expect(stream.bodyLeft == 1)
        stream.receive([0] + ready(tag("T")))
        #expect(!stream.traffic.hasFailed)
    }
}
