import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// What clients send that have no server.
@Suite struct ClientRequestTests {
    private let pair = Pair()

    private func client(_ said: [UInt8]) -> Client {
        pair.say(said)
        var client = makeClient(pair.stream)
        client.welcomed(0)
        return client
    }

    /// What `readRequest` makes of bytes.
    private func request(_ said: [UInt8]) -> Client.Request {
        var client = client(said)
        defer { client.stream.input.giveBack() }
        return client.readRequest()
    }

    @Test func `a request is seen by its header`() {
        #expect(request(Array(query("select 1").prefix(5))) == .request)
        #expect(request(Array(query("select 1").prefix(4))) == .nothing)
        #expect(request(terminate) == .terminated)
        #expect(request(message(UInt8(ascii: "!"))) == .malformed)
        #expect(request([UInt8(ascii: "Q"), 0, 0, 0, 3]) == .malformed)
    }

    @Test func `an idle client whose stream ends has gone`() {
        pair.peer.endOutput()
        #expect(request([]) == .gone)
    }

    @Test func `what is wrong with a message is its type, or else its length`() {
        func malformation(_ said: [UInt8]) -> Client.End {
            var client = client(said)
            defer { client.stream.input.giveBack() }
            _ = client.readRequest()
            return client.malformation
        }
        guard case .unknownType(UInt8(ascii: "!")) = malformation(message(UInt8(ascii: "!"))) else {
            return #expect(Bool(false), "an unknown type")
        }
        guard case .wrongLength = malformation([UInt8(ascii: "Q"), 0, 0, 0, 3]) else {
            return #expect(Bool(false), "a wrong length")
        }
    }

    /// Sends a request to a client that discards it, first a header, as without one no client waits, then
    /// pieces of a size; what came of it, and what is left.
    private func discard(_ said: [UInt8], pieces: Int) -> (
        Client.Discarded, state: Client.State, left: [UInt8]
    ) {
        let pair = Pair()
        var client = makeClient(pair.stream)
        defer { client.stream.input.giveBack() }
        client.welcomed(0)
        client.discards()
        var outcome = Client.Discarded.nothing
        for start in [0] + stride(from: 5, to: said.count, by: pieces) {
            _ = pair.peer.send(said[start..<min(start == 0 ? 5 : start + pieces, said.count)])
            client.maySendMore()
            if case .nothing = outcome, client.state == .discarding { outcome = client.discardRequest(7) }
        }
        return (outcome, client.state, client.stream.input.array)
    }

    @Test(arguments: [1, 2, 3, 7, 1000]) func `a query is dropped, and what follows it is not`(pieces: Int) {
        let (outcome, state, _) = discard(query("select 1"), pieces: pieces)
        guard case .cancelled = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(state == .idle)
        let both = discard(query("select 1") + query("select 2"), pieces: 1000)
        #expect(both.left == query("select 2"))
    }

    @Test(arguments: [1, 5, 1000]) func `messages are dropped up to the Sync`(pieces: Int) {
        let (outcome, state, left) = discard(execution("select 1") + sync, pieces: pieces)
        guard case .cancelled = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(state == .idle && left.isEmpty)
        guard case .nothing = discard(execution("select 1"), pieces: pieces).0 else {
            return #expect(Bool(false), "the Sync is missing")
        }
    }

    @Test func `what is left of a COPY has no answer, and the cancel is over with it`() {
        let (outcome, state, left) = discard(message(FrontendTag.copyData, "row"), pieces: 1000)
        guard case .nothing = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(state == .idle && left.isEmpty)
        let within = discard(Array(message(FrontendTag.copyData, "row").dropLast()), pieces: 1000)
        #expect(within.state == .discarding, "it is within a message")
    }

    @Test func `a client may say goodbye, or nonsense, in place of the rest of its request`() {
        let begun = execution("select 1")
        guard case .terminated = discard(begun + terminate, pieces: 1000).0 else {
            return #expect(Bool(false), "not terminated")
        }
        guard case .malformed = discard(begun + message(UInt8(ascii: "!")), pieces: 1000).0 else {
            return #expect(Bool(false), "not malformed")
        }
    }

    @Test func `a whole message is there, or may be when there is no room for more`() {
        func holds(_ said: [UInt8]) -> Bool {
            var client = makeClient()
            client.stream.input = .take()
            defer { client.stream.input.giveBack() }
            #expect(client.stream.input.append(said) == true)
            return client.holdsRequest
        }
        let whole = query("select 1")
        #expect(holds(whole) && !holds(Array(whole.dropLast())) && !holds([]))
        #expect(holds([UInt8(ascii: "Q"), 0, 0, 0, 3]), "what is malformed has to be looked at")
        let long = query(String(repeating: "x", count: Block.size))
        #expect(holds(Array(long.prefix(Block.size))) && !holds(Array(long.prefix(Block.size - 1))))
    }
}
