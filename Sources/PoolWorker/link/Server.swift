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

    /// What has come of the worker's own query.
    enum Outcome {
        /// There was none, or the server is not where its client could go on.
        case violation
        /// It doesn't take its client's parameters.
        case refused
        /// It has its client's parameters.
        case suits
        /// It, or its agent, has said what its client's parameters come to.
        case welcomes
        /// The hub reads its client's notifications.
        case clientHandedOver
        /// It has read all that its client has sent.
        case hasRead
        /// The transaction is over in which its last client has left it.
        case rolledBack
        /// Nothing of its last client is left.
        case clean
        /// It can't be given to another client: a query failed, or something is there that can't be taken away.
        case unfit, stillPinned
    }

    /// Whose settings its clients find there.
    enum Sessions: BitwiseCopyable {
        /// The worker keeps track of parameters, and sets them.
        case tracked
        /// An agent changes the sessions, whose slot in the ledger this is.
        case agent(slot: UInt32)
    }

    var stream = Stream(descriptor: -1)
    private(set) var state: State = .routing
    private(set) var task: Task = .none
    /// A cancel was sent for the client that died.
    private(set) var interrupted = false
    /// recovering: may take as long as it takes.
    private(set) var finishing = false
    /// active, recovering: it was told that nothing more comes, and will close.
    private(set) var ending = false
    /// The worker's own query has failed.
    private var failed = false
    let pool: PoolIndex
    /// Nothing that its login took on for its life had changed after this moment when it
    /// had logged in.
    private(set) var facts: UInt64 = 0
    /// Opened to become its database's hub: not one of the pool's servers.
    let isForHub: Bool
    /// Its client was handed over to the hub just now: the release that follows doesn't try that again.
    private(set) var clientIsHandedOver = false
    /// Index of the linked client, or `absent`.
    private(set) var client = ClientIndex.absent
    /// Cancel requests on their way to it.
    private(set) var cancels: Int32 = 0
    /// Its agent's slot in the ledger; 0: it has none. See `sessions`.
    private(set) var slot: UInt32 = 0
    /// The agent's entry in the ledger; without an agent it means nothing.
    private(set) var ledger: LedgerServer
    /// The client whose session's start went to its agent last, or `absent`.
    private(set) var startedFor = ClientIndex.absent
    /// The client that has left and whose statements it still runs.
    private(set) var left = LedgerClient.nobody
    /// What its client is known to keep it for: CLEDGER_PIN_…
    private(set) var pins: UInt32 = 0
    private(set) var pid: Int32 = 0
    private(set) var key: UInt32 = 0
    /// Reference into `ParameterSets`.
    private(set) var parameters: UInt32 = 0
    /// Outside of the folder link only methods of the server change these two.
    var traffic = Traffic()
    var bodyLeft = 0
    private(set) var since: UInt64
    let connected: UInt64
    /// When it was ready for its first client.
    private(set) var opened: UInt64 = 0
    /// No client has had it yet.
    private(set) var isNew = true
    /// When its lifetime is over.
    private(set) var expires = UInt64.max

    init(pool: PoolIndex, ledger: LedgerServer, now: UInt64, isForHub: Bool = false) {
        self.isForHub = isForHub
        self.pool = pool
        self.ledger = ledger
        since = now
        connected = now
    }

    /// Its own last words, or a part of a message, are on their way to its client: a message of the
    /// worker's behind them would only confuse.
    var hasLastWords: Bool { traffic.hasFailed || bodyLeft > 0 }

    var sessions: Sessions { hasAgent ? .agent(slot: slot) : .tracked }

    var hasAgent: Bool { @_noLocks @inline(__always) get { slot != 0 } }
}

/// What becomes of a server.
extension Server {
    /// The host has said where to connect.
    /// - Parameter facts: as of this moment the host's answer holds.
    mutating func routed(facts: UInt64) {
        assert(state == .routing)
        self.facts = facts
    }

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

    /// Its login told by what cancel requests know it.
    mutating func hasKey(pid: Int32, key: UInt32) {
        self.pid = pid
        self.key = key
    }

    /// Its backend has an agent, with this entry in the ledger.
    /// - Parameter parameters: a reference into `ParameterSets`, in place of the one it had.
    mutating func meetsAgent(_ slot: UInt32, _ ledger: LedgerServer, parameters: UInt32) {
        assert(state == .confirming)
        // (what the last backend's server may have written since this one began is not for it)
        ledger.announce(.none)
        ledger.attach(.nobody)
        self.slot = slot
        self.ledger = ledger
        self.parameters = parameters
    }

