import CSys
import TestSupport
import Wire

/// One session of a scripted server. It answers a statement with a row that says the statement, the
/// session's application_name and its process id, so that a client sees whose session it was in. Some
/// statements do more:
///
///     begin, commit, rollback     as they say
///     set NAME to E'VALUE'        reports the value, if it is another one
///     discard all                 sets all back
///     fail …                      an error
///     hold …                      nothing, until `finish`, or until it is cancelled
///     copyin …                    COPY FROM STDIN
///     copyout …                   COPY TO STDOUT with one row
///     big N                       a row of N bytes
///     standby on|off              reports in_hot_standby
///     die                         57P01 and the end of the connection
///     crash                       the end of the connection
final class BackendSession {
    private enum Phase { case startup, password, ready, cancelRequest }

    let process: UInt32
    let key: UInt32
    private var socket: Socket
    private unowned let backend: Backend
    private var phase = Phase.startup
    private var input = FrameBuffer()
    private var output: [UInt8] = []
    private(set) var user = ""
    private(set) var database = ""
    private(set) var isLoggedIn = false
    private(set) var parameters: [String: String] = [:]
    private var first: [String: String] = [:]
    private(set) var status = TransactionStatus.idle
    /// Statements in the order in which they were run.
    private(set) var heard: [String] = []
    /// Tags of all messages of the client, after the login.
    private(set) var tags = ""
    /// A statement runs, and nothing more is read.
    private(set) var isHolding = false
    private(set) var isCopyingIn = false
    private(set) var copied = 0
    private var statements: [String: String] = [:]
    private var portal = ""
    /// After an error in the extended protocol all up to the Sync is skipped.
    private var skips = false
    /// What is to be done with the rest of a query behind what holds it up.
    private var rest: [String] = []
    private var isSimple = true
    private var isClosing = false
    private var door: ScramDoor?
    /// Bytes that may be sent, of those that there are; nil: all.
    var allowance: Int?
    /// The session says goodbye in this way once it is through with its answers: no more is read.
    var closesAfterAnswer = false
    /// Does something with each message before it is answered; true: that was all.
    var intercept: ((BackendSession, Frame) -> Bool)?
    /// Reads messages without a tag, as an agent does; takes bytes off the front.
    var readsPacket: ((BackendSession, [UInt8]) -> Int?)?

    init(_ socket: Socket, process: UInt32, _ backend: Backend) {
        self.socket = socket
        self.process = process
        self.backend = backend
        key = process &* 2_654_435_761
    }

    var isOpen: Bool { socket.isOpen }
    var isCancelRequest: Bool { phase == .cancelRequest }

    /// Whose session it is, and what it does.
    var state: String {
        let doing = isHolding ? "holding" : isCopyingIn ? "copying" : "waiting"
        return "\(process) \(database)/\(user) \(doing) after \(heard.suffix(3)) \(tags.suffix(8)), "
            + "\(unsent) bytes to say"
    }

    func close() { socket.close() }

    // MARK: input

    /// Takes what has come, answers it; false where nothing moves.
    func serve() -> Bool {
        guard isOpen else { return false }
        let came = socket.receive()
        input.append(came)
        var moved = !came.isEmpty
        while isOpen, !isHolding, !isClosing, step() { moved = true }
        if flush() { moved = true }
        if socket.hasEnded || (isClosing && output.isEmpty) {
            close()
            moved = true
        }
        return moved
    }

    private func step() -> Bool {
        switch phase {
        case .startup: return takeStartup()
        case .cancelRequest: return false
        case .password:
            guard let frame = input.next() else { return false }
            takePassword(frame)
            return true
        case .ready:
            if let readsPacket, let count = readsPacket(self, input.bytes) {
                input.drop(count)
                return true
            }
            guard let frame = input.next() else { return false }
            tags.append(Character(UnicodeScalar(frame.tag)))
            if intercept?(self, frame) != true { take(frame) }
            return true
        }
    }

