import Engine
import Pooling

/// What an engine thread has to do besides the events of its poller.
struct Agenda: ~Copyable {
    /// What a slow path leaves to be done when it has returned, in the same turn: so that no call runs
    /// back up to where it came from, however many clients wait.
    enum Job {
        /// A server has no client, and is about to be passed on.
        case passOn(ServerIndex, generation: UInt32)
        /// What stopped on a link goes on.
        case goOn(ServerIndex, generation: UInt32)
        /// A linked server takes no more.
        case serverDeaf(ServerIndex, generation: UInt32)
        /// A server's stream has failed.
        case serverDied(ServerIndex, generation: UInt32)
        /// The server that was to welcome a client can't: its login goes on.
        case welcome(ClientIndex, generation: UInt32)
        /// An idle client may have sent its next request.
        case startRequest(ClientIndex, generation: UInt32)
        /// Clients of the pool wait for servers.
        case openServers(PoolIndex)
    }

    private var jobs: [Job] = []
    private var done = 0
    /// What the host has answered at once.
    private var answers: [HostAnswer] = []
    /// Sockets to go on with in the next turn although no event will come.
    private var again: [PollToken] = []
    /// Housekeeping is due.
    private(set) var ticked = true
    /// The thread is to end.
    private(set) var isStopping = false
    /// How long the next wait may take, in milliseconds; -1: as long as it takes.
    private(set) var patience: Int32 = 0
    /// A turn of the loop has more to do than its events.
    private(set) var needsAttention = true

    init() {
        again.reserveCapacity(1024)
        jobs.reserveCapacity(1024)
    }

    mutating func post(_ job: Job) { jobs.append(job) }

    /// Takes the next job, in the order of their coming. Returns nil if there is none.
    mutating func nextJob() -> Job? {
        guard done < jobs.count else {
            if done > 0 {
                jobs.removeAll(keepingCapacity: true)
                done = 0
            }
            return nil
        }
        done += 1
        return jobs[done - 1]
    }

    mutating func post(_ answer: HostAnswer) { answers.append(answer) }

    var hasAnswers: Bool { !answers.isEmpty }

    mutating func takeAnswers() -> [HostAnswer] {
        defer { answers = [] }
        return answers
    }

    /// A socket that stopped in the middle is gone on with in the next turn, when others
    /// got theirs.
    mutating func goOn(_ token: PollToken) {
        again.append(token)
        needsAttention = true
    }

    var hasAgain: Bool { !again.isEmpty }

    /// The sockets to go on with now; they may come again.
    mutating func takeAgain() -> [PollToken] {
        defer { again.removeAll(keepingCapacity: true) }
        return again
    }

    mutating func tick() {
        ticked = true
        needsAttention = true
    }

    /// Returns whether housekeeping is due; it is not any more.
    mutating func takeTick() -> Bool {
        defer { ticked = false }
        return ticked
    }

    mutating func stop() {
        isStopping = true
        needsAttention = true
    }

    /// All that was due has been done.
    mutating func rest() {
        needsAttention = !again.isEmpty
        patience = again.isEmpty ? -1 : 0
    }
}
