import Auth
import CTestHost

/// What a test's host says of a pool; as CarpoolPoolSettings.
struct PoolTable {
    enum Mode: Int32 { case session, transaction, statement }

    var mode = Mode.transaction
    var size: Int32 = 20
    var least: Int32 = 0
    var ofDatabase: Int32 = 0
    var ofUser: Int32 = 0
    var lifetime = 3600.0
    var clientIdle = 0.0
    var idleTransaction = 0.0
}

/// What a test's host says of a login or a route.
struct Reply {
    var method = LoginMethod.trust
    /// "SQLSTATE message"
    var refusal: String?
    var failure: String?
    /// For LOGIN the client's, for ROUTE that of the login to the server.
    var secret: String?
    var pool: PoolTable
    var address: String
    var facts: UInt64 = 0
    /// LOGIN: the role may use the pool that roles of its database share.
    var mayShare = false
    /// CONFIRM: the agent's slot in the ledger.
    var agent: UInt32 = 0
}

/// A host of the worker that lives in the memory of its test: its tables are Swift values that the
/// test sets. It answers at once, or later, when it is told to.
final class MemoryHost {
    enum Kind: UInt32 { case login, route, confirm }

    struct Asked: Hashable {
        let kind: Kind
        let user: String
        let database: String
        let processID: Int32
        let holds: UInt32
    }

    private(set) var pointer: OpaquePointer! = nil
    let keepsOIDs: Bool
    /// What holds where no table below says something else.
    var pool = PoolTable()
    /// Where servers are.
    var address: String
    /// By user, database, or both as "database/user": what differs from a login without a password.
    var replies: [String: (inout Reply) -> Void] = [:]
    /// By process id of a backend: its agent's slot.
    var agents: [Int32: UInt32] = [:]
    /// Users whose servers log in as the owner of the cluster, and have to become them.
    var owners: Set<String> = []
    /// Backends that were told to.
    private var become: Set<Int32> = []
    /// By user, whether its last route was one as the owner.
    private var isAsOwner: [String: Bool] = [:]
    /// Questions wait until `answerAll`.
    var answersLater = false
    /// No question is taken.
    var refusesQuestions = false
    /// Interrupts a backend by a signal; false: the worker has to send a request.
    var interrupt: (Int32, UInt32) -> Bool = { _, _ in false }
    private(set) var asked: [Asked] = []
    private(set) var lines: [String] = []
    private var waiting: [CtestQuestion] = []
    private var names: [UInt32: (database: String, user: String)] = [:]
    private var numbers: [String: UInt32] = [:]
    /// The strings of the last answer, which C reads after the call.
    private var texts: [UnsafeMutablePointer<CChar>] = []

    /// - Parameters:
    ///   - keepsOIDs: it is like the database: it confirms servers, which may have agents.
    ///   - servers: slots of agents in the ledger.
    init(address: String, keepsOIDs: Bool = false, servers: UInt32 = 0) {
        self.address = address
        self.keepsOIDs = keepsOIDs
        var calls = CtestCalls()
        calls.context = Unmanaged.passUnretained(self).toOpaque()
        calls.ask = { context, question, answer in
            MemoryHost.of(context).ask(question!.pointee, &answer!.pointee)
        }
        calls.log = { context, _, line in MemoryHost.of(context).lines.append(String(cString: line!)) }
        calls.cancel = { context, process, slot in MemoryHost.of(context).interrupt(process, slot) }
        pointer = ctest_host_new(&calls, keepsOIDs, 256, servers)
    }

    deinit { forgetTexts() }

    private static func of(_ context: UnsafeMutableRawPointer?) -> MemoryHost {
        Unmanaged<MemoryHost>.fromOpaque(context!).takeUnretainedValue()
    }

    /// The number that stands for a name.
    func number(_ name: String) -> UInt32 {
        if let known = numbers[name] { return known }
        let number = UInt32(numbers.count + 1)
        numbers[name] = number
        return number
    }

