import CSys

/// Messages to one engine thread; see `EngineMessage`.
final class Inbox: @unchecked Sendable {
    private let monitor = Monitor()
    private var messages: [EngineMessage] = []
    /// Can be read while messages wait; the owner reads it before it takes them.
    let descriptor = csys_wake_new()

    func post(_ message: EngineMessage) {
        monitor.locked { messages.append(message) }
        csys_eventfd_write(descriptor)
    }

    /// Takes out all messages that wait, in order.
    func take() -> [EngineMessage] {
        monitor.locked {
            defer { messages = [] }
            return messages
        }
    }
}
