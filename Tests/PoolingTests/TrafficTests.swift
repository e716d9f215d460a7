import Testing
import Wire

@testable import Pooling

/// A link's messages in the order the pooler sees them: `>Q` from the client, `<ZI` from the
/// server. Between them what is expected: `+` the server may be released, `-` it may not,
/// `?` nobody can tell before the client leaves, `s` it is spent, `f` it needs a fence.
@discardableResult
private func follow(_ transcript: String, sourceLocation: SourceLocation = #_sourceLocation) -> Traffic {
    var traffic = Traffic()
    for (number, word) in transcript.split(separator: " ").enumerated() {
        let letters = Array(word.utf8)
        let comment = Comment(rawValue: "word \(number + 1) (\(word)) of \(transcript)")
        switch word {
        case "+": #expect(traffic.isReleasable, comment, sourceLocation: sourceLocation)
        case "-": #expect(!traffic.isReleasable && !traffic.isSpent, comment, sourceLocation: sourceLocation)
        case "?": #expect(traffic.isUncertain && !traffic.isQuiet, comment, sourceLocation: sourceLocation)
        case "f": #expect(traffic.needsFence && !traffic.isQuiet, comment, sourceLocation: sourceLocation)
        case "s": #expect(traffic.isSpent && !traffic.isQuiet, comment, sourceLocation: sourceLocation)
        default:
            if letters[0] == UInt8(ascii: ">") {
                let verdict = traffic.frontend(letters[1])
                #expect(verdict == .forward, comment, sourceLocation: sourceLocation)
            } else {
                switch letters[1] {
                case BackendTag.readyForQuery:
                    let due = traffic.ready(letters[2])
                    #expect(due, comment, sourceLocation: sourceLocation)
                case BackendTag.errorResponse: traffic.failed()
                case BackendTag.copyInResponse: traffic.copyInStarted()
                case BackendTag.copyBothResponse: traffic.becomeUncertain()
                default: break
                }
            }
        }
    }
    return traffic
}

@Suite struct TrafficTests {
    @Test func `a new link is quiet`() { follow("+") }

    @Test func `a simple query ends with its ReadyForQuery`() {
        follow(">Q - <T - <D - <C - <ZI + >Q - <E - <ZI +")
    }

    @Test func `queries sent ahead each have their own ReadyForQuery`() {
        follow(">Q >Q >Q - <C <ZI - <E <ZI - <C <ZI +")
    }

    @Test func `an open or failed transaction keeps the server`() {
        follow(">Q <C <ZT - >Q <E <ZE - >Q <C <ZI +")
        #expect(follow(">Q <C <ZT").isQuiet)
    }

    @Test func `an extended query ends with the ReadyForQuery of its Sync`() {
        follow(">P - >B - >D - >E - >S - <1 <2 <T <D <C - <ZI +")
    }

    @Test func `an extended query without a Sync keeps the server`() {
        let traffic = follow(">P - >B - >E - >H - <1 <2 <C -")
        #expect(traffic.needsSync)
        #expect(!traffic.isUncertain)
    }

    @Test(arguments: ["P", "B", "D", "C", "E"])
    func `one extended message alone waits for its Sync`(tag: String) {
        follow(">\(tag) - >H - >S - <ZI +")
    }

    @Test func `each Sync of a pipeline is waited for`() {
        follow(">P >B >E >S >P >B >E >S >S - <1 <2 <C <ZI - <1 <2 <C <ZI - <ZI +")
        follow(">P >B >E >S >P >B >E <1 <2 <C <ZI - >S - <1 <2 <C <ZI +")
    }

    @Test func `an error in a pipeline skips to the next Sync only`() {
        follow(">P >B >E >P >B >E >S >P >B >E >S <E - <ZI - <1 <2 <C <ZI +")
    }

    @Test func `a function call ends with its ReadyForQuery`() { follow(">F - <V - <ZI + >F <E <ZI +") }

    @Test func `a Query among extended messages that no Sync follows can't be counted`() {
        follow(">P >Q ? <1 <C <ZI ?")
        follow(">P >B >E >F ? >S ? <E <ZI ?")
    }

