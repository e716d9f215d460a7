import Engine
import FixedStorage
import Pooling

/// A client as its engine thread's table keeps it. What only a login needs is apart
/// (`ClientLoginState`), so an idle client costs just this.
struct Client: BitwiseCopyable {
    /// The methods below are the ways from one to another.
    enum State: UInt8, BitwiseCopyable {
        /// From the first byte until it has proved who it is.
        case login
        /// Proved; waits for a server that says what its parameters come to.
        case welcome
        /// Between transactions.
        case idle
        /// On its pool's waiting list.
        case waiting
        /// Linked to a server.
        case active
        /// Cancelled while it waited: its request is read and thrown away.
        case discarding
        /// It has brought a cancel request that isn't done yet.
        case cancelling
        /// The last bytes are on their way to it.
        case closing
        /// The entry is free.
        case gone
    }

    /// How a client ended: its stream, Terminate, a message that is none, or the pooler's own end.
    enum End: BitwiseCopyable { case stream, terminate, shutdown, unknownType(UInt8), wrongLength }

    /// What moves its bytes (link) works on it, and on `bodyLeft`, in place.
    var stream: Stream
    private(set) var state: State = .login
    /// Counted in the pool (logged in).
    private(set) var counted = false
    /// Index of the pool; `absent` before login.
    private(set) var pool = PoolIndex.absent
    /// What its user is known by; the pool's, unless several share that.
    private(set) var role: UInt32 = 0
    /// Index of the linked server; between two links of the one it had last. `absent`: none yet.
    private(set) var server = ServerIndex.absent
    /// Its slot in the ledger, from when it enters its pool.
    private(set) var ledger = LedgerClient.nobody
    /// Reference into `ParameterSets`.
    private(set) var parameters: UInt32 = 0
    /// First half of the cancel key, as in BackendKeyData; 0 before it enters its pool.
    private(set) var processID: UInt32 = 0
    /// Second half of the cancel key.
    let secret: UInt32
    /// Body bytes still to come of the frame last begun.
    var bodyLeft = 0
    /// Cancelled while its server was being given its parameters.
    private(set) var cancelled = false
    /// discarding: a message was dropped that has an answer.
    private(set) var requestBegan = false
    /// discarding: the request's last frame has begun.
    private(set) var requestEnded = false
    /// What its stream ended with, once it has.
    private(set) var end = End.stream
    /// When the state began; of a client that has ended: when it did.
    private(set) var since: UInt64
    let connected: UInt64
    /// 0: the pool's setting.
    private(set) var idleTimeout: UInt64 = 0
    private(set) var transactionTimeout: UInt64 = 0

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

/// What becomes of a client.
extension Client {
    /// It has proved who it is, and is counted in its pool.
    mutating func entersPool(_ p: PoolIndex, role: UInt32, processID: UInt32) {
        assert(state == .login && !counted)
        pool = p
        counted = true
        self.role = role
        self.processID = processID
    }

    /// It has a slot in the ledger, and these limits from its login, 0: none.
    mutating func entersLedger(_ slot: LedgerClient, idleTimeout: UInt64, transactionTimeout: UInt64) {
        assert(counted)
        ledger = slot
        self.idleTimeout = idleTimeout
        self.transactionTimeout = transactionTimeout
    }

    /// Returns whether its pool counted it, which it does no more.
    mutating func leavesPool() -> Bool {
        defer { counted = false }
        return counted
    }

    /// Returns its slot in the ledger, for which the caller answers from now on.
    mutating func leavesLedger() -> LedgerClient {
        defer { ledger = .nobody }
        return ledger
    }

    /// Its session has other parameters.
    /// - Parameter set: with a reference, now the client's.
    /// - Returns: the set it had; the reference to that is the caller's.
    mutating func changesParameters(_ set: UInt32) -> UInt32 {
        defer { parameters = set }
        return parameters
    }

    /// The mode of its pool is known, or has changed.
    mutating func follows(_ mode: PoolMode) { inSteps = mode == .statement }

    /// From now on its servers are to change, or not any more.
    mutating func shallRotate(_ on: Bool) { rotates = on }

    /// It has proved who it is, and needs a server.
    mutating func awaitsWelcome(_ now: UInt64) {
        assert(state == .login)
        enter(.welcome, now)
    }

    /// Its login is over. A link may go on: see `staysLinked`.
    mutating func welcomed(_ now: UInt64) {
        assert(state == .login || state == .active || state == .idle)
        enter(.idle, now)
    }

    /// The server that was to welcome it can't: its login goes on with another.
    mutating func loginGoesOn() {
        assert(state == .idle)
        state = .login
    }

    /// The link by which it was welcomed is not over yet.
    mutating func staysLinked() {
        assert(state == .idle && server != .absent)
        state = .active
    }

