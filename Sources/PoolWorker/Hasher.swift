import Auth
import CSys

/// A thread that runs the slow password hashes (PBKDF2), so that a login never stops the
/// engine. Results come back as `hashed` messages with 32 bytes as payload.
final class Hasher: @unchecked Sendable {
    private struct Work {
        let job: HashJob
        let thread: Int
        let kind: EngineMessage
        let index: UInt32
        let generation: UInt32
    }

    private let monitor = Monitor()
    private let inboxes: [Inbox]
    private var queue: [Work] = []
    private var stopping = false

    init(inboxes: [Inbox]) { self.inboxes = inboxes }

    func submit(_ job: HashJob, thread: Int, kind: EngineMessage, index: UInt32, generation: UInt32) {
        let work = Work(job: job, thread: thread, kind: kind, index: index, generation: generation)
        monitor.locked {
            queue.append(work)
            monitor.signal()
        }
    }

    func stop() {
        monitor.locked {
            stopping = true
            monitor.signal()
        }
    }

    private func next() -> Work? {
        monitor.locked {
            while queue.isEmpty && !stopping { monitor.wait() }
            return stopping ? nil : queue.removeFirst()
        }
    }

    /// The thread's body: works until `stop`.
    func run() {
        while let work = next() {
            let result = work.job.run()
            unsafe inboxes[work.thread].post(
                work.kind.message(a: work.index, b: work.generation, payload: EngineMessage.payload(result)))
        }
    }
}
