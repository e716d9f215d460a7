import CSys
import CWorker
import Engine
import FixedStorage
import Pooling
import Wire

/// A client proves who it is, and enters its pool.
extension EngineThread {
    /// Asks the host about the client.
    mutating func askLogin(_ c: ClientIndex, _ login: ClientLoginState) {
        var question = question(.login, c.number, ends.clients.generation(c))
        question.client = ends.clients[c].stream.descriptor
        question.user = login.startup.user
        question.database = login.startup.database
        if !ask(question) {
            closeClient(
                c, .error(ErrorFields(.fatal, "53300", "too many logins at a time", hint: "Try again.")))
        }
    }

    func question(_ kind: HostAnswer.Kind, _ slot: UInt32, _ generation: UInt32) -> Question {
        Question(kind, thread: number, slot: slot, generation: generation)
    }

    /// Puts a question to the host; the answer comes by `answered`. False: it can't take any.
    mutating func ask(_ question: Question) -> Bool {
        switch shared.host.ask(question) {
        case .answered(let answer):
            agenda.post(answer)
            return true
        case .later: return true
        case .refused: return false
        }
    }

    /// The host has answered; the asker may be gone.
    mutating func answered(_ answer: HostAnswer) {
        switch answer.kind {
        case .login:
            let c = ClientIndex(answer.slot)
            guard ends.clients.generation(c) == answer.generation, ends.clients[c].state == .login else {
                return
            }
            loginAnswered(c, answer)
        case .route where answer.slot & Self.settingsSlots != 0:
            settingsAnswered(PoolIndex(answer.slot & ~Self.settingsSlots), answer)
        case .route:
            let s = ServerIndex(answer.slot)
            guard ends.servers.generation(s) == answer.generation, ends.servers[s].state == .routing else {
                return
            }
            routeAnswered(s, answer)
        case .confirm:
            let s = ServerIndex(answer.slot)
            guard ends.servers.generation(s) == answer.generation, ends.servers[s].state == .confirming else {
                return
            }
            confirmAnswered(s, answer)
        }
    }

    private mutating func loginAnswered(_ c: ClientIndex, _ answer: HostAnswer) {
        guard let login = logins[c] else { return }
        var output: [UInt8] = []
        let step = login.begin(answer, shared.verifiers, &output)
        goOn(c, login, step, output)
        if ends.clients[c].state == .login { readLogin(c) }
    }

    /// Takes one frame of the exchange; false when it has to wait.
    mutating func readExchange(_ c: ClientIndex) -> Bool {
        guard let login = logins[c] else { return false }
        var output: [UInt8] = []
        let step = login.readExchange(&ends.clients[c].stream, &output)
        if case .needMore = step { return receiveClient(c) }
        goOn(c, login, step, output)
        return ends.clients[c].state == .login
    }

    /// A hash of the exchange is there.
    mutating func clientHashed(_ c: ClientIndex, _ generation: UInt32, _ result: [UInt8]) {
        var output: [UInt8] = []
        guard ends.clients.generation(c) == generation, ends.clients[c].state == .login,
            let login = logins[c], let step = login.hashed(result, &output)
        else { return }
        goOn(c, login, step, output)
        if ends.clients[c].state == .login { readLogin(c) }
    }

    func hashAsker(client c: ClientIndex) -> Hasher.Asker {
        Hasher.Asker(thread: number, isClient: true, index: c.number, generation: ends.clients.generation(c))
    }

    private mutating func goOn(
        _ c: ClientIndex, _ login: ClientLoginState, _ step: ClientLoginState.Step, _ output: [UInt8]
    ) {
        if !output.isEmpty { send(c, output) }
        switch step {
        case .needMore, .wait: break
        case .left: closeClient(c, .clientLeft)
        case .hash(let job):
            shared.hasher.submit(job, for: hashAsker(client: c), owner: .user(login.startup.user))
        case .refused(let error): closeClient(c, .error(error))
        case .proved: enterPool(c, login)
        }
    }

    /// The client is who it says; now all else must be right too.
    private mutating func enterPool(_ c: ClientIndex, _ login: ClientLoginState) {
        guard let answer = login.answer else { return }
        let record: PoolRecord
        do {
            record = try login.enterPool(answer, shared.directory, shared.verifiers)
        } catch {
            return closeClient(c, .error(error))
        }
        let isNew = meetPool(record, answer.settings)
        let p = record.index
        raiseFacts(p, answer.facts)
        // No message came of what was raised before this thread met the pool.
        if isNew { _ = ends.pools.raiseFacts(p, shared.directory.locked { record.facts }) }
        ends.clients[c].entersPool(p, role: answer.userID, processID: logins.takeNumber(c))
        let entry = CworkerLedgerClient(
            process_id: ends.clients[c].processID, database_id: record.databaseID, user_id: answer.userID,
            thread: UInt32(number), fd: ends.clients[c].stream.descriptor)
        guard let ledger = shared.ledger.enter(entry) else {
            ends.pools.clientEntered(p)
            return closeClient(c, .error(room.refusal))
        }
        ends.clients[c].entersLedger(
            ledger, idleTimeout: Clock.nanoseconds(answer.settings.client_idle_timeout),
            transactionTimeout: Clock.nanoseconds(answer.settings.idle_transaction_timeout))
        ends.clients[c].shallRotate(tuning.test_rotate_servers)
        ends.clients[c].follows(ends.pools.mode(p))
        ends.pools.clientEntered(p)
        if tuning.log_connections {
            shared.log(
                .info, "\(describe(c)) login attempt: db=\(record.database) user=\(userName(c)) tls=no")
        }
        welcome(c)
    }

    /// This thread's view of a pool, with the settings of the latest login.
    /// - Returns: this thread has not known the pool before.
    @discardableResult
    mutating func meetPool(_ record: PoolRecord, _ settings: CarpoolPoolSettings) -> Bool {
        let p = record.index
        let (isNew, hasChanged) = ends.pools.meet(record, settings)
        if hasChanged {
            for c in ends.clients.indices where ends.clients[c].state != .gone && ends.clients[c].pool == p {
                ends.clients[c].follows(ends.pools.mode(p))
            }
        }
        return isNew
    }
}
