import CSys
import Engine

/// The listeners of an engine thread: new connections come from them, and are dealt out to the threads in
/// turn. Only the first thread has any.
struct Acceptor: ~Copyable {
    private let listeners: [Listener]
    private let threads: Int
    /// False for good once the worker drains.
    private(set) var isAccepting = true
    /// 0: it is not paused.
    private var pausedUntil: UInt64 = 0
    /// When a failure was told last; 0: never.
    private var toldAt: UInt64 = 0
    private var nextThread = 0

    /// How long nothing is accepted after a failure.
    static let pause: UInt64 = 50_000_000
    /// A failure is told once in this time.
    private static let silence: UInt64 = 60_000_000_000

    init(_ listeners: [Listener], threads: Int) {
        self.listeners = listeners
        self.threads = threads
    }

    /// Listens, until `close` or a failure.
    func watch(_ poller: borrowing Poller) {
        for (index, listener) in listeners.enumerated() {
            let token = PollToken(.listener, index: UInt32(index), generation: 0)
            _ = poller.watchInput(listener.descriptor, token)
        }
    }

    private func unwatch(_ poller: borrowing Poller) {
        for listener in listeners { poller.forget(listener.descriptor) }
    }

    /// Takes a connection that waits at a listener.
    /// - Returns: its descriptor, or -errno; -EAGAIN: none waits.
    func accept(_ index: Int) -> Int32 {
        guard isAccepting, index < listeners.count else { return -EAGAIN }
        return csys_accept(listeners[index].descriptor)
    }

    /// The thread that the next connection is for.
    mutating func deal() -> Int {
        defer { nextThread = (nextThread + 1) % threads }
        return nextThread
    }

    /// Without descriptors or memory (of the system: those of the process are counted) the system gets a
    /// moment, instead of being asked again at once.
    /// - Returns: whether the failure should be told.
    mutating func failed(_ poller: borrowing Poller, _ now: UInt64) -> Bool {
        unwatch(poller)
        pausedUntil = now + Self.pause
        guard toldAt == 0 || now &- toldAt > Self.silence else { return false }
        toldAt = now
        return true
    }

    /// Goes on after a pause that is over.
    mutating func goOn(_ poller: borrowing Poller, _ now: UInt64) {
        guard pausedUntil > 0, now >= pausedUntil, isAccepting else { return }
        pausedUntil = 0
        watch(poller)
    }

    /// New connections are refused from now on.
    mutating func close(_ poller: borrowing Poller) {
        guard isAccepting else { return }
        isAccepting = false
        unwatch(poller)
        for listener in listeners { listener.refuse() }
    }
}
