import TestSupport
import Wire

/// Clients, servers and a clock that do what a seed says, on one engine thread or two; and what has to
/// be true of that at any time, and when all has come to rest:
///
/// - No client hears what is not the answer to its own request, in its own session's parameters.
/// - Answers come in order and whole, unless one end of the connection has ended.
/// - A transaction runs in one session, in which nothing of another client runs meanwhile.
/// - No statement runs twice, or overtakes an earlier one of its client.
/// - No server is lost, none is forgotten: what the worker counts is what there is.
/// - No client is forgotten: each gets its answer in the end, or hears why not.
final class Simulation {
    private var random: SeededGenerator
    private let world: World
    private var actors: [Actor] = []
    private var clients = 0
    private var other: Backend?
    private let mode: PoolTable.Mode
    /// Servers were closed, or could not be had.
    private var hasInjured = false
    /// The last statement of each client that has run.
    private var latest: [String: Int] = [:]
    /// By session, whose transaction is open.
    private var owners: [String: String] = [:]
    private var endings: Set<String> = []
    private(set) var problem: String?
    private(set) var trace: [String] = []
    /// The worker's log.
    var log: [String] { world.host.lines }

    private static let settings = [
        "query_wait_timeout": ["120", "3"], "cancel_wait_timeout": ["10", "2"],
        "server_connect_timeout": ["15", "1"], "server_idle_timeout": ["600", "1"],
        "server_login_retry": ["15", "1"],
    ]

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var settings: [String: String] = [:]
        for (name, values) in Self.settings.sorted(by: { $0.key < $1.key }) {
            settings[name] = values[random.below(2)]
        }
        world = World(threads: 1 + random.below(2), settings: settings)
        mode = [.transaction, .transaction, .transaction, .session, .statement][random.below(5)]
        world.host.pool.mode = mode
        world.host.pool.size = Int32(1 + random.below(3))
        // (a pool that lacks both the room of its database and that of its user waits for long)
        let limit = Int32([0, 0, 1, 3][random.below(4)])
        if random.below(2) == 0 { world.host.pool.ofDatabase = limit } else { world.host.pool.ofUser = limit }
        world.host.pool.lifetime = [3600, 2, 0][random.below(3)]
        if settings["query_wait_timeout"] == "3" { endings.insert("53300") }
        if settings["server_connect_timeout"] == "1" { endings.insert("08006") }
        if mode == .statement { endings.insert("0A000") }
        if random.below(3) == 0 {
            world.host.pool.clientIdle = 4
            endings.insert("57P05")
        }
        if random.below(3) == 0 {
            world.host.pool.idleTransaction = 3
            endings.insert("25P03")
        }
        if random.below(2) == 0 {
            let other = world.otherBackend()
            world.host.replies["hall"] = { $0.address = other.address }
            self.other = other
        }
        for backend in backends { backend.hears = { [unowned self] in hears($0, $1) } }
    }

    private var backends: [Backend] { [world.backend] + (other.map { [$0] } ?? []) }

    // MARK: the run

    /// Runs so many steps, then lets all come to rest.
    func run(steps: Int) {
        for _ in 0..<steps where problem == nil {
            step()
            for _ in 0..<random.below(6) { _ = world.turn(random.below(world.parts)) }
            if random.below(12) == 0 { world.settle() }
            read()
        }
        if problem == nil { calm() }
        if problem == nil { leave() }
    }

    private func note(_ what: String) { trace.append(what) }

    private func fail(_ what: String) { problem = problem ?? what }

    private func read() {
        for actor in actors {
            actor.endings = hasInjured ? endings.union(["08006", "57P01", "57P03"]) : endings
            actor.read()
            if let wrong = actor.problem { fail(wrong) }
        }
        actors.removeAll(where: \.isGone)
    }

    private func pick(_ suits: (Actor) -> Bool) -> Actor? {
        let able = actors.filter(suits)
        return able.isEmpty ? nil : able[random.below(able.count)]
    }

    private func step() {
        switch random.below(40) {
        case 0..<6: connect()
        case 6..<18: ask()
        case 18..<22: finish()
        case 22..<25: slow()
        case 25..<27: end()
        case 27..<29: injure()
        case 29..<32: cancel()
        case 32..<36: pass()
        case 36: reload()
        case 37: outage()
        default: world.settle()
        }
    }

    private func connect() {
        guard actors.count < 8 else { return }
        clients += 1
        let user = ["ann", "bob"][random.below(2)]
        let database = ["shop", "hall"][random.below(2)]
        let actor = Actor(
            world, name: "c\(clients)", user: user, database: database,
            thread: random.below(world.threads.count))
        note("\(actor.name) logs in to \(database) as \(user)")
        actors.append(actor)
        actor.login(&random)
    }

    private func ask() {
        if let actor = pick({ !$0.rest.isEmpty && !$0.isLeaving }), random.below(2) == 0 {
            note("\(actor.name) goes on")
            actor.sendRest(&random)
        } else if let actor = pick(\.mayAsk) {
            actor.ask(&random)
            note(
                "\(actor.name) asks \(actor.requests.last?.statements ?? []), \(actor.rest.count) bytes later"
            )
        }
    }

    private var sessions: [BackendSession] { backends.flatMap(\.sessions) }

    private func pickSession(_ suits: (BackendSession) -> Bool) -> BackendSession? {
        let able = sessions.filter(suits)
        return able.isEmpty ? nil : able[random.below(able.count)]
    }

    private func finish() {
        guard let session = pickSession(\.isHolding) else { return }
        note("session \(session.process) has run \(session.heard.last ?? "")")
        session.finish()
    }

    /// A session sends less than it could; or all.
    private func slow() {
        guard let session = pickSession(\.isLoggedIn) else { return }
        session.allowance = session.allowance == nil ? random.below(30) : nil
        note("session \(session.process) may send \(session.allowance.map(String.init) ?? "all")")
    }

    private func end() {
        guard let actor = pick({ !$0.isLeaving }) else { return }
        switch random.below(4) {
        case 0 where actor.rest.isEmpty && actor.isLoggedIn:
            note("\(actor.name) says Terminate")
            actor.leave()
        case 1:
            note("\(actor.name) ends its stream")
            actor.halfClose()
        default:
            note("\(actor.name) closes")
            actor.close()
        }
    }

    private func injure() {
        guard let session = pickSession({ _ in true }) else { return }
        note("session \(session.process) ends")
        injure([session])
        if random.below(3) == 0, session.isLoggedIn {
            session.refuse("57P01 terminated")
        } else {
            session.close()
        }
    }

    private func injure(_ sessions: [BackendSession]) {
        hasInjured = true
        for session in sessions {
            for actor in actors where actor.user == session.user && actor.database == session.database {
                actor.isInjured = true
            }
        }
    }

    private func cancel() {
        guard let actor = pick({ $0.isLoggedIn && !$0.isLeaving }) else { return }
        let isRight = random.below(4) != 0
        note("\(actor.name) is cancelled\(isRight ? "" : " with a wrong key")")
        let connection = world.connect(thread: random.below(world.threads.count))
        connection.send(
            StartupPacket.cancelPacket(
                processID: actor.client.process, secret: actor.client.secret ^ (isRight ? 0 : 1)))
        if isRight { actor.cancel(connection) }
        if random.below(5) == 0 { connection.close() }
        if !isRight { strangers.append(connection) }
    }

    /// Connections of cancel requests for nobody.
    private var strangers: [TestClient] = []

    private func pass() {
        let seconds = [0.01, 0.1, 0.4, 1.5][random.below(4)]
        note("\(seconds) s pass")
        world.advance(seconds: seconds)
        for (number, thread) in world.threads.enumerated() where random.below(4) != 0 || number == 0 {
            thread.keepHouse(world.now)
        }
    }

    private func reload() {
        world.host.pool.size = Int32(1 + random.below(3))
        note("pools may have \(world.host.pool.size) servers")
        world.reload()
    }

    private func outage() {
        let backend = backends[random.below(backends.count)]
        hasInjured = true
        for actor in actors { actor.isInjured = true }
        switch random.below(3) {
        case 0:
            note("a server refuses logins")
            backend.refusal = "57P03 the database system is starting up"
        case 1:
            note("a server takes no connections")
            backend.stopListening()
        default:
            note("a server is well again")
            heal(backend)
        }
    }

    private func heal(_ backend: Backend) {
        backend.refusal = nil
        backend.start()
    }

    // MARK: what servers see

    /// A statement runs: "WORD CLIENT-NUMBER", or one of the worker's own.
    private func hears(_ session: BackendSession, _ statement: String) {
        let key = "\(session.process)@\(session.database)"
        let parts = statement.split(separator: " ").last?.split(separator: "-") ?? []
        guard parts.count == 2, parts[0].hasPrefix("c"), let number = Int(parts[1]) else {
            if statement == "ROLLBACK" { owners[key] = nil }
            return
        }
        let name = String(parts[0])
        if session.parameters["application_name"] != name {
            fail("\(statement) runs with the parameters of \(session.parameters["application_name"] ?? "")")
        }
        if number <= latest[name] ?? 0 { fail("\(statement) runs behind \(latest[name] ?? 0)") }
        latest[name] = number
        if let owner = owners[key], session.status != TransactionStatus.idle, owner != name {
            fail("\(statement) runs in a transaction of \(owner)")
        }
        owners[key] = name
    }

    // MARK: the end

    /// Nothing is done to anybody any more: all that was asked has to be answered.
    private func calm() {
        note("calm")
        for backend in backends { heal(backend) }
        for round in 0..<200 where problem == nil {
            for session in sessions {
                session.allowance = nil
                session.finish()
            }
            for actor in actors where !actor.isLeaving {
                if !actor.rest.isEmpty { actor.sendRest() }
                guard !actor.isBusy else { continue }
                // who keeps a server lets others have it
                if mode == .session && round > 10 {
                    actor.leave()
                } else if actor.status != "I" {
                    actor.rollBack()
                }
            }
            world.settle()
            read()
            if round > 12 && isCalm { break }
            world.pass(seconds: 0.4)
            read()
        }
        if let actor = actors.first(where: { !$0.isAtRest }) {
            fail("\(actor.name) still waits for \(actor.requests.map(\.statements)), \(state)")
        }
        world.settle()
        checkCounts()
    }

    /// Nobody waits for anything.
    private var isCalm: Bool {
        let waiting = world.clients("waiting") + world.clients("welcome") + world.shared.queued
        return waiting == 0 && (mode == .session ? actors.isEmpty : actors.allSatisfy(\.isAtRest))
    }

    private var state: String {
        let limits = world.host.pool
        return "\(world.threads.map(\.clients)) \(world.threads.map(\.servers)) of \(sessions.map(\.state)), "
            + "limits \(limits.size) \(limits.ofDatabase) \(limits.ofUser)"
    }

    private func checkCounts() {
        if let complaint = world.complaints.first { fail(complaint) }
        let live = backends.flatMap(\.sessions).count
        if world.counted != live { fail("\(live) sessions, but \(world.counted) are counted, \(state)") }
        if world.shared.servers != live { fail("\(live) sessions, but \(world.shared.servers) sockets") }
        for database in ["shop", "hall"] {
            let known = world.shared.servers(database: world.host.number(database))
            let there = sessions.count { $0.database == database }
            if known != there { fail("\(there) sessions of \(database), but \(known) are counted") }
        }
        if world.shared.clients != actors.count {
            fail("\(actors.count) clients, but \(world.shared.clients) are counted, \(state)")
        }
        if world.clients("waiting") + world.clients("welcome") > 0 { fail("clients wait, \(state)") }
        if world.shared.queued > 0 { fail("pools wait for others") }
    }

    /// All clients leave, and servers are closed after them.
    private func leave() {
        note("all leave")
        for actor in actors { actor.leave() }
        world.settle()
        read()
        if !actors.isEmpty { fail("\(actors.map(\.name)) can't leave, \(state)") }
        world.pass(seconds: 20)
        if world.shared.clients != 0 { fail("\(world.shared.clients) clients are left, \(state)") }
        if world.servers("idle") != world.counted { fail("servers are not idle, \(state)") }
        checkCounts()
        world.pass(seconds: 700)
        if world.counted + sessions.count + world.shared.servers > 0 { fail("servers are left, \(state)") }
        checkCounts()
        let sets = world.threads.map(\.parameterSets).max() ?? 0
        if sets > 1 { fail("\(sets) sets of parameters are left") }
    }
}
