import Wire

/// A server's answer to a startup packet, up to its first ReadyForQuery: what each message means, and what
/// is to be sent. Of a pool of several roles the login is for the first client's.
public struct ServerStartup: Sendable {
    /// What comes of a message during a server's login.
    public enum Step: Equatable, Sendable {
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
        case failed(ErrorFields, Fault)
    }

    /// Whom it concerns that a server could not be opened.
    public enum Fault: Sendable {
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

        public var isRefusal: Bool {
            switch self {
            case .refused, .refusedThere, .notAsOwner, .roleRefused: true
            case .unreachable, .nothingThere: false
            }
        }

        public var isOfPlace: Bool {
            switch self {
            case .refusedThere, .nothingThere: true
            case .refused, .unreachable, .notAsOwner, .roleRefused: false
            }
        }
    }

    public typealias Parameter = (name: [UInt8], value: [UInt8])

    private var machine: ServerLogin
    /// The role that the backend is for.
    public let role: UInt32
    /// Its pool's servers serve several roles.
    private let isShared: Bool
    /// AuthenticationOk came.
    private var isAuthenticated = false
    /// Logged in as the cluster's owner, it has been told to become the pool's role.
    private var isBecoming = false
    /// Bytes of all parameters the server has reported.
    private var bytes = 0
    /// What the server has reported.
    public private(set) var welcome: [Parameter] = []

    /// The most that a server may report; none of PostgreSQL does.
    private static let most = (bytes: 65_536, parameters: 100)

    /// - Parameters:
    ///   - machine: proves to the server who logs in.
    ///   - role: the role that the backend is for.
    ///   - isShared: the backend will be for others, too.
    public init(_ machine: ServerLogin, role: UInt32, isShared: Bool) {
        self.machine = machine
        self.role = role
        self.isShared = isShared
    }

    /// What a message means.
    public mutating func received(_ tag: UInt8, _ body: ArraySlice<UInt8>) -> Step {
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

    /// The result is there of the hash that was asked for.
    public mutating func hashed(_ result: [UInt8]) -> Step {
        var output: [UInt8] = []
        let step = machine.hashed(result, &output)
        return meaning(step, output)
    }

    /// The backend was logged in as the cluster's owner, and has to become the role that it is for.
    public mutating func becomes() -> Step {
        if isBecoming {
            let fields = ErrorFields(.fatal, "58000", "the backend did not become its pool's role")
            return .failed(fields, isShared ? .refused : .notAsOwner)
        }
        isBecoming = true
        return .send([0, 0, 0, 4])
    }

    private mutating func meaning(_ step: ServerLogin.Step, _ output: [UInt8]) -> Step {
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
    private func fault(_ fields: ErrorFields) -> Fault {
        if isBecoming {
            if fields.sqlstate == "0A000" { return isShared ? .refused : .notAsOwner }
            if isShared && ["28000", "55000"].contains(fields.sqlstate) { return .roleRefused }
        }
        return fields.isServerFull || fields.isServerDown ? .refusedThere : .refused
    }

    private mutating func reported(_ body: ArraySlice<UInt8>) -> Step {
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

    private static var violation: Step {
        .failed(
            ErrorFields(.fatal, "08P01", "server sent an unexpected message during login"), .unreachable)
    }
}
