import Auth
import CSys
import CWorker
import Engine
import FixedStorage
import Pooling
import Wire

/// A client proves who it is, and enters its pool.
extension EngineThread {
    /// Asks the host about the client.
    mutating func askLogin(_ c: ClientIndex) {
        guard let login = logins[c] else { return }
        login.phase = .asked
        var question = question(.login, c.number, ends.clients.generation(c))
        question.client = ends.clients[c].stream.descriptor
        question.user = login.user
        question.database = login.database
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
        if let refusal = answer.refusal { return closeClient(c, .error(refusal)) }
        let method: LoginMethod
        switch answer.method {
        case .trust: method = .trust
        case .password: method = .password
        case .md5: method = .md5
        case .scram: method = .scram
        case .refuse: return closeClient(c, .error(ErrorFields(.fatal, "28000", "login refused")))
        }
        login.answer = LoginAnswer(
            failure: answer.failure, databaseID: answer.databaseID, userID: answer.userID,
            mayShare: answer.mayShare, facts: answer.facts, settings: answer.pool,
            roleSettings: answer.roleSettings)
        let secret = Secret(stored: answer.secret)
        login.secret = secret
        var machine = ClientLogin(
            method: method, user: login.user,
            secret: method == .scram ? shared.verifiers.known(for: secret) : secret,
            mockMD5: answer.mockMD5, mockNonce: answer.mockNonce,
            random: method == .trust ? [] : randomBytes(48))
        var output: [UInt8] = []
        let step = machine.start(&output)
        login.machine = machine
        loginStep(c, step, output)
        if ends.clients[c].state == .login { readLogin(c) }
    }

    /// Takes one frame of the exchange; false when it has to wait.
    mutating func readExchange(_ c: ClientIndex) -> Bool {
        let input = ends.clients[c].stream.input
        let limit = logins[c]?.machine?.frameLimit ?? FrameLimit.login
        switch FrameHeader.read(input.bytes, at: 0, limit: limit) {
        case .needMore:
            return receiveClient(c)
        case .malformed:
            closeClient(c, .error(ErrorFields(.fatal, "08P01", "invalid message length")))
            return false
        case .header(let tag, let body):
            if tag == FrontendTag.terminate {
                closeClient(c, .clientLeft)
                return false
            }
            guard tag == FrontendTag.password else {
                closeClient(
                    c,
                    .error(
                        ErrorFields(.fatal, "08P01", "expected password response, got message type \(tag)")))
                return false
            }
            guard input.count >= FrameHeader.size + body else { return receiveClient(c) }
            let frame = input.array
            ends.clients[c].stream.input.drop(FrameHeader.size + body)
            if ends.clients[c].stream.input.isEmpty { ends.clients[c].stream.input.giveBack() }
            var output: [UInt8] = []
            guard
                let step = logins[c]?.machine?.received(
                    tag, frame[FrameHeader.size..<FrameHeader.size + body], &output)
            else { return false }
            loginStep(c, step, output)
            return ends.clients[c].state == .login
        }
    }

    /// A hash of the exchange is there.
    mutating func clientHashed(_ c: ClientIndex, _ generation: UInt32, _ result: [UInt8]) {
        var output: [UInt8] = []
        guard ends.clients.generation(c) == generation, ends.clients[c].state == .login,
            let step = logins[c]?.machine?.hashed(result, &output)
        else { return }
        loginStep(c, step, output)
        if ends.clients[c].state == .login { readLogin(c) }
    }

    func hashAsker(client c: ClientIndex) -> Hasher.Asker {
        Hasher.Asker(thread: number, isClient: true, index: c.number, generation: ends.clients.generation(c))
    }

    private mutating func loginStep(_ c: ClientIndex, _ step: ClientLogin.Step, _ output: [UInt8]) {
        if !output.isEmpty { send(c, output) }
        switch step {
        case .wait:
            logins[c]?.phase = .exchange
        case .hash(let job):
            logins[c]?.phase = .hashing
            shared.hasher.submit(job, for: hashAsker(client: c), owner: .user(logins[c]?.user ?? []))
        case .failed(let failure):
            closeClient(c, .error(ErrorFields(failure)))
        case .done:
            enterPool(c)
        }
    }

    /// The client is who it says; now all else must be right too.
    private mutating func enterPool(_ c: ClientIndex) {
        guard let login = logins[c], let answer = login.answer else { return }
        login.isProved = true
        shared.verifiers.remember(login.machine?.verifier, for: login.secret)
        if let failure = answer.failure ?? login.optionsFailure { return closeClient(c, .error(failure)) }
        let record = shared.directory.enter(
            databaseID: answer.databaseID, userID: answer.userID, shared: answer.mayShare,
            facts: answer.facts, user: String(decoding: login.user, as: UTF8.self),
            database: String(decoding: login.database, as: UTF8.self), settings: answer.settings,
            keys: login.machine?.keys, password: login.machine?.password)
        guard let record else {
            return closeClient(
                c,
                .error(
                    ErrorFields(
                        .fatal, "53000", "too many pools",
                        detail: "\(Directory.capacity) pools have clients or servers.",
                        hint: "Use fewer databases and users at a time.")))
        }
        login.machine = nil
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
            return closeClient(c, .error(tooManyClients))
        }
        ends.clients[c].entersLedger(
            ledger, idleTimeout: Clock.nanoseconds(answer.settings.client_idle_timeout),
            transactionTimeout: Clock.nanoseconds(answer.settings.idle_transaction_timeout))
        ends.clients[c].shallRotate(settings.test_rotate_servers)
        ends.clients[c].follows(ends.pools.mode(p))
        ends.pools.clientEntered(p)
        if settings.log_connections {
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
