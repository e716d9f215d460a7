import Pooling
import Wire

/// What a message means that no client reads, of a server that has logged in.
enum ServerNews {
    case nothing
    /// A parameter, in the message's body.
    case parameter
    /// A notification for its client, in the message's body.
    case notification
    /// The agent says something, in the message's body.
    case agent
    /// An error of the worker's own query.
    case failure(ErrorFields)
    /// The worker's own query is done.
    case taskDone
    /// The server has come nearer to where another client can have it.
    case recovers
    /// It closes for this reason: the end of the stream follows.
    case goodbye(ErrorFields)
    case violation
}

extension Server {
    mutating func hears(_ tag: UInt8, _ body: ArraySlice<UInt8>) -> ServerNews {
        switch tag {
        case BackendTag.parameterStatus: return .parameter
        case BackendTag.notificationResponse: return state == .setup ? .notification : .nothing
        case BackendTag.agent: return .agent
        case BackendTag.noticeResponse: return .nothing
        case BackendTag.errorResponse: return hearsError(ErrorFields(body: body))
        case BackendTag.readyForQuery: return hearsReady(body)
        case BackendTag.copyInResponse:
            guard state == .recovering else { return .violation }
            copiesIn()
            return .recovers
        default: return .violation
        }
    }

    private mutating func hearsError(_ fields: ErrorFields) -> ServerNews {
        notesError()
        switch state {
        case .setup, .resetting: return .failure(fields)
        case .recovering: return .nothing
        default: return .goodbye(fields)
        }
    }

    private mutating func hearsReady(_ body: ArraySlice<UInt8>) -> ServerNews {
        if ending { return .nothing }
        guard ready(body) else { return .violation }
        switch state {
        case .setup, .resetting: return traffic.isQuiet ? .taskDone : .nothing
        case .recovering: return .recovers
        default: return .violation
        }
    }
}