    /// Its login is over: it is ready for its first client.
    mutating func isOpened(_ now: UInt64) {
        traffic = Traffic()
        opened = now
    }

    /// It goes to its first client, and ages from now on.
    mutating func startsLife(until expires: UInt64, isWanted: Bool, _ now: UInt64) {
        isNew = false
        self.expires = expires
        wanted = isWanted
        ages(now)
    }

    /// The hot path looks at the signs, not at the time.
    mutating func ages(_ now: UInt64) { if now >= expires { obsolete = true } }

    /// It is closed instead of released.
    mutating func retires() { obsolete = true }

    /// Whether another pool waits for what it is counted for.
    mutating func isWanted(_ wanted: Bool) { self.wanted = wanted }

    /// It comes from another thread.
    /// - Parameters:
    ///   - parameters: a reference into this thread's `ParameterSets`.
    ///   - nobody: stands in for the ledger's entry where there is no agent.
    mutating func arrives(parameters: UInt32, nobody: LedgerServer) {
        assert(client == .absent)
        self.parameters = parameters
        readable = true
        if !hasAgent { ledger = nobody }
    }

    /// It has other parameters now. Returns the reference it had, which is the caller's to release.
    mutating func takes(parameters: UInt32) -> UInt32 {
        defer { self.parameters = parameters }
        return self.parameters
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

    /// The time limits of its client's link begin anew.
    mutating func linkRests(_ now: UInt64) {
        assert(client != .absent)
        since = now
    }

    /// If something was answered since the last look, the time limits of the link begin anew.
    mutating func noticesAnswer(_ now: UInt64) {
        guard traffic.isAnswered && !traffic.isMarked else { return }
        traffic.mark()
        since = now
    }

    /// Its agent gets the start of a client's session, before that one's bytes.
    mutating func startsSession(of c: ClientIndex, _ reference: LedgerClient) {
        ledger.announce(.start)
        ledger.attach(reference)
        startedFor = c
    }

    /// Its agent has heard how the last session starts, if that is not this client's.
    mutating func heardStart(but c: ClientIndex = .absent) { if startedFor != c { startedFor = .absent } }

    /// Its client keeps it for this; 0: for nothing any more.
    mutating func isKept(for pins: UInt32) { self.pins = pins }

    /// The release is over that follows a hand-over to the hub.
    mutating func clientStays() { clientIsHandedOver = false }

    /// What its client sent last has no answer: only the worker's own message is still to be answered.
    mutating func forgetsTraffic() { traffic = Traffic() }

    /// Begins a query of the worker's own: with a client for that one, else to be fit for the next.
    mutating func runs(_ task: Task, _ now: UInt64) {
        assert(client != .absent ? state == .active : state != .gone)
        self.task = task
        failed = false
        traffic.ownQuery()
        enter(client != .absent ? .setup : .resetting, now)
    }

    /// A query of the worker's own is done. A linked server is its client's again.
    mutating func taskDone() -> Outcome {
        defer {
            task = .none
            traffic = Traffic()
        }
        if state == .setup { state = .active }
        let isAtRest = !failed && traffic.status == TransactionStatus.idle
        switch task {
        case .none: return .violation
        case .parameters: return failed ? .refused : .suits
        case .welcome: return failed ? .refused : .welcomes
        case .handOver:
            clientIsHandedOver = true
            return .clientHandedOver
        case .fence: return isAtRest ? .hasRead : .violation
        case .rollback: return isAtRest ? .rolledBack : .unfit
        case .reset: return isAtRest ? (ledger.pins == 0 ? .clean : .stillPinned) : .unfit
        }
    }

    /// What is to be done about a server whose client has gone.
    enum Orphan {
        /// Nothing now: it has no client, or is reset behind the answer to the worker's own query, which
        /// comes soon.
        case waits
        /// It is brought back step by step: see `recoveryStep`.
        case recovers
        /// It can't be spoken to any more.
        case lost
    }

    /// Its client has gone.
    /// - Parameters:
    ///   - reference: for whom it goes on with what that one has asked for. Its agent may not have seen
    ///     yet whom it serves: what the client sent is done as the client's, to the end.
    ///   - isPartial: the client has stopped in the middle of a message.
    ///   - finishing: what the client asked for is to be done, not interrupted.
    mutating func clientLeaves(
        _ reference: LedgerClient, isPartial: Bool, finishing: Bool, _ now: UInt64
    ) -> Orphan {
        left = reference
        client = .absent
        switch state {
        case .setup:
            state = .resetting
            task = .reset
            return .waits
        case .active:
            if isPartial { return .lost }
            interrupted = finishing
            self.finishing = finishing
            enter(.recovering, now)
            return .recovers
        default:
            return .waits
        }
    }

    /// Nothing runs any more for the client that has left. Returns its entry in the ledger, to be left.
    mutating func forgetsLeft() -> LedgerClient {
        defer { left = .nobody }
        ledger.attach(.nobody)
        return left
    }

    /// The next step towards where another client can have it; what that sends is counted.
    mutating func recoveryStep() -> Recovery.Step {
        assert(state == .recovering)
        let recovery = Recovery(
            isEnding: ending, isInterrupted: interrupted, isInMessage: bodyLeft > 0, isCancelled: cancels > 0)
        let step = recovery.step(&traffic)
        switch step {
        case .rollBack, .rest: if stream.input.isEmpty { stream.input.giveBack() }
        case .wait, .send, .interrupt, .end: break
        }
        return step
    }

    /// What takes away what its last client has left, of which it knows nothing any more but its pins.
    /// - Parameter isConfigured: the settings have a statement for that.
    mutating func resetAfterClient(_ mode: PoolMode, isConfigured: Bool) -> Recovery.Reset {
        let reset = Recovery.Reset(
            isPinned: pins != 0 || ledger.pins != 0, awaitsStart: startedFor != .absent, mode: mode,
            isConfigured: isConfigured)
        heardStart()
        traffic = Traffic()
        return reset
    }

    /// What it runs for the client that has left is interrupted.
    mutating func isInterrupted() { interrupted = true }

    /// It is told that nothing more comes, and will close.
    mutating func isToEnd() {
        assert(state == .active || state == .recovering)
        ending = true
    }

    /// Whether an interrupt would hit a statement of this client; `absent`: of the one that has left.
    func runsStatement(of c: ClientIndex) -> Bool {
        state == .recovering || (state == .active && client == c && !traffic.isAnswered)
    }

    /// A cancel request is on its way to it.
    mutating func cancelBegins() {
        cancels += 1
        cancelled = true
    }

    /// One is done, or too late. Returns whether it was the last.
    mutating func cancelEnds() -> Bool {
        assert(cancels > 0)
        cancels -= 1
        if cancels == 0 { cancelled = false }
        return cancels == 0
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

    /// Returns false if no ReadyForQuery was expected, or it is malformed.
    mutating func ready(_ body: ArraySlice<UInt8>) -> Bool {
        guard body.count == 1, let status = body.first else { return false }
        return traffic.ready(status)
    }

    /// An ErrorResponse came.
    mutating func notesError() {
        switch state {
        case .setup, .resetting: failed = true
        case .recovering: traffic.failed()
        default: hearsEnd()
        }
    }

    /// It has begun to copy in.
    mutating func copiesIn() {
        assert(state == .recovering)
        traffic.copyInStarted()
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
    private(set) var readable: Bool {
        @_noLocks get { stream.signs.readable }
        @_noLocks set { stream.signs.readable = newValue }
    }
    private(set) var hungUp: Bool {
        @_noLocks get { stream.signs.hungUp }
        @_noLocks set { stream.signs.hungUp = newValue }
    }
    /// It is closed instead of released.
    private(set) var obsolete: Bool {
        @_noLocks get { stream.signs[0] }
        @_noLocks set { stream.signs[0] = newValue }
    }
    /// Cancel requests are on their way to it.
    private(set) var cancelled: Bool {
        @_noLocks get { stream.signs[1] }
        @_noLocks set { stream.signs[1] = newValue }
    }
    /// Another pool waits for what it is counted for (`SlotQueue`).
    private(set) var wanted: Bool {
        @_noLocks get { stream.signs[2] }
        @_noLocks set { stream.signs[2] = newValue }
    }

    /// More may be there to be received.
    @_noLocks
    mutating func mayHaveInput() { readable = true }

    /// Its end has come, or comes soon: a receive will say.
    mutating func hearsEnd() {
        hungUp = true
        readable = true
    }

    /// The poller has told of it.
    mutating func notes(_ event: PollEvent) {
        if event.isReadable { readable = true }
        if event.isHungUp { hungUp = true }
    }
}
