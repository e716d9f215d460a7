import Engine
import FixedStorage
import Pooling
import Wire

enum HubKind {}
typealias HubIndex = Index<HubKind>

/// The connection to a backend that reads the notifications of its database for clients that listen.
/// It has logged in as a server of a pool, and then left the pool's servers.
struct Hub: BitwiseCopyable {
    var stream: Stream
    let id: HubID
    /// As whose server it has logged in.
    let pool: PoolIndex
    /// Bytes of the message last begun that are still to come, and needed by nobody.
    private var bodyLeft = 0
    /// It has said that it reads.
    private(set) var isReading = false
    /// When it was last seen to be of use.
    private(set) var since: UInt64

    init(_ stream: Stream, id: HubID, pool: PoolIndex, now: UInt64) {
        self.stream = stream
        self.id = id
        self.pool = pool
        since = now
    }

    mutating func reads() { isReading = true }

    /// Takes the next message, or a piece of one that nobody needs, off the input.
    mutating func takeFrame() -> WholeFrames.Next {
        WholeFrames.take(&stream, &bodyLeft, limit: FrameLimit.large) { tag in
            switch tag {
            case BackendTag.agent, BackendTag.errorResponse, BackendTag.readyForQuery: true
            default: false
            }
        }
    }

    mutating func isOfUse(_ now: UInt64) { since = now }
}
