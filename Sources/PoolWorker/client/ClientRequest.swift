import Engine
import FixedStorage
import Pooling
import Wire

/// What clients send that have no server.
extension Client {
    /// What an idle client has sent.
    enum Request { case nothing, gone, terminated, malformed, request }

    /// Receives, and looks at the first frame.
    @_noLocks
    mutating func readRequest() -> Request {
        if stream.input.count < FrameHeader.size {
            let n = stream.receive()
            if n == 0 { streamEnded() }
            if n <= 0 { return n == Stream.wouldBlock ? .nothing : .gone }
        }
        switch FrameHeader.read(stream.input.bytes, at: 0, limit: FrameLimit.large) {
        case .needMore: return hungUp ? .gone : .nothing
        case .malformed: return .malformed
        case .header(let tag, _):
            var traffic = Traffic()
            switch traffic.frontend(tag) {
            case .forward: return .request
            case .invalid: return .malformed
            case .terminate: return .terminated
            }
        }
    }

    /// What has come of a request that is thrown away.
    enum Discarded {
        /// There is no more to drop for now.
        case nothing
        case gone, terminated, malformed
        /// All of it is dropped: the client is to hear that it was cancelled.
        case cancelled
    }

    /// Reads and drops the request of a client that was cancelled while it waited: a Query, or all up to
    /// the Sync.
    mutating func discardRequest(_ now: UInt64) -> Discarded {
        while true {
            if bodyLeft > 0, !stream.input.isEmpty {
                discardsBody()
                continue
            }
            if bodyLeft == 0 {
                if requestEnded {
                    discarded(now)
                    if stream.input.isEmpty { stream.input.giveBack() }
                    return .cancelled
                }
                switch FrameHeader.read(stream.input.bytes, at: 0, limit: FrameLimit.large) {
                case .needMore: break
                case .malformed: return .malformed
                case .header(let tag, let body):
                    if let end = discardHeader(tag, body) { return end }
                    continue
                }
            }
            let n = stream.receive()
            if n > 0 { continue }
            guard n == Stream.wouldBlock else { return .gone }
            // What is left of a COPY has no answer: without a request nothing was cancelled, and the
            // next one is none of this cancel's.
            if bodyLeft == 0, !requestBegan { discarded(now) }
            return .nothing
        }
    }

    /// Returns nil if there is more to drop.
    private mutating func discardHeader(_ tag: UInt8, _ body: Int) -> Discarded? {
        var traffic = Traffic()
        switch traffic.frontend(tag) {
        case .terminate: return .terminated
        case .invalid: return .malformed
        case .forward: break
        }
        stream.input.drop(FrameHeader.size)
        discardsMessage(
            body: body, hasAnswer: !traffic.isAnswered,
            endsRequest: tag == FrontendTag.query || tag == FrontendTag.sync
                || tag == FrontendTag.functionCall)
        return nil
    }

    /// What is wrong with the message whose header is next in the input block.
    var malformation: End {
        guard let tag = stream.input.array.first else { return .wrongLength }
        var traffic = Traffic()
        if case .invalid = traffic.frontend(tag) { return .unknownType(tag) }
        return .wrongLength
    }

    /// Whether a whole message is in the input block, or may be.
    var holdsRequest: Bool {
        switch FrameHeader.read(stream.input.bytes, at: 0, limit: FrameLimit.large) {
        case .needMore: false
        case .malformed: true
        case .header(_, let body): stream.input.count >= FrameHeader.size + body || stream.input.room == 0
        }
    }
}

/// What a client hears whose request was cancelled before a server had it.
let cancelledMessages: [UInt8] = {
    var writer = FrameWriter()
    writer.raw(ErrorFields(.error, "57014", "canceling statement due to user request").frame)
    writer.readyForQuery()
    return writer.bytes
}()
