import TestSupport
import Wire

/// A request of a simulated client: what it sends, and what it has to hear.
struct Request {
    let statements: [String]
    let isExtended: Bool
    let bytes: [UInt8]
    /// The client was cancelled while it waited for the answer, or just before.
    var mayBeCancelled = false

    init(_ statements: [String], isExtended: Bool) {
        self.statements = statements
        self.isExtended = isExtended
        if isExtended {
            bytes = statements.flatMap { execution($0) } + sync
        } else {
            let copies = statements[0].hasPrefix("copyin")
            let data = message(FrontendTag.copyData, "x") + message(FrontendTag.copyDone)
            bytes = query(statements[0]) + (copies ? data : [])
        }
    }

    /// Tags of the answer to a session in this state, its rows without their session, and the state then.
    func answer(_ status: Character) -> (tags: String, rows: [String], status: Character) {
        var (tags, rows, status) = ("", [String](), status)
        for statement in statements {
            let word = statement.prefix { $0 != " " }
            if isExtended { tags += "12" }
            if status == "E" && word != "rollback" && word != "commit" {
                tags += "E"
                break
            }
            switch word {
            case "begin": status = "T"
            case "commit", "rollback": status = "I"
            case "fail":
                tags += "E"
                if status == "T" { status = "E" }
            case "copyin": tags += "G"
            default:
                tags += "D"
                rows.append(statement)
            }
            if word == "fail" { break }
            tags += "C"
        }
        return (tags + "Z", rows, status)
    }
}

/// A simulated client, with a model of what it may hear.
final class Actor {
    let name: String
    let user: String
    let database: String
    let client: TestClient
    /// Requests that are not answered yet; the login is none.
    private(set) var requests: [Request] = []
    /// Bytes of the last request that are still to be sent.
    private(set) var rest: [UInt8] = []
    private var answer: [Frame] = []
    private(set) var isLoggedIn = false
    private(set) var status: Character = "I"
    /// Sessions that the open transaction has run in.
    private var sessions: Set<String> = []
    private var count = 0
    /// It said Terminate, or ended its stream.
    private(set) var isLeaving = false
    private(set) var hasHalfClosed = false
    /// Its connection has ended.
    private(set) var isGone = false
    /// Something was done to the servers of its pool while it may have had one.
    var isInjured = false
    /// Connections of cancel requests for it that have not ended.
    private var cancels: [TestClient] = []
    /// SQLSTATEs that may end it.
    var endings: Set<String> = []
    /// What went wrong.
    private(set) var problem: String?

    init(_ world: World, name: String, user: String, database: String, thread: Int) {
        self.name = name
        self.user = user
        self.database = database
        client = world.connect(thread: thread)
    }

    var isBusy: Bool { !isLoggedIn || !requests.isEmpty || !rest.isEmpty }
    var isAtRest: Bool { !isBusy && !isLeaving && status == "I" }
    var mayAsk: Bool { !isLeaving && !isGone && rest.isEmpty && requests.count < 4 }

    // MARK: what it does

    /// Sends its login, in pieces, or with a request behind it.
    func login(_ random: inout SeededGenerator) {
        let packet = TestClient.startup(user: user, database: database, name: name)
        if random.below(4) == 0 {
            send(packet, &random)
        } else if random.below(3) == 0 {
            let request = makeRequest(&random)
            requests.append(request)
            send(packet + request.bytes, &random)
        } else {
            client.send(packet)
        }
    }

    func ask(_ random: inout SeededGenerator) {
        let request = makeRequest(&random)
        ask(request)
        send(request.bytes, &random)
    }

    private func ask(_ request: Request) {
        requests.append(request)
        requests[requests.count - 1].mayBeCancelled = !cancels.isEmpty
    }

    /// Sends all, or a part now and the rest later.
    private func send(_ bytes: [UInt8], _ random: inout SeededGenerator) {
        let count = random.below(3) == 0 ? random.below(bytes.count) : bytes.count
        client.send(Array(bytes.prefix(count)))
        rest = Array(bytes.dropFirst(count))
    }

    func sendRest(_ random: inout SeededGenerator) { send(rest, &random) }

    func sendRest() {
        client.send(rest)
        rest = []
    }

    private func makeRequest(_ random: inout SeededGenerator) -> Request {
        if random.below(4) == 0 {
            return Request((0...random.below(3)).map { _ in statement(&random) }, isExtended: true)
        }
        return Request([random.below(12) == 0 ? tagged("copyin") : statement(&random)], isExtended: false)
    }

