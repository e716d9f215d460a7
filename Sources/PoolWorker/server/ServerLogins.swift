import Auth
import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// What servers of a thread need beside their entries: the logins under way, where each was opened and
/// takes cancel requests, and why the worker's own query failed.
struct ServerLogins: ~Copyable {
    private var logins: [ServerIndex: ServerLoginState] = [:]
    private var connectors: [ServerIndex: Connector] = [:]
    private var errors: [ServerIndex: ErrorFields] = [:]

    /// Where a server was opened; nil: it was not yet.
    func connector(_ s: ServerIndex) -> Connector? { connectors[s] }

    mutating func keep(_ connector: Connector?, _ s: ServerIndex) { connectors[s] = connector }

    /// A server has said something against the worker's own query.
    mutating func note(_ error: ErrorFields, _ s: ServerIndex) { errors[s] = error }

    func error(_ s: ServerIndex) -> ErrorFields? { errors[s] }

    mutating func takeError(_ s: ServerIndex) -> ErrorFields? { errors.removeValue(forKey: s) }

    /// The server is no server of this thread any more.
    mutating func forget(_ s: ServerIndex) {
        logins[s] = nil
        connectors[s] = nil
        errors[s] = nil
    }
}

/// Logins.
extension ServerLogins {
    /// Connects a server to where the host has said; its login begins when the connection is there.
    /// - Returns: 0, or an errno.
    mutating func open(
        _ s: ServerIndex, _ answer: HostAnswer, _ record: PoolRecord, _ ends: inout Ends,
        _ poller: borrowing Poller, _ shared: Shared
    ) -> Int32 {
        let connector = answer.server
        connectors[s] = connector
        let (keys, password) = shared.directory.locked { (record.keys, record.password) }
        var secret = Secret(stored: answer.secret)
        if case .password = secret {} else if let password { secret = .password(password) }
        logins[s] = ServerLoginState(
            ServerLogin(user: answer.serverUser, secret: secret, keys: keys, random: randomBytes(24)),
            role: answer.userID, isShared: record.isShared)
        let (stream, error) = connector.connect()
        guard error == 0 else { return error }
        ends.servers[s].connects(stream, ends.now)
        shared.countServer(1)
        // Over a Unix socket the backend sees whose process this is.
        let packet = startupPacket(answer, token: connector.isUnix ? nil : shared.ledger.token)
        let isWatched =
            ends.servers[s].stream.output.append(packet)
            && ends.servers[s].stream.watch(poller, ends.serverToken(s), output: true)
        return isWatched ? 0 : ENOMEM
    }

    private func startupPacket(_ answer: HostAnswer, token: StartupPacket.Parameter?) -> [UInt8] {
        var parameters: [StartupPacket.Parameter] = [
            .init(name: Array("user".utf8), value: answer.serverUser),
            .init(name: Array("database".utf8), value: answer.serverDatabase),
        ]
        if let token { parameters.append(token) }
        return StartupPacket.startupPacket(parameters)
    }

    /// What a message means for the login of a server.
    mutating func received(_ s: ServerIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) -> ServerLoginStep {
        logins[s]?.received(tag, body) ?? .wait
    }

    /// The hash is there that the login of a server has asked for.
    mutating func hashed(_ s: ServerIndex, _ result: [UInt8]) -> ServerLoginStep {
        logins[s]?.hashed(result) ?? .wait
    }

    /// A server that was logged in as the cluster's owner has to become its pool's role.
    mutating func becomes(_ s: ServerIndex) -> ServerLoginStep { logins[s]?.becomes() ?? .wait }

    /// The role of the first client of a server that logs in; nil: it doesn't.
    func role(_ s: ServerIndex) -> UInt32? { logins[s]?.role }

    /// A login is over. Returns the parameters that the server has reported.
    mutating func end(_ s: ServerIndex) -> [ServerLoginState.Parameter] {
        logins.removeValue(forKey: s)?.welcome ?? []
    }
}

/// What comes of a message during a server's login.
enum ServerLoginStep {
    /// The server has to say something first.
    case wait
    case send([UInt8])
    /// The result is for `hashed`.
    case hash(HashJob)
    /// A parameter of the session.
    case parameter(name: [UInt8], value: [UInt8])
    /// By what cancel requests know the server.
    case key(pid: Int32, key: UInt32)
    /// The server is ready for queries.
    case ready
    case failed(ErrorFields, ServerLoginFault)
}