    @Test func `replication can't be counted`() { follow(">Q <W ?") }

    @Test func `COPY FROM by Query ends with its ReadyForQuery`() {
        let copying = follow(">Q - <G - >d - >d -")
        #expect(copying.isCopyingIn)
        #expect(!follow(">Q <G >d >c").isCopyingIn)
        follow(">Q <G >d >c - <C - <ZI +")
        follow(">Q <G >d >f - <E - <ZI f")
        follow(">Q <G >d <E - <ZI f >d f >c f >Q - <C <ZI +")
        follow(">Q <G <E - <ZI + >d f >c f")
        follow(">Q >d >c - <G - <C - <ZI f")
    }

    @Test func `a Query with two COPYs has one ReadyForQuery`() {
        follow(">Q <G >d >c <C - <G - >d >c - <C <ZI f")
    }

    @Test func `COPY TO by Query ends with its ReadyForQuery`() { follow(">Q - <H <d <d - <c <C - <ZI +") }

    @Test func `COPY FROM swallows the Sync behind its Execute`() {
        let traffic = follow(">P >B >D >E >S - <1 <2 <n <G - >d - >c - >S - <C - <ZI +")
        #expect(!traffic.isUncertain)
        follow(">P >B >E >S - >S - <1 <2 <G - >d >S - >c - >S - <C <ZI +")
        follow(">P >B >E >S <1 <2 <G >c >S <C <ZI + >P >B >E >S <1 <2 <G >c >S - <C <ZI +")
    }

    @Test func `COPY FROM by extended query may be fed before it begins`() {
        follow(">P >B >E >d >c >S - <1 <2 <G - <C - <ZI +")
        follow(">P >B >E >S >d >c >S - <1 <2 <G - <C - <ZI +")
        follow(">P >B >E >S >d >c <1 <2 <G - <C - >S - <ZI +")
    }

    @Test func `COPY FROM by extended query with a Flush`() {
        follow(">P >B >E >H >d >d >c >S - <1 <2 <G - <C - <ZI +")
        follow(">P >B >E >H <1 <2 <G >d >d >c >S - <C - <ZI +")
        follow(">P >B >E >H >d <1 <2 <G >d >c >S - <C - <ZI +")
        follow(">P >B >E >H >d >c <1 <2 <G >S - <C - <ZI +")
        follow(">P >B >E >H >d >c <1 <2 <G <C >S - <ZI +")
    }

    @Test func `a COPY that fails before it begins leaves its Syncs to be answered`() {
        follow(">P >B >E >S - <E - <ZI + >d f >c f >S - <ZI +")
        follow(">P >B >E >S >d >c >S - <E <ZI - <ZI +")
    }

    /// PostgreSQL 16 answers `COPY view FROM STDIN` so: `G E Z`, and the second Sync as well.
    @Test func `a COPY that fails before it reads its Sync answers it after all`() {
        follow(">P >B >D >E >S <1 <2 <n <G - <E - <ZI - >d >c - >S - <ZI +")
    }

    @Test func `a COPY that fails may still owe the answer to its first Sync`() {
        // the Sync was swallowed: nothing more comes
        follow(">P >B >E >S <1 <2 <G >d >c >S - <E - <ZI s")
        // it wasn't: one more comes
        follow(">P >B >E >S <1 <2 <G >d >c >S - <E - <ZI s <ZI +")
        // the client's own failure looks the same
        follow(">P >B >E >S <1 <2 <G >d >f - >S - <E - <ZI s")
        follow(">P >B >E >S >S <1 <2 <G >c >S <E - <ZI s <ZI s <ZI +")
    }

    @Test func `what a client sends over a doubtful link can't be counted`() {
        follow(">P >B >E >S <1 <2 <G >c >S <E <ZI s >Q ? <C <ZI ?")
        follow(">P >B >E >S <1 <2 <G >c >S <E <ZI s >P - >S ?")
        follow(">P >B >E >S <1 <2 <G >c >S <E <ZE - >Q ?")
        follow(">P >B >E >S <1 <2 <G >c >S >P <E ?")
    }