    private func statement(_ random: inout SeededGenerator) -> String {
        let words = ["select", "select", "select", "begin", "commit", "rollback", "fail", "hold"]
        return tagged(words[random.below(words.count)])
    }

    private func tagged(_ word: String) -> String {
        count += 1
        return "\(word) \(name)-\(count)"
    }

    /// Brings an open transaction to its end.
    func rollBack() {
        let request = Request([tagged("rollback")], isExtended: false)
        ask(request)
        client.send(request.bytes)
    }

    func leave() {
        client.send(terminate)
        isLeaving = true
    }

    func halfClose() {
        client.endOutput()
        isLeaving = true
        hasHalfClosed = true
    }

    func close() {
        client.close()
        isGone = true
    }

    func cancel(_ connection: TestClient) {
        cancels.append(connection)
        for index in requests.indices { requests[index].mayBeCancelled = true }
    }

    // MARK: what it hears

    func read() {
        cancels.removeAll {
            _ = $0.read()
            return $0.hasEnded
        }
        guard !isGone else { return }
        client.flush()
        for frame in client.read() where problem == nil { hear(frame) }
        if client.hasEnded && problem == nil { ended() }
    }

    private func fail(_ what: String) { problem = problem ?? "\(name): \(what)" }

    private func hear(_ frame: Frame) {
        if let error = frame.error, error.severity == .fatal {
            if !endings.contains(error.sqlstate) { fail("ended by \(error)") }
            isInjured = true
            return
        }
        guard isLoggedIn else { return hearLogin(frame) }
        guard !requests.isEmpty else { return fail("heard \(frame) without having asked") }
        answer.append(frame)
        if frame.tag == BackendTag.readyForQuery { check() }
    }

    private func hearLogin(_ frame: Frame) {
        switch frame.tag {
        case BackendTag.authentication, BackendTag.parameterStatus, BackendTag.backendKeyData: break
        case BackendTag.readyForQuery:
            isLoggedIn = true
            if client.parameters["application_name"] != name { fail("is called \(client.parameters)") }
        default: fail("heard \(frame) in its login")
        }
    }

    /// A whole answer has come.
    private func check() {
        let request = requests.removeFirst()
        let expected = request.answer(status)
        let (tags, heard) = (answer.tags, answer.status ?? "?")
        let isCancelled = request.mayBeCancelled && answer.states == ["57014"]
        if isCancelled {
            let before = tags.dropLast(2)
            if !expected.tags.hasPrefix(before) { fail("heard \(answer) for \(request.statements)") }
        } else if tags != expected.tags || heard != expected.status {
            fail("heard \(answer) for \(request.statements) in state \(status), not \(expected)")
        }
        let suffixes = zip(answer.rows, expected.rows).map { row, text -> String in
            guard row.hasPrefix("\(text)@\(name)#") else {
                fail("heard \(row) for \(text)")
                return ""
            }
            return row.split(separator: "#").last.map(String.init) ?? ""
        }
        note(suffixes, request, heard)
        answer = []
    }

    /// Rows of one transaction come from one session.
    private func note(_ places: [String], _ request: Request, _ heard: Character) {
        let mayBegin = request.statements.contains { $0.hasPrefix("begin") }
        let mayEnd = request.statements.contains { $0.hasPrefix("commit") || $0.hasPrefix("rollback") }
        if status != "I" && !mayBegin && !mayEnd {
            sessions.formUnion(places)
            if sessions.count > 1 { fail("its transaction ran in sessions \(sessions)") }
        } else {
            sessions = []
        }
        status = heard
        if heard == "I" { sessions = [] }
        if requests.isEmpty && heard == "I" { isInjured = false }
    }

    /// The connection has ended.
    private func ended() {
        isGone = true
        let isComplete = requests.isEmpty && answer.isEmpty && rest.isEmpty && client.partial == 0
        // in the middle of a server's message there is no place for a reason
        if client.partial > 0 && !endings.isEmpty { isInjured = true }
        let mayLack = isInjured || hasHalfClosed || !rest.isEmpty
        if !isLeaving && !isInjured {
            fail("its connection has ended without a reason")
        } else if !isComplete && !mayLack {
            fail("its connection has ended before \(requests.map(\.statements)) were answered")
        }
        client.close()
    }
}
