import Engine
import FixedStorage
import Pooling
import Wire

/// Frames of servers that no client is reading: in a login, idle, or busy with queries of
/// ours. Whole frames are collected in the server's input block; bodies that nobody needs
/// are skipped as they come.
extension EngineThread {
    /// Input may be there on a server that is not active.
    mutating func readServer(_ s: ServerIndex) {
        let generation = ends.servers.generation(s)
        while ends.servers.generation(s) == generation {
            let state = ends.servers[s].state
            switch state {
            case .login, .confirming, .idle, .setup, .recovering, .resetting, .settling: break
            case .active: return postGoOn(s)
            case .routing, .connecting, .free, .gone: return
            }
            if takeFrame(s) { continue }
            guard ends.servers.generation(s) == generation else { return }
            let n = ends.servers[s].stream.receive()
            if n > 0 { continue }
            if n == Stream.wouldBlock { return }
            return lostServer(s)
        }
    }

    /// The stream of a server ended that no client was reading.
    private mutating func lostServer(_ s: ServerIndex) {
        switch ends.servers[s].state {
        case .login, .confirming:
            let fields = ErrorFields(
                .fatal, "08006", "server closed the connection during login")
            serverLoginFailed(s, fields, .unreachable)
        case .recovering where ends.servers[s].ending:
            closeServer(s, .endedInOrder)
        default:
            serverDied(s, .serverGone)
        }
    }

    /// Takes one frame, or a piece of one to be skipped, off the input block. False when
    /// more bytes are needed.
    private mutating func takeFrame(_ s: ServerIndex) -> Bool {
        switch ends.servers[s].takeFrame() {
        case .needMore: return false
        case .skipped: break
        case .malformed: violation(s)
        case .frame(let tag, let body): serverFrame(s, tag, body)
        }
        return true
    }

    private mutating func violation(_ s: ServerIndex) {
        if ends.servers[s].state == .login || ends.servers[s].state == .confirming {
            serverLoginFailed(
                s, ErrorFields(.fatal, "08P01", "server sent an invalid message during login"),
                .unreachable)
        } else {
            serverDied(s, .serverMalformed)
        }
    }

    private mutating func serverFrame(_ s: ServerIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) {
        if ends.servers[s].state == .login { return serverLoginFrame(s, tag, body) }
        switch ends.servers[s].hears(tag, body) {
        case .nothing: break
        case .parameter: noteParameter(s, body)
        case .notification: notifyDirectly(ends.servers[s].client, body)
        case .agent: agentSaid(s, body)
        case .failure(let fields): serverLogins.note(fields, s)
        case .taskDone: taskDone(s)
        case .recovers: recover(s)
        case .goodbye(let fields):
            shared.log(.info, "\(describeServer(s)) \(fields.severity.rawValue): \(fields.message)")
        case .violation: violation(s)
        }
    }
}
