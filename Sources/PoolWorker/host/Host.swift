import Auth
import CLedger
import CWorker
import Engine
import Wire

/// The program that runs the worker; chost.h says what it does for it. Any thread may call it.
@safe
struct Host: @unchecked Sendable {
    enum Level: UInt32 { case debug, info, warning, error }

    private let host: OpaquePointer

    @unsafe
    init(_ host: OpaquePointer) { unsafe self.host = host }

    /// "pg_carpool" or "pgpool-launch".
    var name: String { unsafe String(cString: cworker_host_name(host)) }

    /// Pools are keyed by OIDs, and the host confirms servers.
    var keepsOIDs: Bool { unsafe cworker_host_keeps_oids(host) }

    /// Servers there may be at a time, as far as the host knows.
    var mostServers: Int { unsafe Int(cworker_host_most_servers(host)) }

    /// Nil: the host's servers have no agents.
    var ledger: UnsafeMutablePointer<CledgerHeader>? { unsafe cworker_host_ledger(host) }

    func log(_ level: Level, _ line: String) {
        unsafe cworker_log(host, CarpoolLogLevel(level.rawValue), line)
    }

    /// Interrupts what a backend runs, before it returns; false when a CancelRequest has to.
    /// - Parameter slot: its agent's, which looks in the ledger whom it is for; 0: it has none.
    func interrupt(_ pid: Int32, slot: UInt32) -> Bool { unsafe cworker_cancel(host, pid, slot) }

    /// No pool of this database, or user, is left; 0: of that one there are more.
    func forget(database: UInt32, user: UInt32) { unsafe cworker_forget(host, database, user) }

    enum Asked {
        case answered(HostAnswer)
        /// The answer will come as a message.
        case later
        /// No more questions now.
        case refused
    }

    func ask(_ question: Question) -> Asked {
        var answer: OpaquePointer?
        let result = unsafe cString(question.user) { user in
            unsafe cString(question.database) { database in
                unsafe cworker_ask(
                    host, question.ticket, question.numbers, question.client, user, database, &answer)
            }
        }
        guard result == 1, let answer = unsafe answer else { return result == 0 ? .later : .refused }
        defer { unsafe cworker_answer_free(answer) }
        return unsafe .answered(HostAnswer(answer))
    }
}

/// A question to the host; see CarpoolQuestion.
struct Question {
    let ticket: CarpoolTicket
    var numbers = CarpoolQuestionNumbers()
    /// The client's socket, for its address and OS user; -1: it is not about a client.
    var client: Int32 = -1
    var user: [UInt8] = []
    var database: [UInt8] = []

    /// - Parameters:
    ///   - slot: of the client or server.
    init(_ kind: HostAnswer.Kind, thread: Int, slot: UInt32, generation: UInt32) {
        ticket = CarpoolTicket(
            thread: UInt32(thread), slot: slot, generation: generation, kind: kind.rawValue)
    }

    /// Sets a flag of CARPOOL_HOLDS_….
    mutating func holds(_ flag: Int) { numbers.holds |= UInt32(flag) }
}

/// Calls `body` with the bytes as a C string.
private func cString<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
    return unsafe terminated.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
}

/// A host's answer; see CarpoolAnswer for what is set when.
struct HostAnswer {
    enum Kind: UInt32 { case login, route, confirm }

    let kind: Kind
    let slot: UInt32
    let generation: UInt32
    /// Nil: none lets the client in.
    let method: LoginMethod?
    let mockMD5: Bool
    let mockNonce: [UInt8]
    let secret: [UInt8]
    let refusal: ErrorFields?
    let failure: ErrorFields?
    let databaseID: UInt32
    let userID: UInt32
    let pool: CarpoolPoolSettings
    let server: Connector
    let serverUser: [UInt8]
    let serverDatabase: [UInt8]
    /// What ALTER ROLE and ALTER DATABASE have set for the client.
    let roleSettings: RoleSettings
    /// In the ledger; 0: the server has no agent.
    let serverSlot: UInt32
    let mustBecome: Bool
    let mayShare: Bool
    /// Moments, see CarpoolAnswer.
    let facts: UInt64

