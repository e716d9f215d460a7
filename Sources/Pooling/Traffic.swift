import Wire

/// What one link owes: how many ReadyForQuery messages the server still has to send, and
/// what else keeps the server from being given to another client. It sees the tag of
/// every frame in both directions and no bodies.
///
/// Where the protocol is ambiguous it errs towards *busy*: a server that is kept too long
/// costs a server, one released too early mixes two clients' replies.
///
/// PostgreSQL takes some messages without an answer: Flush always, and CopyData, CopyDone and
/// CopyFail outside a COPY. After one of them it waits for the next message in its own read,
/// not where an agent attaches the next client. So a link that ends with such a message is
/// not quiet: it needs a fence, a Sync of the worker's, whose ReadyForQuery says that all
/// before it was read.
@frozen
public struct Traffic: BitwiseCopyable, Sendable {
    /// ReadyForQuery messages outstanding.
    @usableFromInline var expected: UInt32 = 0
    /// Queries, executions and function calls since the link was last quiet.
    @usableFromInline var executions: UInt32 = 0
    /// Syncs among `expected` that a COPY IN would swallow (protocol manual, "COPY
    /// Operations": Flush and Sync are ignored while copying in).
    @usableFromInline var swallowable: UInt32 = 0
    /// Syncs taken off `expected` since a COPY IN began. Where it fails before it has read
    /// them (a view, COPY FREEZE, a trigger, a cancel) they are answered after all.
    @usableFromInline var swallowed: UInt32 = 0
    /// How many of `expected` may never come: a COPY IN failed, and nothing in the protocol
    /// tells whether it had read the Syncs behind its Execute.
    @usableFromInline var doubtful: UInt32 = 0
    /// With `Flags.risky`: ReadyForQuery messages that are due before the first risky message is read.
    @usableFromInline var dueBeforeRisk: UInt32 = 0
    /// What `Flags` names, in one number: the hot path asks for several at once.
    @usableFromInline var flags: UInt16 = 0
    /// Status of the last ReadyForQuery, a `TransactionStatus`.
    public var status: UInt8 = TransactionStatus.idle

    @inlinable @_noLocks public init() {}

    /// Nothing outstanding in either direction.
    @inlinable
    public var isQuiet: Bool {
        @_noLocks get { expected == 0 && flags & (Flags.busy | Flags.silent) == 0 }
    }

    /// Every message that has an answer has got it.
    @inlinable
    public var isAnswered: Bool { @_noLocks get { expected == 0 && flags & Flags.busy == 0 } }

    /// Nothing outstanding and no transaction open: the link may end, if need be behind a fence.
    @inlinable
    public var mayEnd: Bool { @_noLocks get { isAnswered && status == TransactionStatus.idle } }

    /// Nothing outstanding and no transaction open, but the last messages have no answer: the
    /// worker's own Sync has to be answered before the server may be released.
    @inlinable
    public var needsFence: Bool {
        @_noLocks get {
            expected == 0 && flags & (Flags.busy | Flags.silent) == Flags.silent
                && status == TransactionStatus.idle
        }
    }

    /// Nothing is outstanding but what a first message is to be answered with, which has come in
    /// part if at all.
    public var isAtFirstMessage: Bool { expected <= 1 && flags & (Flags.busy | Flags.silent) == 0 }

    /// Outside a transaction several ReadyForQuery messages are outstanding.
    public var isPipelining: Bool { expected > 1 && status == TransactionStatus.idle }

    /// A ReadyForQuery is outstanding.
    @inlinable
    public var isExpecting: Bool { @_noLocks get { expected > 0 } }

    /// Nothing outstanding and no transaction open: the server may be released.
    @inlinable
    public var isReleasable: Bool { @_noLocks get { isQuiet && status == TransactionStatus.idle } }

    /// The client has the last reply it can count on, and no transaction is open, but the
    /// server may send one more ReadyForQuery: it can't be given to anyone else.
    public var isSpent: Bool { @_noLocks get { isDoubtful && status == TransactionStatus.idle } }

    /// All that is expected may never come.
    @inlinable
    public var isDoubtful: Bool {
        @_noLocks get { doubtful > 0 && expected <= doubtful && flags & Flags.busy == 0 }
    }

    /// The client's copying in: it has to end it before anything else can happen.
    public var isCopyingIn: Bool { @_noLocks get { copyIn } }

