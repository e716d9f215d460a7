import TestSupport
import Wire

/// What a client's message will make the server do, beyond what its tag says.
enum Step: Equatable {
    case rows, empty, copyIn, copyOut
    /// Opens, ends a transaction.
    case begin, commit
}

struct ClientMessage: Equatable {
    var tag: UInt8
    /// Statements of a Query (any number), or the one of an Execute.
    var steps: [Step] = []

    init(_ character: Character, _ steps: [Step] = []) {
        tag = character.asciiValue ?? 0
        self.steps = steps
    }
}

struct ServerMessage: Equatable, CustomStringConvertible {
    var tag: UInt8
    var status = TransactionStatus.idle

    init(_ character: Character) { tag = character.asciiValue ?? 0 }

    static func ready(_ status: UInt8) -> ServerMessage {
        var message = ServerMessage("Z")
        message.status = status
        return message
    }

    /// An error's SQLSTATE is a timeout's.
    var isTimeout = false

    var bytes: [UInt8] {
        switch tag {
        case BackendTag.readyForQuery: frame(tag, [status])
        case BackendTag.errorResponse: frame(tag, Array("SERROR\0C\(isTimeout ? "57014" : "22P02")\0\0".utf8))
        default: frame(tag)
        }
    }

    var description: String {
        let letter = String(decoding: [tag], as: UTF8.self)
        return tag == BackendTag.readyForQuery ? letter + String(decoding: [status], as: UTF8.self) : letter
    }
}

/// PostgreSQL's own rules for which message is answered by what, as src/backend/tcop/postgres.c
/// (PostgresMain, SocketBackend) and src/backend/commands/copyfromparse.c (CopyGetData) have them.
/// What statements do, and where they fail, is chance.
struct ServerModel {
    enum State: Equatable {
        case normal
        /// After an error in an extended-query message: everything up to Sync is read and dropped.
        case skipping
        /// In COPY FROM STDIN; with it the statements of the Query still to run.
        case copying(extended: Bool, left: [Step])
        /// It has closed the connection.
        case dead
    }

    /// A message that has no place in COPY IN: since PostgreSQL 14 the error comes before the
    /// message's body is read, which costs the connection; earlier it was read and dropped.
    let strict: Bool
    /// Per hundred.
    let errors: Int
    /// Where it is blocked when it has nothing to read: behind a ReadyForQuery outside a
    /// transaction, where an agent attaches the next client; else in PostgreSQL's own read,
    /// which takes what comes for the client it has.
    private(set) var waitsForClient = true
    /// Extended messages since the last Sync have been executed: statement_timeout runs.
    private var isTimed = false
    private(set) var state = State.normal
    private(set) var status = TransactionStatus.idle

    init(strict: Bool, errors: Int) {
        self.strict = strict
        self.errors = errors
    }

    /// Reads one message and answers.
    mutating func read(_ message: ClientMessage, _ random: inout SeededGenerator) -> [ServerMessage] {
        let wasNormal = state == .normal
        let answers =
            switch state {
            case .dead: [ServerMessage]()
            case .skipping: message.tag == FrontendTag.sync ? sync(&random) : []
            case .copying(let extended, let left): copy(message, extended: extended, left: left, &random)
            case .normal: readNormally(message, &random)
            }
        waitsForClient = answers.last == .ready(TransactionStatus.idle)
        if wasNormal && Self.timed.contains(message.tag) { isTimed = true }
        if answers.last?.tag == BackendTag.readyForQuery || state == .skipping { isTimed = false }
        return answers
    }

    private static let timed: [UInt8] = [
        FrontendTag.parse, FrontendTag.bind, FrontendTag.describe, FrontendTag.execute, FrontendTag.close,
    ]

    /// Reads the worker's own Sync behind messages without an answer: nothing is left to fail.
    mutating func readFence() -> [ServerMessage] {
        guard state == .normal else { return [] }
        waitsForClient = status == TransactionStatus.idle
        return [.ready(status)]
    }

    /// A cancel, a timeout, a trigger: COPY IN fails between two messages, also before it reads any.
    mutating func failCopying() -> [ServerMessage] {
        guard case .copying(let extended, _) = state else { return [] }
        let answers = fail(extended: extended)
        isTimed = false
        waitsForClient = answers.last == .ready(TransactionStatus.idle)
        return answers
    }

