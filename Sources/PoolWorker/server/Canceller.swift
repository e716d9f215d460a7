import Engine
import FixedStorage
import Pooling

enum CancellerKind {}
typealias CancellerIndex = Index<CancellerKind>

/// The connection that carries one CancelRequest to the server program of a server: opened, written,
/// and open until PostgreSQL closes it, which says that the signal was sent.
struct Canceller: BitwiseCopyable {
    var stream: Stream
    /// The server to interrupt, with its generation.
    let server: ServerIndex
    let generation: UInt32
    /// Whose statement is to end; `absent`: the client has gone, and the server is brought to rest.
    private(set) var client: ClientIndex
    /// The connection that has brought the request; nil: the worker wants it itself.
    let requester: CancelRequester?
    /// The request is out.
    private(set) var isSent = false
    let opened: UInt64

    init(
        _ stream: Stream, server: ServerIndex, generation: UInt32, client: ClientIndex,
        requester: CancelRequester?, now: UInt64
    ) {
        self.stream = stream
        self.server = server
        self.generation = generation
        self.client = client
        self.requester = requester
        opened = now
    }

    mutating func sent() { isSent = true }

    /// The client has gone: the request is for no statement any more.
    mutating func clientGone() { client = .absent }
}