    /// Extended-query messages wait for a Sync.
    public var needsSync: Bool { unsynced }

    /// No ReadyForQuery is due, and messages were sent that have none behind them:
    /// to bring the server back takes a Sync.
    public var lacksAnswer: Bool { expected == 0 && flags & (Flags.unsynced | Flags.silent) != 0 }

    /// Nothing more may come from the server unless its client sends something.
    @inlinable
    public var needsClient: Bool {
        @_noLocks get { expected == 0 || has(Flags.copyIn | Flags.uncertain) || isDoubtful }
    }

    /// Answers may come that no ReadyForQuery ends or counts.
    @inlinable
    public var isOpenEnded: Bool {
        @_noLocks get {
            if copyIn { return uncertain || isInexact || has(Flags.mayHaveEnd) }
            return uncertain || isInexact || (unsynced && has(Flags.silent))
        }
    }

    /// The end of the link can't be told from the protocol.
    public var isUncertain: Bool { uncertain }

    /// Fewer ReadyForQuery messages may come than are expected: a COPY may have swallowed Syncs
    /// that were sent behind it.
    @inlinable
    public var isInexact: Bool { @_noLocks get { has(Flags.inexact) && expected > 0 } }

    /// What a frontend message means for the link; the fate of the frame.
    @frozen
    public enum FrontendVerdict: UInt8, BitwiseCopyable, Sendable { case forward, terminate, invalid }

    /// A client sent a frame with this tag and length (as on the wire). Frames that a
    /// server would take no notice of are held to their right length here: over a wrong
    /// one it would close a connection that may be another client's by then.
    @inlinable @_noLocks @inline(__always)
    public mutating func frontend(_ tag: UInt8, length: UInt32 = 4) -> FrontendVerdict {
        if tag == FrontendTag.query {
            query()
            return .forward
        }
        switch tag {
        case FrontendTag.functionCall:
            query()
        case FrontendTag.execute:
            counting = executions == 0 && expected == 0
            swallowable = 0
            copyEnded = false
            executions &+= 1
            flags = flags & ~Flags.feeding | Flags.unsynced | Flags.extended
        case FrontendTag.parse, FrontendTag.bind, FrontendTag.describe, FrontendTag.close:
            flags = flags & ~(Flags.counting | Flags.feeding) | Flags.unsynced
        case FrontendTag.sync:
            guard length == 4 else { return .invalid }
            // (a COPY takes it without an answer: what came before it is still silent)
            if copyIn && !(counting && !copyEnded) { flags |= Flags.inexact }
            if copyIn && counting && !copyEnded {
                swallowed &+= 1
                flags |= Flags.copySyncs
                break
            }
            if doubtful > 0 && !counting { uncertain = true }
            expected &+= 1
            if counting && !copyEnded {
                swallowable &+= 1
                flags |= Flags.copySyncs
            }
            flags &= ~(Flags.unsynced | Flags.silent | Flags.stray | Flags.feeding)
        case FrontendTag.copyDone, FrontendTag.copyFail:
            guard length <= (tag == FrontendTag.copyDone ? 4 : FrameLimit.small) else { return .invalid }
            copyMessage()
            copyEnded = true
            flags &= ~(Flags.copyIn | Flags.feeding)
        case FrontendTag.flush:
            guard length == 4 else { return .invalid }
            unanswered()
        case FrontendTag.copyData:
            copyMessage()
        case FrontendTag.terminate:
            return .terminate
        default:
            return .invalid
        }
        return .forward
    }

    /// A Query or FunctionCall: what has a ReadyForQuery of its own.
    @inlinable @_noLocks @inline(__always)
    mutating func query() {
        expected &+= 1
        executions &+= 1
        guard flags != 0 else { return }
        // Among unsynced extended messages an error could make the server skip it.
        if unsynced || doubtful > 0 { uncertain = true }
        if copyIn { flags |= Flags.inexact }
        flags &= ~(Flags.feeding | Flags.extended | Flags.counting | Flags.copyEnded)
        flags &= ~(Flags.silent | Flags.stray)
    }