    /// Reads an answer; it stays the caller's.
    @unsafe
    init(_ answer: OpaquePointer) {
        let (ticket, numbers) = unsafe (cworker_answer_ticket(answer), cworker_answer_numbers(answer))
        kind = Kind(rawValue: ticket.kind) ?? .confirm
        slot = ticket.slot
        generation = ticket.generation
        method = LoginMethod(rawValue: numbers.method)
        mockMD5 = numbers.mock_md5
        databaseID = numbers.database_id
        userID = numbers.user_id
        serverSlot = numbers.server_slot
        mustBecome = numbers.must_become
        mayShare = numbers.may_share
        facts = numbers.facts
        pool = numbers.pool
        unsafe mockNonce = Array(UnsafeBufferPointer(start: cworker_answer_nonce(answer), count: 32))
        let text = { (which: CworkerText) in
            unsafe Array(String(cString: cworker_answer_text(answer, Int32(which.rawValue))).utf8)
        }
        unsafe roleSettings = RoleSettings(
            bytes: Array(
                UnsafeRawBufferPointer(
                    start: cworker_answer_role_settings(answer),
                    count: Int(numbers.role_settings_size))))
        // A secret is bytes, which need not be UTF-8.
        unsafe secret = rawBytes(cworker_answer_text(answer, Int32(CWORKER_SECRET.rawValue)))
        unsafe serverUser = rawBytes(cworker_answer_text(answer, Int32(CWORKER_SERVER_USER.rawValue)))
        unsafe serverDatabase = rawBytes(cworker_answer_text(answer, Int32(CWORKER_SERVER_DATABASE.rawValue)))
        let error = { (first: CworkerText) -> ErrorFields? in
            let parts = (0..<4).map {
                String(decoding: text(CworkerText(rawValue: first.rawValue + $0)), as: UTF8.self)
            }
            guard !parts[0].isEmpty else { return nil }
            return ErrorFields(
                .fatal, parts[0], parts[1], detail: parts[2].isEmpty ? nil : parts[2],
                hint: parts[3].isEmpty ? nil : parts[3])
        }
        refusal = error(CWORKER_REFUSAL_STATE)
        failure = error(CWORKER_FAILURE_STATE)
        unsafe server = Connector(
            address: Array(
                UnsafeRawBufferPointer(
                    start: cworker_answer_server(answer), count: Int(min(numbers.server_size, 128)))))
    }
}

/// The first list of CLEDGER_START (cledger.h): settings made for a role or a database.
struct RoleSettings: Equatable {
    let bytes: [UInt8]

    /// The agents have to look for themselves.
    var areUnknown: Bool { bytes.first == UInt8(CLEDGER_ROLE_UNKNOWN) }
}

private func rawBytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
    guard let text = unsafe text else { return [] }
    var bytes: [UInt8] = []
    while case let byte = unsafe UInt8(bitPattern: text[bytes.count]), byte != 0 { bytes.append(byte) }
    return bytes
}

/// The settings as the worker uses them: the numbers, and the strings it reads while it runs.
struct WorkerSettings {
    /// The upper end of max_client_conn.
    static let mostClients = 100_000

    private(set) var tuning: CworkerTuning
    let listenAddresses: [String]
    let unixDirectory: String
    let resetQuery: [UInt8]
    let ignoredParameters: Set<String>

    @unsafe
    init(_ settings: OpaquePointer) {
        tuning = unsafe cworker_tuning(settings)
        let string = { (name: String) in unsafe String(cString: cworker_setting_text(settings, name)) }
        let list = { (name: String) in string(name).split { $0 == "," || $0 == " " }.map(String.init) }
        listenAddresses = list("listen_addr")
        unixDirectory = string("unix_socket_dir")
        resetQuery = Array(string("server_reset_query").utf8)
        ignoredParameters = Set(list("ignore_startup_parameters").map { $0.lowercased() })
    }

    /// Lowers max_client_conn to what there is room for; false when it had to be.
    @discardableResult
    mutating func limitClients(to most: Int) -> Bool {
        guard tuning.max_client_conn > most else { return true }
        tuning.max_client_conn = Int32(most)
        return false
    }
}
