import Engine
import FixedStorage
import Pooling

/// A client as its engine thread's table keeps it. What only a login needs stands apart
/// (`ClientLoginState`), so an idle client costs just this.
struct Client: BitwiseCopyable {
    enum State: UInt8, BitwiseCopyable {
        /// From the first byte until it has proved who it is. Next: welcome, closing.
        case login
        /// Logged in; needs a server to learn its parameters. Next: active, idle, closing.
        case welcome
        /// Between transactions. Next: waiting, active, closing.
        case idle
        /// On its pool's waiting list. Next: active, discarding, closing.
        case waiting
        /// Linked to a server. Next: idle, closing.
        case active
        /// Cancelled while it waited: its request is read and thrown away. Next: idle, closing.
        case discarding
        /// It has brought a cancel request that isn't done yet. Next: closing.
        case cancelling
        /// The last bytes are on their way to it. Next: gone.
        case closing
        /// The entry is free.
        case gone
    }

    /// How a client ended: its stream, Terminate, a message that is none, or the pooler's own end.
    enum End: BitwiseCopyable { case stream, terminate, shutdown, unknownType(UInt8), wrongLength }

    var stream: Stream
    var state: State = .login
    /// Counted in the pool (logged in).
    var counted = false
    /// Index of the pool; `absent` before login.
    var pool = PoolIndex.absent
    /// What its user is known by; the pool's, unless several share that.
    var role: UInt32 = 0
    /// Index of the linked server; between two links of the one it had last. `absent`: none yet.
    var server = ServerIndex.absent
    /// Its slot in the ledger, from when it enters its pool.
    var ledger = LedgerClient.nobody
    /// Reference into `ParameterSets`.
    var parameters: UInt32 = 0
    /// First half of the cancel key, as in BackendKeyData; 0 before it enters its pool.
    var processID: UInt32 = 0
    /// Second half of the cancel key.
    var secret: UInt32
    /// Body bytes still to come of the frame last begun.
    var bodyLeft = 0
    /// Cancelled while its server was being given its parameters.
    var cancelled = false
    /// discarding: a message was dropped that has an answer.
    var requestBegan = false
    /// discarding: the request's last frame has begun.
    var requestEnded = false
    /// What its stream ended with, once it has.
    var end = End.stream
    /// When the state began; of a client that has ended: when it did.
    var since: UInt64
    let connected: UInt64
    /// 0: the pool's setting.
    var idleTimeout: UInt64 = 0
    var transactionTimeout: UInt64 = 0

    /// Index of the linked server, or `absent`.
    var linkedServer: ServerIndex { state == .active ? server : .absent }

    /// It takes no more bytes: who has only ended the stream to us may still read.
    var isUnreachable: Bool { hungUp && !ended }

    init(stream: Stream, secret: UInt32, now: UInt64) {
        self.stream = stream
        self.secret = secret
        since = now
        connected = now
    }
}

/// Its signs; see `Signs`.
extension Client {
    var readable: Bool {
        @_noLocks get { stream.signs.readable }
        @_noLocks set { stream.signs.readable = newValue }
    }
    var hungUp: Bool {
        @_noLocks get { stream.signs.hungUp }
        @_noLocks set { stream.signs.hungUp = newValue }
    }
    /// Nothing more is read of it, as its stream has ended in order or as of what it said (`End`);
    /// what it sent before is still done and answered.
    var ended: Bool {
        @_noLocks get { stream.signs[0] }
        @_noLocks set { stream.signs[0] = newValue }
    }
    /// It changes its server with each transaction (test_rotate_servers), or ends with it.
    var rotates: Bool {
        @_noLocks get { stream.signs[1] }
        @_noLocks set { stream.signs[1] = newValue }
    }
    /// One statement at a time goes to its server (statement mode).
    var inSteps: Bool {
        @_noLocks get { stream.signs[2] }
        @_noLocks set { stream.signs[2] = newValue }
    }
}
