import Auth
import Pooling

/// A thread that runs the slow password hashes (PBKDF2), so that a login never stops the
/// engine; a slice of each owner's in turn, so that no login's hash stops those of others.
/// Results come back as `clientHashed` and `serverHashed` messages.
final class Hasher: @unchecked Sendable {
    /// A job of PostgreSQL's usual number of iterations is done in one slice.
    private static let slice = 4096

    /// Whose login waits for a hash.
    enum Owner: Hashable {
        /// Clients by the name they gave.
        case user([UInt8])
        /// Servers by their pool.
        case pool(PoolIndex)
    }

    /// A client or server of an engine thread. Its login has one hash at a time.
    struct Asker {
        let thread: Int
        let isClient: Bool
        let index: UInt32
        let generation: UInt32

        /// 1 bit, 7 of thread, 24 of index, 32 of generation.
        fileprivate var id: UInt64 {
            UInt64(isClient ? 1 : 0) << 63 | UInt64(thread & 0x7f) << 56
                | UInt64(index & 0xff_ffff) << 32 | UInt64(generation)
        }

        fileprivate init(id: UInt64) {
            isClient = id >> 63 != 0
            thread = Int(id >> 56 & 0x7f)
            index = UInt32(id >> 32 & 0xff_ffff)
            generation = UInt32(truncatingIfNeeded: id)
        }

        init(thread: Int, isClient: Bool, index: UInt32, generation: UInt32) {
            self.thread = thread
            self.isClient = isClient
            self.index = index
            self.generation = generation
        }
    }

    private let monitor = Monitor()
    private let inboxes: [Inbox]
    private var queue = HashQueue<Owner>()
    private var stopping = false

    init(inboxes: [Inbox]) { self.inboxes = inboxes }

    func submit(_ job: HashJob, for asker: Asker, owner: Owner) {
        monitor.locked {
            queue.add(job, id: asker.id, owner: owner)
            monitor.signal()
        }
    }

    /// The asker has gone; where it has asked for nothing this does nothing.
    func drop(_ asker: Asker) { monitor.locked { queue.drop(asker.id) } }

    func stop() {
        monitor.locked {
            stopping = true
            monitor.signal()
        }
    }

    private func next(waits: Bool) -> (id: UInt64, run: HashRun)? {
        monitor.locked {
            while queue.isEmpty && !stopping {
                guard waits else { return nil }
                monitor.wait()
            }
            return stopping ? nil : queue.next()
        }
    }

    /// The thread's body: works until `stop`.
    func run() { while work(waits: true) {} }

    /// Does one slice of work. Returns false at the end of the thread, or without `waits` when there
    /// is none.
    func work(waits: Bool) -> Bool {
        guard let (id, run) = next(waits: waits) else { return false }
        guard let result = run.step(Self.slice), monitor.locked({ queue.finish(id) }) else { return true }
        let asker = Asker(id: id)
        inboxes[asker.thread].post(
            asker.isClient
                ? .clientHashed(ClientIndex(asker.index), generation: asker.generation, hash: result)
                : .serverHashed(ServerIndex(asker.index), generation: asker.generation, hash: result))
        return true
    }
}
