import Engine
import FixedStorage
import Pooling
import Wire

/// A server as its engine thread's table keeps it.
struct Server: BitwiseCopyable {
    /// The methods below are the ways from one to another.
    enum State: UInt8, BitwiseCopyable {
        /// The host is asked where to connect.
        case routing
        case connecting
        case login
        /// The host is asked whether it is who it should be.
        case confirming
        /// On the idle list.
        case idle
        /// Linked to a client.
        case active
        /// Linked, and runs a query of the worker's own for its client.
        case setup
        /// Its client has left: it is brought to the end of what it was doing.
        case recovering
        /// Runs a query of the worker's own between two clients.
        case resetting
        /// Waits until a cancel request on its way has been delivered.
        case settling
        /// Has no client, and is about to be passed on: within a turn only.
        case free
        /// The entry is free.
        case gone
    }

    /// What the worker's own query is for.
    enum Task: UInt8, BitwiseCopyable { case none, parameters, welcome, handOver, fence, rollback, reset }

    var stream = Stream(descriptor: -1)
    private(set) var state: State = .routing
    private(set) var task: Task = .none
    /// A cancel was sent for the client that died.
    var interrupted = false
    /// recovering: may take as long as it takes.
    var finishing = false
    /// active, recovering: it was told that nothing more comes, and will close.
    var ending = false
    /// The worker's own query has failed.
    var failed = false
    let pool: PoolIndex
    /// Nothing that its login took on for its life had changed after this moment when it
    /// had logged in.
    var facts: UInt64 = 0
    /// Opened to become its database's hub: not one of the pool's servers.
    let isForHub: Bool
    /// Its client was to be handed over to the hub just now.
    var handedOver = false
    /// Index of the linked client, or `absent`.
    private(set) var client = ClientIndex.absent
    /// Cancel requests on their way to it.
    var cancels: Int32 = 0
    /// Its agent's slot in the ledger, and the entry there; 0: it has none.
    var slot: UInt32 = 0
    var ledger: LedgerServer
    /// The client whose session's start went to its agent last, or `absent`.
    var startedFor = ClientIndex.absent
    /// The client that has left and whose statements it still runs.
    var left = LedgerClient.nobody
    /// What its client is known to keep it for: CLEDGER_PIN_…
    var pins: UInt32 = 0
    var pid: Int32 = 0
    var key: UInt32 = 0
    /// Reference into `ParameterSets`.
    var parameters: UInt32 = 0
    var traffic = Traffic()
    var bodyLeft = 0
    var since: UInt64
    let connected: UInt64
    /// When it was ready for its first client.
    var opened: UInt64 = 0
    /// Nobody has had it yet.
    var isNew = true
    /// When its lifetime is over.
    var expires = UInt64.max

    init(pool: PoolIndex, ledger: LedgerServer, now: UInt64, isForHub: Bool = false) {
        self.isForHub = isForHub
        self.pool = pool
        self.ledger = ledger
        since = now
        connected = now
    }
}

/// What becomes of a server.
extension Server {
    mutating func connects(_ stream: Stream, _ now: UInt64) {
        assert(state == .routing)
        self.stream = stream
        enter(.connecting, now)
    }

    /// The connection is there; or the login goes on, as the backend has to become another role.
    mutating func logsIn() {
        assert(state == .connecting || state == .confirming)
        state = .login
    }

    mutating func confirms() {
        assert(state == .login)
        state = .confirming
    }

    /// It has no client, and is about to be passed on.
    mutating func isFree() {
        assert(client == .absent && state != .gone)
        state = .free
    }

    /// It waits for a client on the idle list.
    @_noLocks @inline(__always)
    mutating func rests(_ now: UInt64) {
        assert(client == .absent)
        state = .idle
        since = now
    }

    @_noLocks @inline(__always)
    mutating func linked(to c: ClientIndex, _ reference: LedgerClient, _ now: UInt64) {
        assert(state == .idle || state == .free)
        state = .active
        client = c
        ledger.attach(reference)
        since = now
        traffic = Traffic()
    }

    @_noLocks @inline(__always)
    mutating func unlinked() {
        assert(client != .absent)
        client = .absent
    }

    /// Begins a query of the worker's own: with a client for that one, else to be fit for the next.
    mutating func runs(_ task: Task, _ now: UInt64) {
        assert(client != .absent ? state == .active : state != .gone)
        self.task = task
        failed = false
        traffic.ownQuery()
        enter(client != .absent ? .setup : .resetting, now)
    }

    /// A query of the worker's own is done: returns what it was for. A linked server is its client's again.
    mutating func taskDone() -> Task {
        defer { task = .none }
        if state == .setup { state = .active }
        return task
    }

    /// Its client has left while it ran a query of the worker's own, the answer to which comes soon; it is
    /// reset behind it.
    mutating func leavesSetup() {
        assert(state == .setup && client == .absent)
        state = .resetting
        task = .reset
    }

    /// Its client has left.
    /// - Parameter finishing: what that one asked for is to be done, not interrupted.
    mutating func recovers(finishing: Bool, _ now: UInt64) {
        assert(state == .active && client == .absent)
        interrupted = finishing
        self.finishing = finishing
        enter(.recovering, now)
    }

    mutating func settles(_ now: UInt64) {
        assert(state == .free)
        enter(.settling, now)
    }

    mutating func gone() { state = .gone }

    private mutating func enter(_ next: State, _ now: UInt64) {
        state = next
        since = now
    }
}

/// Where no client reads it.
extension Server {
    /// Takes the next frame, or a piece of one that nobody needs, off the input.
    mutating func takeFrame() -> WholeFrames.Next {
        let state = state
        let limit = state == .login ? FrameLimit.login : FrameLimit.large
        return WholeFrames.take(&stream, &bodyLeft, limit: limit) { Self.isNeeded($0, state) }
    }

    /// Must the whole frame be read, in this state?
    private static func isNeeded(_ tag: UInt8, _ state: State) -> Bool {
        switch tag {
        case BackendTag.parameterStatus, BackendTag.errorResponse, BackendTag.readyForQuery,
            BackendTag.copyInResponse:
            true
        case BackendTag.agent, BackendTag.notificationResponse:
            state == .setup || state == .login
        default:
            state == .login || state == .confirming || state == .idle || state == .settling
        }
    }
}

/// Its signs; see `Signs`.
extension Server {
    var readable: Bool {
        @_noLocks get { stream.signs.readable }
        @_noLocks set { stream.signs.readable = newValue }
    }
    var hungUp: Bool {
        @_noLocks get { stream.signs.hungUp }
        @_noLocks set { stream.signs.hungUp = newValue }
    }
    /// It is closed instead of released.
    var obsolete: Bool {
        @_noLocks get { stream.signs[0] }
        @_noLocks set { stream.signs[0] = newValue }
    }
    /// Cancel requests are on their way to it.
    var cancelled: Bool {
        @_noLocks get { stream.signs[1] }
        @_noLocks set { stream.signs[1] = newValue }
    }
    /// Another pool waits for what it is counted for (`SlotQueue`).
    var wanted: Bool {
        @_noLocks get { stream.signs[2] }
        @_noLocks set { stream.signs[2] = newValue }
    }
}