    private func takeStartup() -> Bool {
        guard case .packet(let packet, let size) = StartupPacket.parse(input.bytes[...]) else { return false }
        input.drop(size)
        switch packet {
        case .cancelRequest(let process, let key):
            phase = .cancelRequest
            backend.cancel(process: process, key: key)
            if !backend.holdsCancels { close() }
        case .startup(_, let sent, _):
            for parameter in sent {
                if text(parameter.name) == "user" { user = text(parameter.value) }
                if text(parameter.name) == "database" { database = text(parameter.value) }
            }
            if let refusal = backend.refusal { refuse(refusal) } else if !backend.isMute { greet() }
        case .sslRequest, .gssEncryptionRequest: return false
        }
        return true
    }

    private func greet() {
        if let verifier = backend.verifier {
            phase = .password
            let door = ScramDoor(user: user, verifier: verifier)
            self.door = door
            output += door.start()
        } else if backend.password != nil {
            phase = .password
            output += written { $0.frame(BackendTag.authentication) { $0.int32(3) } }
        } else {
            welcome()
        }
    }

    private func takePassword(_ frame: Frame) {
        let isRight: Bool?
        if let door {
            let answer = door.take(frame)
            output += answer.output
            isRight = answer.isOver
        } else {
            isRight = text(frame.body.dropLast()) == backend.password
        }
        guard let isRight else { return }
        if isRight { welcome() } else { refuse("28P01 wrong password") }
    }

    /// Says all that a login ends with.
    func welcome() {
        phase = .ready
        isLoggedIn = true
        backend.began(self)
        output += written { $0.frame(BackendTag.authentication) { $0.int32(0) } }
        for (name, value) in backend.reported {
            parameters[name] = value
            output += written { $0.parameterStatus(bytes(name), bytes(value)) }
        }
        first = parameters
        output += written {
            $0.frame(BackendTag.backendKeyData) {
                $0.int32(process)
                $0.int32(key)
            }
            $0.readyForQuery()
        }
    }

    func refuse(_ error: String) {
        say(error: error, .fatal)
        isClosing = true
    }

    // MARK: output

    func say(_ bytes: [UInt8]) { output += bytes }

    func say(error: String, _ severity: ErrorFields.Severity = .error) {
        let parts = error.split(separator: " ", maxSplits: 1)
        output += ErrorFields(severity, String(parts[0]), parts.count > 1 ? String(parts[1]) : "").frame
    }

    /// Sends what may be sent; false where nothing was.
    private func flush() -> Bool {
        var sent = 0
        while !output.isEmpty {
            let count = min(output.count, allowance ?? output.count, backend.pieces ?? output.count)
            guard count > 0 else { break }
            let n = socket.send(output.prefix(count))
            guard n > 0 else { break }
            output.removeFirst(n)
            sent += n
            if let allowance { self.allowance = allowance - n }
            if backend.pieces != nil { break }
        }
        return sent > 0
    }

    var unsent: Int { output.count }

    // MARK: statements

    private func take(_ frame: Frame) {
        let name = { text(frame.body.prefix { $0 != 0 }) }
        if isCopyingIn { return takeCopy(frame) }
        if skips && frame.tag != FrontendTag.sync && frame.tag != FrontendTag.terminate { return }
        switch frame.tag {
        case FrontendTag.query:
            isSimple = true
            rest = name().split(separator: ";").map { $0.drop { $0 == " " }.description }
            if rest.isEmpty { output += message(BackendTag.emptyQueryResponse) }
            goOn()
        case FrontendTag.parse:
            var reader = ByteReader(frame.body)
            let statement = text(reader.string() ?? [])
            statements[statement] = text(reader.string() ?? [])
            output += message(BackendTag.parseComplete)
        case FrontendTag.bind:
            var reader = ByteReader(frame.body)
            _ = reader.string()
            portal = statements[text(reader.string() ?? [])] ?? "fail unknown statement"
            output += message(BackendTag.bindComplete)
        case FrontendTag.describe:
            output += message(BackendTag.noData)
        case FrontendTag.close:
            output += message(BackendTag.closeComplete)
        case FrontendTag.execute:
            isSimple = false
            rest = [portal]
            goOn()
        case FrontendTag.sync:
            skips = false
            ready()
        case FrontendTag.terminate:
            // behind what is still to be said
            isClosing = true
        default: break
        }
    }

