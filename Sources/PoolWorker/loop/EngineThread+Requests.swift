import Engine
import FixedStorage
import Pooling

/// What clients send that have no server.
extension EngineThread {
    /// An idle client has sent something, or may have.
    mutating func startRequest(_ c: ClientIndex) {
        switch ends.clients[c].readRequest() {
        case .nothing: return
        case .gone: closeClient(c, .clientLeft)
        case .terminated: closeClient(c, .terminated)
        case .malformed: clientEnded(c, ends.clients[c].malformation)
        case .request:
            let s = lease(c)
            if s == .absent {
                agenda.post(.openServers(ends.clients[c].pool))
            } else {
                serve(c, s)
            }
        }
    }

    /// An idle client may have sent its next request already.
    mutating func postStartRequest(_ c: ClientIndex) {
        if ends.clients[c].state == .idle
            && (ends.clients[c].readable || ends.clients[c].stream.input.hasMemory)
        {
            agenda.post(.startRequest(c, generation: ends.clients.generation(c)))
        }
    }

    /// A client was cancelled before a server had its request: that is dropped, and answered as the
    /// server would.
    mutating func discardRequest(_ c: ClientIndex) {
        switch ends.clients[c].discardRequest(now) {
        case .nothing: break
        case .gone: closeClient(c, .clientLeft)
        case .terminated: closeClient(c, .terminated)
        case .malformed: clientEnded(c, ends.clients[c].malformation)
        case .cancelled:
            send(c, cancelledMessages)
            postStartRequest(c)
        }
    }

    /// Receives into a client's input block; false when nothing came (the client may be
    /// closed then).
    mutating func receiveClient(_ c: ClientIndex) -> Bool {
        let n = ends.clients[c].stream.receive()
        if n > 0 { return true }
        if n != Stream.wouldBlock { closeClient(c, .clientLeft) }
        return false
    }

    /// The stream of a client that logs in or waits has ended, or failed. What it sent before is
    /// done, as with PostgreSQL; who sent nothing whole is not worth a server.
    mutating func noticeHangUp(_ c: ClientIndex) {
        if !ends.clients[c].stream.receiveAll() || !ends.clients[c].holdsRequest {
            closeClient(c, .clientLeft)
        }
    }
}
