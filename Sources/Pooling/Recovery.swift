import Wire

/// How a server whose client has left is brought to where the next client can have it: by one step at a
/// time, taken when the client leaves and each time the server has come nearer to the end of what it
/// does. Steps but `wait`, `rollBack` and `rest` are followed by the next at once.
public struct Recovery: Sendable {
    public enum Step: Equatable, Sendable {
        /// The server has to say something first, or a cancel request has to be done.
        case wait
        /// These messages bring it on.
        case send([UInt8])
        /// What it runs is of use to no client any more.
        case interrupt
        /// It can't be counted when the server has done what its client has sent. By this message it is
        /// told that this was all, as a client of its own would tell it; it does what came before, and
        /// closes the connection.
        case end([UInt8])
        /// A transaction is open, and ends in the session of the client that has left.
        case rollBack
        /// Nothing runs and nothing is open; what the client has left is for `Reset`.
        case rest
    }

    /// The server was told that this was all.
    private let isEnding: Bool
    /// It was interrupted, or is to do what its client has asked for.
    private let isInterrupted: Bool
    /// It has sent a part of a message.
    private let isInMessage: Bool
    /// Cancel requests are on their way to it: what it is given next must not be hit.
    private let isCancelled: Bool

    public init(isEnding: Bool, isInterrupted: Bool, isInMessage: Bool, isCancelled: Bool) {
        self.isEnding = isEnding
        self.isInterrupted = isInterrupted
        self.isInMessage = isInMessage
        self.isCancelled = isCancelled
    }

    /// The next step.
    /// - Parameter traffic: of the link that was; what is to be sent is counted there.
    public func step(_ traffic: inout Traffic) -> Step {
        if isEnding { return isInterrupted ? .wait : .interrupt }
        if traffic.isUncertain || traffic.isInexact { return end }
        let messages = lastMessages(&traffic)
        if !messages.isEmpty { return .send(messages) }
        if traffic.isDoubtful { return end }
        guard traffic.isQuiet else { return isInterrupted ? .wait : .interrupt }
        if isInMessage || isCancelled { return .wait }
        return traffic.status == TransactionStatus.idle ? .rest : .rollBack
    }

    private var end: Step {
        guard isInterrupted else { return .interrupt }
        var writer = FrameWriter()
        writer.frame(FrontendTag.terminate)
        return .end(writer.bytes)
    }

    /// What brings a server to a ReadyForQuery whose client has sent messages without one: CopyFail if it
    /// copies in, and a Sync. Where that would commit, a ROLLBACK goes first, as PostgreSQL aborts what is
    /// not synced when its client ends. In the extended protocol: after an error it is skipped with all
    /// else.
    private func lastMessages(_ traffic: inout Traffic) -> [UInt8] {
        var writer = FrameWriter()
        if traffic.isCopyingIn {
            writer.frame(FrontendTag.copyFail) { $0.string("client disconnected") }
            _ = traffic.frontend(FrontendTag.copyFail)
        }
        guard traffic.needsSync || traffic.lacksAnswer else { return writer.bytes }
        if traffic.needsSync {
            // in a block of its own PostgreSQL has nothing to warn of
            let isOpen = traffic.status != TransactionStatus.idle
            for statement in isOpen ? ["ROLLBACK"] : ["BEGIN", "ROLLBACK"] {
                writer.execution(of: Array(statement.utf8))
                traffic.ownExecution()
            }
        }
        writer.frame(FrontendTag.sync)
        traffic.ownSync()
        return writer.bytes
    }
}

extension Recovery {
    /// What takes away what a server's last client has left: in session mode anything, else what an agent
    /// can't carry.
    public enum Reset: Sendable {
        case nothing, discardAll
        /// The statement of the settings.
        case configured

        /// - Parameters:
        ///   - isPinned: something kept that client on the server.
        ///   - awaitsStart: an agent may not have heard yet how that one's session starts, and would take
        ///     the next one's start for it: it has to answer something first.
        ///   - isConfigured: the settings have a statement.
        public init(isPinned: Bool, awaitsStart: Bool, mode: PoolMode, isConfigured: Bool) {
            if isPinned || awaitsStart {
                self = .discardAll
            } else {
                self = mode == .session && isConfigured ? .configured : .nothing
            }
        }
    }
}