/// Whom it concerns that a server could not be opened.
enum ServerLoginFault {
    /// The server (or the host) said no: waiting would not help the clients that need it, unless other
    /// servers of the pool live.
    case refused
    /// So would the servers of other pools at the same address.
    case refusedThere
    /// The server could not be reached, or made no sense: only clients that log in hear of it at once.
    case unreachable
    /// Nor could those of other pools at the same address.
    case nothingThere
    /// A backend can't become the pool's role as the cluster's owner: its servers log in as that role.
    case notAsOwner
    /// A backend for several roles could not become its first one, for what that role is: other roles may
    /// have a server.
    case roleRefused

    var isRefusal: Bool {
        switch self {
        case .refused, .refusedThere, .notAsOwner, .roleRefused: true
        case .unreachable, .nothingThere: false
        }
    }

    var isOfPlace: Bool {
        switch self {
        case .refusedThere, .nothingThere: true
        case .refused, .unreachable, .notAsOwner, .roleRefused: false
        }
    }
}

/// The login of a server, by what it says; of a pool of several roles it is for the first client's.
struct ServerLoginState {
    typealias Parameter = (name: [UInt8], value: [UInt8])

    private var machine: ServerLogin
    /// The role of its first client.
    let role: UInt32
    /// Its pool's servers serve several roles.
    private let isShared: Bool
    /// AuthenticationOk came.
    private var isAuthenticated = false
    /// Logged in as the cluster's owner, it has been told to become the pool's role.
    private var isBecoming = false
    /// Bytes of all parameters the server has reported.
    private var bytes = 0
    fileprivate private(set) var welcome: [Parameter] = []

    /// The most that a server may report; none of PostgreSQL does.
    private static let most = (bytes: 65_536, parameters: 100)

    init(_ machine: ServerLogin, role: UInt32, isShared: Bool) {
        self.machine = machine
        self.role = role
        self.isShared = isShared
    }

    fileprivate mutating func received(_ tag: UInt8, _ body: ArraySlice<UInt8>) -> ServerLoginStep {
        switch tag {
        case BackendTag.authentication where !isAuthenticated:
            var output: [UInt8] = []
            let step = machine.received(authentication: body, &output)
            return meaning(step, output)
        case BackendTag.errorResponse:
            let fields = ErrorFields(body: body)
            return .failed(fields, fault(fields))
        case BackendTag.noticeResponse, BackendTag.negotiateProtocolVersion:
            return .wait
        case BackendTag.parameterStatus where isAuthenticated:
            return reported(body)
        case BackendTag.backendKeyData where isAuthenticated:
            var reader = ByteReader(body)
            guard let pid = reader.int32(), let key = reader.int32() else { return Self.violation }
            return .key(pid: Int32(bitPattern: pid), key: key)
        case BackendTag.readyForQuery where isAuthenticated && body.first == TransactionStatus.idle:
            return .ready
        default:
            return Self.violation
        }
    }

    fileprivate mutating func hashed(_ result: [UInt8]) -> ServerLoginStep {
        var output: [UInt8] = []
        let step = machine.hashed(result, &output)
        return meaning(step, output)
    }

    fileprivate mutating func becomes() -> ServerLoginStep {
        if isBecoming {
            let fields = ErrorFields(.fatal, "58000", "the backend did not become its pool's role")
            return .failed(fields, isShared ? .refused : .notAsOwner)
        }
        isBecoming = true
        return .send([0, 0, 0, 4])
    }

    private mutating func meaning(_ step: ServerLogin.Step, _ output: [UInt8]) -> ServerLoginStep {
        switch step {
        case .wait: return output.isEmpty ? .wait : .send(output)
        case .hash(let job): return .hash(job)
        case .failed(let failure): return .failed(ErrorFields(failure), .refused)
        case .done:
            isAuthenticated = true
            return .wait
        }
    }

    /// Whom it concerns what the server has said against the login.
    private func fault(_ fields: ErrorFields) -> ServerLoginFault {
        if isBecoming {
            if fields.sqlstate == "0A000" { return isShared ? .refused : .notAsOwner }
            if isShared && ["28000", "55000"].contains(fields.sqlstate) { return .roleRefused }
        }
        return fields.isServerFull || fields.isServerDown ? .refusedThere : .refused
    }

    private mutating func reported(_ body: ArraySlice<UInt8>) -> ServerLoginStep {
        var reader = ByteReader(body)
        guard welcome.count < Self.most.parameters else { return Self.violation }
        guard let name = reader.string(), let value = reader.string() else { return .wait }
        bytes += name.count + value.count
        guard bytes <= Self.most.bytes else { return Self.violation }
        if let index = welcome.firstIndex(where: { $0.name == name }) {
            welcome[index].value = value
        } else {
            welcome.append((name, value))
        }
        return .parameter(name: name, value: value)
    }

    private static var violation: ServerLoginStep {
        .failed(
            ErrorFields(.fatal, "08P01", "server sent an unexpected message during login"), .unreachable)
    }
}