    private mutating func readNormally(
        _ message: ClientMessage, _ random: inout SeededGenerator
    ) -> [ServerMessage] {
        switch message.tag {
        case FrontendTag.query:
            return run(message.steps, extended: false, &random)
        case FrontendTag.functionCall:
            return random.chance(errors)
                ? fail(extended: false) : [ServerMessage("V"), .ready(status)]
        case FrontendTag.execute:
            return run(message.steps, extended: true, &random)
        case FrontendTag.parse, FrontendTag.bind, FrontendTag.close:
            if random.chance(errors) { return fail(extended: true) }
            let answers: [UInt8: Character] = [
                FrontendTag.parse: "1", FrontendTag.bind: "2", FrontendTag.close: "3",
            ]
            return [ServerMessage(answers[message.tag] ?? "?")]
        case FrontendTag.describe:
            if random.chance(errors) { return fail(extended: true) }
            return random.chance(50)
                ? [ServerMessage("n")] : [ServerMessage("t"), ServerMessage("T")]
        case FrontendTag.sync:
            return sync(&random)
        case FrontendTag.copyData, FrontendTag.copyDone, FrontendTag.copyFail:
            // what is left of a COPY that failed, or is out of place: a timeout is noticed when it was read
            return isTimed && random.chance(errors) ? fail(extended: false, isTimeout: true) : []
        default:
            return []
        }
    }

    /// Sync ends an implicit transaction, which may fail (a deferred constraint).
    private mutating func sync(_ random: inout SeededGenerator) -> [ServerMessage] {
        state = .normal
        return isTimed && random.chance(errors / 4) ? fail(extended: false) : [.ready(status)]
    }

    private mutating func fail(extended: Bool, isTimeout: Bool = false) -> [ServerMessage] {
        var error = ServerMessage("E")
        error.isTimeout = isTimeout
        if status == TransactionStatus.inTransaction { status = TransactionStatus.failed }
        state = extended ? .skipping : .normal
        return extended ? [error] : [error, .ready(status)]
    }

    private mutating func run(
        _ steps: [Step], extended: Bool, _ random: inout SeededGenerator
    ) -> [ServerMessage] {
        var answers: [ServerMessage] = []
        for (index, step) in steps.enumerated() {
            if random.chance(errors) { return answers + fail(extended: extended) }
            switch step {
            case .empty:
                answers.append(ServerMessage("I"))
            case .rows:
                if !extended { answers.append(ServerMessage("T")) }
                for _ in 0..<random.below(3) { answers.append(ServerMessage("D")) }
                answers.append(ServerMessage(extended && random.chance(20) ? "s" : "C"))
            case .copyOut:
                answers += [ServerMessage("H"), ServerMessage("d")]
                if random.chance(errors) { return answers + fail(extended: extended) }
                answers += [ServerMessage("c"), ServerMessage("C")]
            case .copyIn:
                answers.append(ServerMessage("G"))
                state = .copying(extended: extended, left: Array(steps[(index + 1)...]))
                // refused before the first row is read (a view, COPY FREEZE, a trigger)
                return random.chance(errors / 2) ? answers + fail(extended: extended) : answers
            case .begin:
                if status == TransactionStatus.idle { status = TransactionStatus.inTransaction }
                answers.append(ServerMessage("C"))
            case .commit:
                status = TransactionStatus.idle
                answers.append(ServerMessage("C"))
            }
        }
        state = .normal
        return extended ? answers : answers + [.ready(status)]
    }

    private mutating func copy(
        _ message: ClientMessage, extended: Bool, left: [Step], _ random: inout SeededGenerator
    ) -> [ServerMessage] {
        switch message.tag {
        case FrontendTag.flush, FrontendTag.sync:
            return []
        case FrontendTag.copyData:
            return random.chance(errors) ? fail(extended: extended) : []
        case FrontendTag.copyDone:
            if random.chance(errors) { return fail(extended: extended) }
            return [ServerMessage("C")] + run(left, extended: extended, &random)
        case FrontendTag.copyFail:
            return fail(extended: extended)
        default:
            if strict {
                state = .dead
                return [ServerMessage("E"), ServerMessage("E")]
            }
            return fail(extended: extended)
        }
    }
}