    /// CopyData, CopyDone or CopyFail. Among unsynced extended messages statement_timeout may
    /// have run out when PostgreSQL reads one of them and no COPY is under way: then it sends,
    /// unasked, an ErrorResponse and a ReadyForQuery (`PostgresMain`: the interrupt is served
    /// behind the read, and such a message doesn't count as one of the extended protocol). Once
    /// the pipeline has failed it skips to the Sync, and nothing can run out.
    @inlinable @_noLocks
    mutating func copyMessage() {
        let skips = hasFailed && expected == 0
        if unsynced && !skips && !has(Flags.feeding) {
            if !has(Flags.risky) {
                flags |= Flags.risky
                dueBeforeRisk = expected
            } else if expected != dueBeforeRisk {
                flags |= Flags.riskLasts
            }
        }
        unanswered()
    }

    /// A message that PostgreSQL doesn't answer.
    @inlinable @_noLocks
    mutating func unanswered() {
        flags |= has(Flags.feeding) ? Flags.silent : Flags.silent | Flags.stray
    }

    /// The server began to copy in.
    @inlinable @_noLocks
    public mutating func copyInStarted() {
        copyIn = !copyEnded
        guard counting else {
            if expected > (has(Flags.extended) ? 0 : 1) {
                flags |= Flags.inexact
            } else if copyIn && !unsynced {
                // a Query's, with nothing behind it
                flags |= Flags.feeding
            }
            // A Query may have several COPYs, and the end that was sent may be an earlier one's.
            if copyEnded { flags |= Flags.copyIn | Flags.silent | Flags.stray | Flags.mayHaveEnd }
            copyEnded = false
            return
        }
        if copyIn { flags |= Flags.feeding }
        // The Syncs behind the one Execute are being swallowed; another must come.
        expected &-= swallowable
        if swallowable > 0 { unsynced = true }
        swallowed &+= swallowable
        swallowable = 0
        if copyEnded && expected > 0 { unsynced = false }
    }

    /// The server sent ReadyForQuery. False when none was due, or its status is none.
    @inlinable @_noLocks @inline(__always)
    public mutating func ready(_ status: UInt8) -> Bool {
        guard expected > 0, TransactionStatus.isKnown(status) else { return readyUnasked(status) }
        expected &-= 1
        self.status = status
        if flags != 0 {
            flagsAtReady()
        } else if expected == 0 {
            executions = 0
        }
        return true
    }

    /// A ReadyForQuery that nothing is known to have asked for; false when there can't be one.
    @usableFromInline @_noLocks @inline(never)
    mutating func readyUnasked(_ status: UInt8) -> Bool {
        guard has(Flags.risky), uncertain, TransactionStatus.isKnown(status) else { return false }
        hasFailed = false
        self.status = status
        return true
    }

    @inlinable @_noLocks
    mutating func flagsAtReady() {
        flags &= ~(Flags.copyIn | Flags.feeding | Flags.mayHaveEnd | Flags.marked)
        // A COPY that succeeds has read all that was sent to it, one that fails maybe not.
        if has(Flags.failed) {
            flags |= Flags.stray
        } else if !has(Flags.stray) {
            flags &= ~Flags.silent
        }
        hasFailed = false
        if swallowable > 0 { swallowable &-= 1 }
        if dueBeforeRisk > 0 {
            dueBeforeRisk &-= 1
        } else if !uncertain && !has(Flags.riskLasts) {
            // that of the Sync behind it
            flags &= ~Flags.risky
        }
        swallowed = 0
        doubtful = min(doubtful, expected)
        put(Flags.copySyncs, swallowable | doubtful != 0)
        guard expected == 0, !unsynced else { return }
        executions = 0
        flags &= ~(Flags.counting | Flags.extended | Flags.inexact)
        if !uncertain { flags &= ~(Flags.risky | Flags.riskLasts) }
    }

    /// The server sent an ErrorResponse.
    /// - Parameter mayBeCancel: its SQLSTATE is 57014, as a timeout's is, or not known.
    @inlinable @_noLocks
    public mutating func failed(mayBeCancel: Bool = true) {
        flags = flags & ~(Flags.copyIn | Flags.feeding) | Flags.failed
        if mayBeCancel && has(Flags.risky) && dueBeforeRisk == 0 { uncertain = true }
        guard swallowed > 0 else { return }
        expected &+= swallowed
        doubtful = swallowed
        swallowed = 0
        // Something other than the Sync that ends the COPY has been sent already.
        if !counting { uncertain = true }
    }

    /// A mark that the next ReadyForQuery takes away: who made it can tell whether there was one.
    public mutating func mark() { flags |= Flags.marked }
    public var isMarked: Bool { has(Flags.marked) }