    /// How many questions of a kind there were.
    func count(_ kind: Kind) -> Int { asked.count { $0.kind == kind } }

    func hasLogged(_ text: String) -> Bool { lines.contains { $0.contains(text) } }

    private func ask(_ question: CtestQuestion, _ answer: inout CtestAnswer) -> Int32 {
        guard !refusesQuestions else { return -1 }
        var question = question
        if question.kind == Kind.login.rawValue {
            let (user, database) = (String(cString: question.user), String(cString: question.database))
            question.database_id = number(database)
            question.user_id = number(user)
            names[question.database_id << 16 | question.user_id] = (database, user)
        }
        note(question)
        if answersLater {
            waiting.append(question)
            return 0
        }
        fill(question, &answer)
        return 1
    }

    private func names(_ question: CtestQuestion) -> (database: String, user: String) {
        names[question.database_id << 16 | question.user_id] ?? ("?", "?")
    }

    private func note(_ question: CtestQuestion) {
        let (database, user) = names(question)
        asked.append(
            Asked(
                kind: Kind(rawValue: question.kind) ?? .confirm, user: user, database: database,
                processID: question.server_pid, holds: question.holds))
    }

    private func fill(_ question: CtestQuestion, _ answer: inout CtestAnswer) {
        let (database, user) = names(question)
        var reply = Reply(pool: pool, address: address)
        if question.kind == Kind.confirm.rawValue { reply.agent = agents[question.server_pid] ?? 0 }
        for key in [database, user, "\(database)/\(user)"] { replies[key]?(&reply) }
        forgetTexts()
        answer.method = reply.method.rawValue
        // Each kind of question has its own reasons to be refused.
        answer.refusal = question.kind == Kind.login.rawValue ? keep(reply.refusal) : nil
        answer.failure = keep(reply.failure)
        answer.secret = keep(reply.secret)
        answer.database_id = question.database_id
        answer.user_id = question.user_id
        answer.facts = reply.facts
        answer.pool_mode = reply.pool.mode.rawValue
        answer.pool_size = reply.pool.size
        answer.min_pool_size = reply.pool.least
        answer.max_db_connections = reply.pool.ofDatabase
        answer.max_user_connections = reply.pool.ofUser
        answer.server_lifetime = reply.pool.lifetime
        answer.client_idle_timeout = reply.pool.clientIdle
        answer.idle_transaction_timeout = reply.pool.idleTransaction
        answer.server = keep(reply.address)
        answer.server_user = keep(user)
        answer.server_database = keep(database)
        answer.server_slot = reply.agent
        answer.may_share = reply.mayShare
        answer.must_become = mustBecome(question, user)
    }

    /// A server of such a user has logged in as the owner, once each.
    private func mustBecome(_ question: CtestQuestion, _ user: String) -> Bool {
        if question.kind == Kind.route.rawValue { isAsOwner[user] = question.holds & 4 == 0 }
        guard question.kind == Kind.confirm.rawValue, owners.contains(user), isAsOwner[user] == true else {
            return false
        }
        return become.insert(question.server_pid).inserted
    }

    private func keep(_ text: String?) -> UnsafePointer<CChar>? {
        guard let text else { return nil }
        let bytes = Array(text.utf8CString)
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        texts.append(copy)
        return UnsafePointer(copy)
    }

    private func forgetTexts() {
        for text in texts { text.deallocate() }
        texts = []
    }

    /// The answers to all questions that wait, each with the thread that asked; the caller's to pass on.
    func takeAnswers() -> [(thread: Int, answer: UnsafeMutableRawPointer)] {
        defer { waiting = [] }
        return waiting.map { question in
            var answer = CtestAnswer()
            answer.kind = question.kind
            answer.thread = question.thread
            answer.slot = question.slot
            answer.generation = question.generation
            fill(question, &answer)
            return (Int(question.thread), ctest_answer_new(&answer))
        }
    }
}