    private func takeCopy(_ frame: Frame) {
        switch frame.tag {
        case FrontendTag.copyData: copied += 1
        case FrontendTag.copyDone:
            isCopyingIn = false
            complete("COPY")
            goOn()
        case FrontendTag.copyFail:
            isCopyingIn = false
            fail("57014 COPY failed")
        default: break
        }
    }

    /// Runs what is left of the statements of a message.
    private func goOn() {
        while !rest.isEmpty, isOpen, !isClosing {
            guard run(rest.removeFirst()) else { return }
        }
        if isSimple, isOpen, !isClosing { ready() }
    }

    /// Runs one statement; false where the rest has to wait, or is dropped.
    private func run(_ statement: String) -> Bool {
        heard.append(statement)
        backend.hears(self, statement)
        let words = statement.lowercased().split(separator: " ")
        let word = words.first.map(String.init) ?? ""
        if status == TransactionStatus.failed && word != "rollback" && word != "commit" {
            fail("25P02 current transaction is aborted")
            return false
        }
        switch word {
        case "begin": status = TransactionStatus.inTransaction
        case "commit", "rollback": status = TransactionStatus.idle
        case "set": set(statement)
        case "discard": for (name, value) in first { report(name, value) }
        case "standby": report("in_hot_standby", words.count > 1 ? String(words[1]) : "off")
        case "fail":
            fail("22012 \(statement)")
            return false
        case "hold":
            isHolding = true
            return false
        case "copyin":
            isCopyingIn = true
            output += written { $0.frame(BackendTag.copyInResponse) { $0.raw([0, 0, 0]) } }
            return false
        case "copyout":
            output += written { $0.frame(BackendTag.copyOutResponse) { $0.raw([0, 0, 0]) } }
            output += message(BackendTag.copyData, statement) + message(BackendTag.copyDone)
        case "big": row(String(repeating: "x", count: words.count > 1 ? Int(words[1]) ?? 0 : 0))
        case "die":
            say(error: "57P01 terminated", .fatal)
            isClosing = true
            return false
        case "crash":
            output = []
            close()
            return false
        default: row(statement)
        }
        complete(word.uppercased())
        return true
    }

    private func row(_ text: String) {
        let shown = "\(text)@\(parameters["application_name"] ?? "")#\(process)"
        output += written {
            $0.frame(BackendTag.dataRow) {
                $0.int16(1)
                $0.int32(UInt32(shown.utf8.count))
                $0.raw(shown.utf8)
            }
        }
    }

    private func set(_ statement: String) {
        let words = statement.split(separator: " ", maxSplits: 3).map(String.init)
        guard words.count == 4, let quoted = words[3].firstIndex(of: "'") else { return }
        report(words[1], String(words[3][quoted...].dropFirst().dropLast()))
    }

    /// Reports a parameter if it has another value than before.
    func report(_ name: String, _ value: String) {
        guard parameters[name] != value else { return }
        parameters[name] = value
        output += written { $0.parameterStatus(bytes(name), bytes(value)) }
    }

    private func complete(_ tag: String) {
        output += written { $0.frame(BackendTag.commandComplete) { $0.string(tag) } }
    }

    private func fail(_ error: String) {
        say(error: error)
        rest = []
        if status == TransactionStatus.inTransaction { status = TransactionStatus.failed }
        if isSimple { ready() } else { skips = true }
    }

    func ready() {
        output += written { $0.readyForQuery(status) }
        if closesAfterAnswer { isClosing = true }
    }

    // MARK: what an agent does

    /// The session is that of a client with this application_name.
    func become(_ name: String) { parameters["application_name"] = name }

    /// Commits, and says something in front of the ReadyForQuery.
    func commit(saying bytes: [UInt8]) {
        heard.append("commit")
        status = TransactionStatus.idle
        complete("COMMIT")
        output += bytes
        ready()
    }

    // MARK: what a test does

    /// The statement that is held has run.
    func finish() {
        guard isHolding else { return }
        isHolding = false
        row(heard.last ?? "")
        complete("HOLD")
        goOn()
    }

    /// A cancel request; true if something ran.
    func cancel() -> Bool {
        if isHolding {
            isHolding = false
            fail("57014 canceling statement due to user request")
            return true
        }
        guard isCopyingIn else { return false }
        isCopyingIn = false
        fail("57014 canceling statement due to user request")
        return true
    }
}