    /// It is on its pool's waiting list.
    @_noLocks
    mutating func waits(_ now: UInt64) {
        assert(state == .idle)
        state = .waiting
        since = now
    }

    @_noLocks @inline(__always)
    mutating func linked(to s: ServerIndex) {
        assert(state == .idle || state == .waiting || state == .welcome)
        state = .active
        server = s
    }

    /// It keeps the server in mind.
    @_noLocks @inline(__always)
    mutating func unlinked(_ now: UInt64) {
        assert(state == .active)
        state = .idle
        since = now
    }

    /// It had a request that is not to be done.
    mutating func discards() {
        assert(state == .waiting || state == .idle)
        cancelled = false
        state = .discarding
    }

    /// The header of a message to be thrown away has been dropped.
    mutating func discardsMessage(body: Int, hasAnswer: Bool, endsRequest: Bool) {
        assert(state == .discarding && bodyLeft == 0)
        bodyLeft = body
        if hasAnswer { requestBegan = true }
        if endsRequest { requestEnded = true }
    }

    /// Throws away what has come of that message's body.
    mutating func discardsBody() {
        let count = min(bodyLeft, stream.input.count)
        stream.input.drop(count)
        bodyLeft -= count
    }

    mutating func discarded(_ now: UInt64) {
        assert(state == .discarding)
        requestBegan = false
        requestEnded = false
        enter(.idle, now)
    }

    /// It is cancelled while its server gets its parameters.
    mutating func cancelledInSetup() {
        assert(state == .active)
        cancelled = true
    }

    /// Its server has refused its parameters, and will see nothing of its request.
    mutating func losesRequest() { bodyLeft = 0 }

    mutating func cancels(_ now: UInt64) {
        assert(state == .login)
        enter(.cancelling, now)
    }

    /// Nothing more is read of it, or lent to it.
    mutating func closes(_ now: UInt64) {
        assert(state != .closing && state != .gone)
        server = .absent
        stream.input.giveBack()
        enter(.closing, now)
    }

    /// It has been told all that it is to hear, or takes nothing: its socket is closed.
    mutating func gone(_ poller: borrowing Poller) {
        assert(state == .closing)
        stream.close(poller)
        state = .gone
    }

    /// The server it is linked to, or had last, has gone.
    mutating func losesServer() { server = .absent }

    /// It has sent its last.
    mutating func ends(_ end: End, _ now: UInt64) {
        ended = true
        self.end = end
        since = now
        readable = false
        stream.input.giveBack()
    }

    /// Its stream has ended while it was between requests.
    @_noLocks
    mutating func streamEnded() { ended = true }

    private mutating func enter(_ next: State, _ now: UInt64) {
        state = next
        since = now
    }
}

/// Its socket.
extension Client {
    /// The poller has told of it.
    mutating func notes(_ event: PollEvent) {
        if event.isReadable { readable = !ended }
        if event.isHungUp { hungUp = true }
    }

    /// It may have sent more than was received.
    @_noLocks
    mutating func maySendMore() { readable = true }

    /// Sends the worker's own bytes, behind what is already on its way to it. Where more waits than there
    /// is room for, it is as if it had hung up.
    /// - Returns: some wait: its socket has to be watched for output.
    mutating func send(_ bytes: [UInt8]) -> Bool {
        guard stream.output.append(bytes) else {
            hungUp = true
            return false
        }
        return flush()
    }

    /// Sends what waits; as `send`. If that fails, a receive will say what has become of it.
    mutating func flush() -> Bool {
        switch stream.flush() {
        case .all: return false
        case .waits: return true
        case .failed:
            stream.output.giveBack()
            hungUp = true
            readable = true
            return false
        }
    }

    /// After what waits for it, nothing more is for it.
    mutating func hearsNoMore() { hungUp = stream.output.isEmpty }
}

/// Its signs; see `Signs`.
extension Client {
    private(set) var readable: Bool {
        @_noLocks get { stream.signs.readable }
        @_noLocks set { stream.signs.readable = newValue }
    }
    private(set) var hungUp: Bool {
        @_noLocks get { stream.signs.hungUp }
        @_noLocks set { stream.signs.hungUp = newValue }
    }
    /// Nothing more is read of it, as its stream has ended in order or as of what it said (`End`);
    /// what it sent before is still done and answered.
    private(set) var ended: Bool {
        @_noLocks get { stream.signs[0] }
        @_noLocks set { stream.signs[0] = newValue }
    }
    /// It changes its server with each transaction (test_rotate_servers), or ends with it.
    private(set) var rotates: Bool {
        @_noLocks get { stream.signs[1] }
        @_noLocks set { stream.signs[1] = newValue }
    }
    /// One statement at a time goes to its server (statement mode).
    private(set) var inSteps: Bool {
        @_noLocks get { stream.signs[2] }
        @_noLocks set { stream.signs[2] = newValue }
    }
}
