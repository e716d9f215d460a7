import Engine
import FixedStorage
import Pooling
import Wire

/// Clients that have sent their last. As with PostgreSQL, what they sent before is done and
/// answered; then the connection ends.
extension EngineThread {
    /// A client said Terminate, its stream has ended in order, or what it says is no message.
    mutating func clientEnded(_ c: ClientIndex, _ end: Client.End) {
        let s = ends.clients[c].linkedServer
        ends.clients[c].ends(end, now)
        guard s != .absent, ends.servers[s].state == .active else { return closeEnded(c) }
        lastAnswer(c, s)
    }

    /// A linked client that has ended may have had its last answer.
    mutating func lastAnswer(_ c: ClientIndex, _ s: ServerIndex) {
        switch ends.servers[s].traffic.lastAnswer(isPartial: ends.clients[c].bodyLeft > 0) {
        case .comes: break
        case .hasCome: closeEnded(c)
        case .unknown: endServer(c, s)
        }
    }

    /// A client that has ended has its last answer, or can't get it; or its stream has failed.
    mutating func closeEnded(_ c: ClientIndex) {
        closeClient(c, CloseReason(ends.clients[c].end))
    }

    /// The server ends as if the client were its own, and what it sends until then is for the client.
    private mutating func endServer(_ c: ClientIndex, _ s: ServerIndex) {
        ends.servers[s].isToEnd()
        guard ends.clients[c].bodyLeft > 0 else {
            var writer = FrameWriter()
            writer.frame(FrontendTag.terminate)
            if !sendServer(s, writer.bytes) { serverDied(s, .serverGone) }
            return
        }
        guard ends.servers[s].stream.output.isEmpty else { return closeEnded(c) }
        ends.servers[s].stream.endOutput()
    }
}