    @Test func `a second Execute makes the swallowed Syncs unknown, and the server stays`() {
        follow(">P >B >E >P >B >E >S <1 <2 <C <1 <2 <G >c >S <C <ZI -")
    }

    @Test(arguments: ["H", "d", "c", "f"])
    func `a message that PostgreSQL doesn't answer needs a fence`(tag: String) {
        follow(">\(tag) f >Q - <C <ZI +")
        follow(">Q >\(tag) - <C - <ZI f >S - <ZI +")
        follow(">P >B >E >S >\(tag) - <1 <2 <C <ZI f")
        follow(">Q <ZT - >\(tag) - >Q <ZI +")
        var traffic = follow(">\(tag) f")
        #expect(traffic.lacksAnswer && traffic.isAnswered)
        traffic.ownSync()
        #expect(!traffic.lacksAnswer && !traffic.isAnswered)
    }

    @Test func `a ReadyForQuery that nobody asked for is refused`() {
        var traffic = Traffic()
        let first = traffic.ready(TransactionStatus.idle)
        traffic = follow(">Q <ZI")
        let second = traffic.ready(TransactionStatus.idle)
        #expect(!first && !second)
    }

    @Test func `only messages of a session are forwarded`() {
        let known = Set("QFPBDECSHdcf".utf8)
        for tag in UInt8.min ... .max {
            var traffic = Traffic()
            let verdict = traffic.frontend(tag)
            let expected: Traffic.FrontendVerdict =
                known.contains(tag) ? .forward : tag == FrontendTag.terminate ? .terminate : .invalid
            #expect(verdict == expected, "tag \(tag)")
        }
    }

    @Test func `the worker's own messages are counted like a client's`() {
        var traffic = Traffic()
        traffic.ownQuery()
        #expect(!traffic.isQuiet)
        var due = traffic.ready(TransactionStatus.idle)
        #expect(due && traffic.isReleasable)

        traffic = follow(">P >B >E")
        traffic.ownSync()
        #expect(!traffic.needsSync)
        #expect(!traffic.isQuiet)
        due = traffic.ready(TransactionStatus.idle)
        #expect(due && traffic.isReleasable)
    }
}

/// What is asked when a client has sent its last message.
@Suite struct TrafficEndTests {
    @Test(arguments: [
        ">Q", ">P >B >E >S", ">Q >Q <ZI", ">Q <ZT >Q", ">P >B >E >S >P >B >E", ">Q >d >c",
    ])
    func `a server that owes an answer goes on without its client`(transcript: String) {
        let traffic = follow(transcript)
        #expect(!traffic.needsClient && !traffic.isOpenEnded)
    }

    @Test(arguments: [">Q <ZI", ">Q <ZT", ">P >B >E", ">P >B >E >S <ZI >P", ">Q <G", ">Q <G >d >d"])
    func `nothing more comes from a server that waits for its client`(transcript: String) {
        let traffic = follow(transcript)
        #expect(traffic.needsClient && !traffic.isOpenEnded)
    }

    @Test(arguments: [">P >B >E >H", ">P >Q >S", ">Q >d >c <G", ">P >D >H <1"])
    func `answers that nothing counts are open-ended`(transcript: String) {
        #expect(follow(transcript).isOpenEnded)
    }

    @Test func `a mark lasts until the next answer and changes nothing else`() {
        var traffic = follow(">Q <ZI")
        traffic.mark()
        #expect(traffic.isMarked && traffic.isReleasable && traffic.isAnswered && traffic.mayEnd)
        _ = traffic.frontend(FrontendTag.query)
        #expect(traffic.isMarked && !traffic.isReleasable)
        let due = traffic.ready(TransactionStatus.idle)
        #expect(due && !traffic.isMarked && traffic.isReleasable)
    }

    @Test func `a rollback of ours is answered by the Sync behind it`() {
        var traffic = follow(">P >B >E")
        traffic.ownExecution()
        traffic.ownSync()
        #expect(!traffic.isQuiet)
        let due = traffic.ready(TransactionStatus.idle)
        #expect(due && traffic.isReleasable)
    }
}
