import Auth
import CWorker
import Engine
import Pooling
import Wire

/// What a client's login needs beyond its entry in the table, and the steps of that login: what has
/// come goes in, what comes next is returned. A class: it is found and changed step by step, and copies
/// would cost more than all else.
final class ClientLoginState {
    enum Phase {
        /// The startup packet is being read.
        case startup
        /// The host is asked.
        case asked
        /// Frames go to and fro.
        case exchange
        /// A hash runs on the hasher's thread.
        case hashing
        /// The client has proved who it is, and is told so before anything else.
        case proved
    }

    /// What comes next.
    enum Step {
        /// More bytes have to come.
        case needMore
        /// The client has said Terminate.
        case left
        /// The client's next frame.
        case wait
        case hash(HashJob)
        case refused(ErrorFields)
        /// The client is who it says.
        case proved
    }

    private(set) var phase = Phase.startup
    private(set) var startup = ClientStartup()
    private(set) var answer: LoginAnswer?
    /// The tracked parameters it has sent; nil where it has none. Where servers have agents
    /// it isn't looked at.
    private(set) var wanted: ParameterValues = ParameterSets.noValues
    /// What an agent has reported for what it has sent.
    private(set) var reported: [PoolRecord.Parameter] = []
    /// `Directory.reloads` when the agent was asked.
    private(set) var asked = 0
    /// A server has to be asked, though what it once said is known.
    private(set) var asksServer = false
    private var machine: ClientLogin?
    private var secret = Secret.none

    /// Reads one of the client's first packets.
    func readStartup(_ stream: inout Stream, _ terms: ClientStartup.Terms) -> ClientStartup.Step {
        let step = startup.read(&stream, terms)
        guard case .identified = step else { return step }
        do {
            // With OIDs it has to be known first whether there are agents.
            if !terms.keepsOIDs { try trackParameters(ignoring: terms.ignored) }
        } catch {
            return .refused(error)
        }
        phase = .asked
        return step
    }

    /// Without agents not all startup parameters can be taken; throws what the client is told then.
    func trackParameters(ignoring ignored: Set<String>) throws(ErrorFields) {
        wanted = try startup.trackedParameters(ignoring: ignored)
    }

    // MARK: the exchange

    /// The host has answered: the exchange begins. Appends frames for the client to `output`.
    func begin(_ answer: HostAnswer, _ verifiers: DerivedVerifiers, _ output: inout [UInt8]) -> Step {
        if let refusal = answer.refusal { return .refused(refusal) }
        guard let method = answer.method else {
            return .refused(ErrorFields(.fatal, "28000", "login refused"))
        }
        self.answer = LoginAnswer(answer)
        secret = Secret(stored: answer.secret)
        var machine = ClientLogin(
            method: method, user: startup.user,
            secret: method.takesDerivedVerifier ? verifiers.known(for: secret) : secret,
            mockMD5: answer.mockMD5, mockNonce: answer.mockNonce, random: randomBytes(method.randomSize))
        let step = machine.start(&output)
        self.machine = machine
        return goOn(step)
    }

    /// Takes one frame of the exchange off the client's input.
    func readExchange(_ stream: inout Stream, _ output: inout [UInt8]) -> Step {
        let limit = machine?.frameLimit ?? FrameLimit.login
        switch FrameHeader.read(stream.input.bytes, at: 0, limit: limit) {
        case .needMore:
            return .needMore
        case .malformed:
            return .refused(ErrorFields(.fatal, "08P01", "invalid message length"))
        case .header(let tag, let body):
            if tag == FrontendTag.terminate { return .left }
            guard tag == FrontendTag.password else {
                return .refused(
                    ErrorFields(.fatal, "08P01", "expected password response, got message type \(tag)"))
            }
            guard stream.input.count >= FrameHeader.size + body else { return .needMore }
            let frame = stream.input.array
            stream.input.drop(FrameHeader.size + body)
            if stream.input.isEmpty { stream.input.giveBack() }
            let step = machine?.received(tag, frame[FrameHeader.size..<FrameHeader.size + body], &output)
            return step.map(goOn) ?? .needMore
        }
    }

    /// A hash of the exchange is there. Returns nil if there is no exchange.
    func hashed(_ result: [UInt8], _ output: inout [UInt8]) -> Step? {
        let step = machine?.hashed(result, &output)
        return step.map(goOn)
    }

    private func goOn(_ step: ClientLogin.Step) -> Step {
        switch step {
        case .wait:
            phase = .exchange
            return .wait
        case .hash(let job):
            phase = .hashing
            return .hash(job)
        case .failed(let failure):
            return .refused(ErrorFields(failure))
        case .done:
            phase = .proved
            return .proved
        }
    }

    /// The client is who it says: all else must be right, too. It is counted in its pool then.
    /// - Returns: the pool; throws what the client is told if it may not have one.
    func enterPool(
        _ answer: LoginAnswer, _ directory: Directory, _ verifiers: DerivedVerifiers
    ) throws(ErrorFields) -> PoolRecord {
        verifiers.remember(machine?.verifier, for: secret)
        if let failure = answer.failure ?? startup.optionsFailure { throw failure }
        let record = directory.enter(
            databaseID: answer.databaseID, userID: answer.userID, shared: answer.mayShare,
            facts: answer.facts, user: String(decoding: startup.user, as: UTF8.self),
            database: String(decoding: startup.database, as: UTF8.self), settings: answer.settings,
            keys: machine?.keys, password: machine?.password)
        guard let record else {
            throw ErrorFields(
                .fatal, "53000", "too many pools",
                detail: "\(Directory.capacity) pools have clients or servers.",
                hint: "Use fewer databases and users at a time.")
        }
        machine = nil
        return record
    }

    // MARK: the welcome

    /// What the client is told of its session's parameters, by what servers of its pool have said.
    /// Returns nil if a server has to be asked.
    /// - Parameter hasIdle: one is idle.
    func welcome(
        _ directory: Directory, _ record: PoolRecord, hasIdle: Bool, _ now: UInt64
    ) -> PoolRecord.Welcome? {
        asksServer = directory.asksStandby(record, hasIdle: hasIdle, now)
        return asksServer ? nil : directory.welcome(wanted, record)
    }

    /// An agent is asked what the client's parameters come to.
    func asksAgent(_ directory: Directory) { asked = directory.locked { directory.reloads } }

    /// That agent has reported a parameter.
    func reports(_ name: [UInt8], _ value: [UInt8]) {
        if reported.count < Self.mostReported { reported.append((name, value)) }
    }

    private static let mostReported = 100
}

/// The part of a host's answer that is needed once the exchange is over.
struct LoginAnswer {
    let failure: ErrorFields?
    let databaseID: UInt32
    let userID: UInt32
    /// Its pool is the one that roles of its database share.
    let mayShare: Bool
    /// When what such a login takes on for its backend's life has changed last.
    let facts: UInt64
    let settings: CarpoolPoolSettings
    let roleSettings: RoleSettings

    init(_ answer: HostAnswer) {
        failure = answer.failure
        databaseID = answer.databaseID
        userID = answer.userID
        mayShare = answer.mayShare
        facts = answer.facts
        settings = answer.pool
        roleSettings = answer.roleSettings
    }
}
