/// Whether a client that sends nothing more has had its last answer. As with PostgreSQL, what it sent
/// before is done and answered.
public enum LastAnswer: Sendable {
    /// It comes, and can be told.
    case comes
    /// The client has had it.
    case hasCome
    /// It can't be told from what the server sends, as there may be no Sync behind what the client has
    /// sent, or the client has stopped in the middle of a message. The server has to be told that nothing
    /// more comes: what it sends until it has closed is for the client.
    case unknown
}

extension Traffic {
    /// - Parameter isPartial: the client has stopped in the middle of a message.
    public func lastAnswer(isPartial: Bool) -> LastAnswer {
        if isPartial || isOpenEnded { return .unknown }
        guard needsClient else { return .comes }
        return needsSync ? .unknown : .hasCome
    }
}
