import FixedStorage
import TestSupport
import Wire

@testable import Pooling

/// One server, the pooler before it and bytes in flight both ways. The pooler sees what it
/// would see in a network: a client's frame when it forwards it, a server's when it arrives.
struct LinkSimulation {
    var server: ServerModel
    var traffic = Traffic()
    /// In flight, the oldest first.
    private(set) var toServer: [ClientMessage] = []
    private(set) var toClient: [ServerMessage] = []
    /// Everything that happened: `>X` forwarded to the server, `X` read by it, `<X` received
    /// from it, `!` COPY failed by itself, `fence` the worker's own Sync, `release`.
    private(set) var log: [String] = []
    /// What went against the rules; nil while all is well.
    private(set) var violation: String?
    private(set) var releases = 0
    /// Transaction mode: the link ends as soon as it may.
    let pooled: Bool
    /// The worker's own Sync is under way; the client's messages wait.
    private(set) var isFencing = false
    /// The client has gone, and the worker brings the server back, or has given it up.
    private(set) var isLeft = false
    private(set) var isGivenUp = false

    init(_ server: ServerModel, pooled: Bool) {
        self.server = server
        self.pooled = pooled
    }

    var isDrained: Bool { toServer.isEmpty && toClient.isEmpty }

    /// What a server in its normal state reads and doesn't answer.
    private static let silent: [UInt8] = [
        FrontendTag.copyData, FrontendTag.copyDone, FrontendTag.copyFail, FrontendTag.flush,
    ]

    /// Nothing will come from the server any more unless a client asks for it, and it has read
    /// all and is blocked where the next client is attached before anything of it is read.
    private var owesNothing: Bool {
        server.state == .normal && toClient.isEmpty && toServer.isEmpty && server.waitsForClient
    }

    /// The client's message is forwarded.
    mutating func send(_ message: ClientMessage) {
        log.append(">" + String(decoding: [message.tag], as: UTF8.self) + Self.describe(message.steps))
        var bodyLeft = 0
        let scan = frame(message.tag).withByteView {
            FrameScan.frontend($0, bodyLeft: &bodyLeft, traffic: &traffic)
        }
        if scan.taken != 5 || scan.stop != .end { violation = "the frontend scan said \(scan)" }
        toServer.append(message)
        check()
        checkSpent()
    }

    /// The server reads the oldest message on its way.
    mutating func serverReads(_ random: inout SeededGenerator) {
        let message = toServer.removeFirst()
        if message == Self.ownSync {
            toClient += server.readFence()
            return
        }
        log.append(String(decoding: [message.tag], as: UTF8.self))
        toClient += server.read(message, &random)
    }

    mutating func serverFailsCopying() {
        log.append("!")
        toClient += server.failCopying()
    }

    /// The oldest message from the server arrives and is delivered.
    mutating func receive() -> ServerMessage {
        let message = toClient.removeFirst()
        log.append("<\(message)")
        if isFencing { return fenced(message) }
        if isLeft { return recovered(message) }
        var bodyLeft = 0
        let bytes = message.bytes
        let scan = bytes.withByteView {
            FrameScan.backend(
                $0, bodyLeft: &bodyLeft, traffic: &traffic, mode: pooled ? .transaction : .session)
        }
        if scan.taken != bytes.count || scan.stop == .malformed {
            violation = "the backend scan said \(scan) to what PostgreSQL sends"
        }
        if scan.stop == .released && !traffic.isReleasable { violation = "released and not releasable" }
        check()
        checkSpent()
        return message
    }

    /// What no client sends.
    private static let ownSync = ClientMessage("s")

    /// As the worker does where a link needs it: the client is not read meanwhile.
    private mutating func fence() {
        log.append("fence")
        isFencing = true
        traffic = Traffic()
        traffic.ownQuery()
        toServer.append(Self.ownSync)
    }

    /// The answer to the worker's own Sync goes to nobody.
    private mutating func fenced(_ message: ServerMessage) -> ServerMessage {
        isFencing = false
        if message.tag != BackendTag.readyForQuery || !traffic.ready(message.status) {
            violation = "a fence was answered with \(message)"
        }
        check()
        return message
    }

    /// The client has gone; one step towards a server that the next can have, as
    /// `EngineThread.recover` takes it.
    mutating func leave() {
        if !isLeft { log.append("leave") }
        isLeft = true
        guard violation == nil, !isGivenUp, !isFencing else { return }
        if traffic.isUncertain || traffic.isInexact {
            isGivenUp = true
            return
        }
        if traffic.isCopyingIn { sendOwn("f") }
        if traffic.needsSync || traffic.lacksAnswer { sendOwn("S") }
        if traffic.isDoubtful { isGivenUp = true }
        if traffic.isQuiet && !(server.state == .normal && toClient.isEmpty && toServer.isEmpty) {
            violation = "brought back, and \(server.state) with \(toServer.count + toClient.count) under way"
        } else if traffic.isQuiet && status == TransactionStatus.idle && !server.waitsForClient {
            violation = "brought back, and blocked in its own read"
        } else if isDrained && !traffic.isQuiet && !isGivenUp && server.state != .dead {
            violation = "never brought back"
        }
    }

    private var status: UInt8 { traffic.status }

    private mutating func sendOwn(_ letter: Character) {
        let message = ClientMessage(letter)
        log.append("+\(letter)")
        if letter == "S" { traffic.ownSync() } else { _ = traffic.frontend(message.tag) }
        toServer.append(message)
    }

    /// A message that nobody reads.
    private mutating func recovered(_ message: ServerMessage) -> ServerMessage {
        guard !isGivenUp else { return message }
        switch message.tag {
        case BackendTag.readyForQuery:
            if !traffic.ready(message.status) { violation = "a ReadyForQuery that nobody asked for" }
        case BackendTag.errorResponse: traffic.failed()
        case BackendTag.copyInResponse: traffic.copyInStarted()
        default: break
        }
        leave()
        return message
    }

    /// A server that may be released must owe nothing, or the next client gets this one's replies.
    private mutating func check() {
        if pooled && traffic.needsFence && violation == nil { return fence() }
        guard violation == nil, traffic.isReleasable else { return }
        if !owesNothing {
            violation =
                "releasable, and \(server.state) with \(toServer.count) + \(toClient.count) messages under way"
        } else if server.status != TransactionStatus.idle {
            violation = "releasable in a transaction"
        } else if pooled {
            if log.last != "release" { log.append("release") }
            releases += 1
            traffic = Traffic()
        }
    }

    /// A server that is spent may only have a ReadyForQuery (or the error of a Sync) to send,
    /// which its client doesn't wait for.
    private mutating func checkSpent() {
        guard violation == nil, traffic.isSpent else { return }
        let harmless =
            toServer.allSatisfy { Self.silent.contains($0.tag) || $0.tag == FrontendTag.sync }
            && toClient.allSatisfy {
                $0.tag == BackendTag.readyForQuery || $0.tag == BackendTag.errorResponse
            }
        if case .copying = server.state {
            violation = "spent in a COPY"
        } else if !harmless {
            violation = "spent with \(toServer.count) + \(toClient.count) messages under way"
        }
    }

    static func describe(_ steps: [Step]) -> String {
        steps.isEmpty ? "" : "(" + steps.map { "\($0)" }.joined(separator: " ") + ")"
    }
}