    /// The worker itself sends a query on this link.
    @inlinable @_noLocks
    public mutating func ownQuery() { expected &+= 1 }

    /// The worker itself sends Parse, Bind and Execute.
    public mutating func ownExecution() {
        for tag in [FrontendTag.parse, FrontendTag.bind, FrontendTag.execute] { _ = frontend(tag) }
    }

    /// The worker itself sends a Sync, so that the server gets out of what it is in. A COPY that
    /// begins only then swallows it like a client's.
    @inlinable @_noLocks
    public mutating func ownSync() { _ = frontend(FrontendTag.sync) }
}

extension Traffic {
    @usableFromInline
    enum Flags {
        @inlinable static var counting: UInt16 { @_noLocks get { 1 } }
        @inlinable static var unsynced: UInt16 { @_noLocks get { 2 } }
        @inlinable static var copyIn: UInt16 { @_noLocks get { 4 } }
        @inlinable static var copyEnded: UInt16 { @_noLocks get { 8 } }
        @inlinable static var uncertain: UInt16 { @_noLocks get { 16 } }
        /// `swallowable`, `swallowed` or `doubtful` isn't 0.
        @inlinable static var copySyncs: UInt16 { @_noLocks get { 32 } }
        @inlinable static var failed: UInt16 { @_noLocks get { 64 } }
        /// Messages without an answer were sent, and none since that has one.
        @inlinable static var silent: UInt16 { @_noLocks get { 128 } }
        /// Among them some that may not be for a COPY.
        @inlinable static var stray: UInt16 { @_noLocks get { 256 } }
        /// `expected` may be too high.
        @inlinable static var inexact: UInt16 { @_noLocks get { 512 } }
        /// The last execution was an Execute, not a Query.
        @inlinable static var extended: UInt16 { @_noLocks get { 1024 } }
        /// A COPY is under way, nothing but its data was sent since, and nothing else is behind it:
        /// what comes now is surely its own, if it doesn't fail.
        @inlinable static var feeding: UInt16 { @_noLocks get { 2048 } }
        /// An ErrorResponse may bring a ReadyForQuery along that nothing has asked for.
        @inlinable static var risky: UInt16 { @_noLocks get { 4096 } }
        /// In several pipelines: until nothing is due.
        @inlinable static var riskLasts: UInt16 { @_noLocks get { 8192 } }
        /// With `copyIn`: the end that was sent may be this COPY's.
        @inlinable static var mayHaveEnd: UInt16 { @_noLocks get { 16384 } }
        @inlinable static var marked: UInt16 { @_noLocks get { 32768 } }
        /// The server is in the middle of something, or may be.
        @inlinable static var busy: UInt16 { @_noLocks get { unsynced | copyIn | uncertain } }
    }

    @inlinable @_noLocks @inline(__always)
    func has(_ flag: UInt16) -> Bool { flags & flag != 0 }

    @inlinable @_noLocks @inline(__always)
    mutating func put(_ flag: UInt16, _ value: Bool) { flags = value ? flags | flag : flags & ~flag }

    /// `swallowable` may grow: only Syncs, Flushes and CopyData followed the one Execute.
    @inlinable
    var counting: Bool {
        @_noLocks get { has(Flags.counting) }
        @_noLocks set { put(Flags.counting, newValue) }
    }
    /// Extended-query messages were sent that no Sync follows yet.
    @inlinable
    var unsynced: Bool {
        @_noLocks get { has(Flags.unsynced) }
        @_noLocks set { put(Flags.unsynced, newValue) }
    }
    @inlinable
    var copyIn: Bool {
        @_noLocks get { has(Flags.copyIn) }
        @_noLocks set { put(Flags.copyIn, newValue) }
    }
    /// CopyDone or CopyFail was sent for the execution in progress.
    @inlinable
    var copyEnded: Bool {
        @_noLocks get { has(Flags.copyEnded) }
        @_noLocks set { put(Flags.copyEnded, newValue) }
    }
    /// The server has sent an ErrorResponse, and no ReadyForQuery since.
    @inlinable
    public internal(set) var hasFailed: Bool {
        @_noLocks get { has(Flags.failed) }
        @_noLocks set { put(Flags.failed, newValue) }
    }
    /// The count can't be trusted any more; the link stays until its client leaves.
    @inlinable
    var uncertain: Bool {
        @_noLocks get { has(Flags.uncertain) }
        @_noLocks set { put(Flags.uncertain, newValue) }
    }
}
