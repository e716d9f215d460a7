import CWorker
import Wire

/// Why a connection ends: what its peer is told (if anything), and what the log says.
enum CloseReason {
    // of clients
    case clientLeft
    case terminated
    /// A message of a type that there is none of.
    case unknownType(UInt8)
    /// A message of an impossible length. As with PostgreSQL, only the log tells.
    case wrongLength
    /// No startup packet, and why; as with PostgreSQL, only the log tells.
    case invalidStartup(String)
    case transactionInStatementMode
    case loginTimeout
    case idleTimeout
    /// idle_session_timeout, the client's own setting.
    case idleSession
    case transactionTimeout
    case queryWaitTimeout(waited: Double, limits: CarpoolPoolSettings, pool: String)
    case shutdown
    /// The server's processes all end, as another one has crashed.
    case serverCrash
    case immediateShutdown
    case cancelHandled
    /// Its server has ended, for this reason, and has told it so itself, or was in the middle of a message.
    case toldByServer(String)
    /// The backend that listens for it has ended.
    case hubGone
    /// More bytes than may wait for one session.
    case tooManyNotifications(limit: Int)
    /// Most of what waits for all clients waits for this one; bytes, and megabytes.
    case notificationMemory(held: Int, limit: Int32)
    case unwritableNotification
    /// The client is told this.
    case error(ErrorFields)
    // of servers
    case serverGone
    case serverMalformed
    case lifetime
    /// What its last client has left on it can't be taken back, or not be told.
    case retired
    case serverIdle
    case connectTimeout
    case recoveryTimeout
    /// Its client left, and no count told when its last request would be done.
    case endedInOrder
    case stillPinned
    case evicted
    /// A login of its role would not get what its own has got.
    case factsChanged
    /// The servers of its database are elsewhere now, or there are none.
    case moved
    case loginFailed(ErrorFields)

    /// What the client is told.
    var error: ErrorFields? {
        switch self {
        case .error(let fields), .loginFailed(let fields): fields
        case .unknownType(let tag): ErrorFields(.fatal, "08P01", "invalid frontend message type \(tag)")
        case .transactionInStatementMode:
            ErrorFields(
                .fatal, "0A000", "transaction blocks not allowed in statement pooling mode",
                hint: "Set pool_mode to transaction.")
        case .loginTimeout:
            ErrorFields(.fatal, "57014", "client_login_timeout", hint: "Raise client_login_timeout.")
        case .idleTimeout:
            ErrorFields(.fatal, "57P05", "client_idle_timeout", hint: "Raise client_idle_timeout.")
        case .idleSession:
            ErrorFields(.fatal, "57P05", "terminating connection due to idle-session timeout")
        case .transactionTimeout:
            ErrorFields(.fatal, "25P03", "idle_transaction_timeout", hint: "Raise idle_transaction_timeout.")
        case .queryWaitTimeout(let waited, let limits, let pool): limits.waitOver(waited, pool: pool)
        case .shutdown:
            ErrorFields(.fatal, "57P01", "terminating connection due to administrator command")
        case .serverCrash:
            ErrorFields(
                .fatal, "57P02", "terminating connection because of crash of another server process",
                hint: "In a moment you should be able to reconnect to the database and repeat your command.")
        case .immediateShutdown:
            ErrorFields(.fatal, "57P01", "terminating connection due to immediate shutdown command")
        case .hubGone:
            ErrorFields(
                .fatal, "57P01", "terminating connection because the backend that listens for it has ended",
                detail: "Notifications may have been missed.")
        case .tooManyNotifications(let limit):
            ErrorFields(
                .fatal, "53400", "too many notifications wait for this session",
                detail: "\(limit) bytes may wait until it is outside a transaction and takes them.",
                hint: "End transactions sooner in a session that listens.")
        case .notificationMemory(let held, let limit):
            ErrorFields(
                .fatal, "53400", "too many notifications wait for all sessions",
                detail: "\(limit) MB may wait for all sessions; most, \(held >> 20) MB, waits for this one.",
                hint: "Raise max_notification_memory, or end transactions sooner in a session that listens.")
        case .unwritableNotification:
            ErrorFields(
                .fatal, "22P05", "a notification has characters with no equivalent in the client's encoding")
        case .serverGone:
            ErrorFields(
                .fatal, "08006", "server conn crashed?",
                detail: "The server closed the connection unexpectedly.")
        case .serverMalformed:
            ErrorFields(.fatal, "08P01", "server sent an invalid message")
        case .clientLeft, .terminated, .toldByServer, .wrongLength, .invalidStartup, .cancelHandled,
            .lifetime, .retired, .serverIdle,
            .connectTimeout, .recoveryTimeout, .endedInOrder, .stillPinned, .evicted, .factsChanged, .moved:
            nil
        }
    }

    /// What the log says.
    var text: String {
        switch self {
        case .clientLeft: "client unexpected eof"
        case .terminated: "client close request"
        case .wrongLength: "invalid message length"
        case .invalidStartup(let why), .toldByServer(let why): why
        case .cancelHandled: "cancel request"
        case .lifetime: "server lifetime over"
        case .retired: "its last client left it unfit for others"
        case .serverIdle: "server idle timeout"
        case .connectTimeout: "connect timeout"
        case .recoveryTimeout: "could not bring the server back to idle"
        case .endedInOrder: "its client left in the middle of a pipeline that can't be counted"
        case .stillPinned: "something of its last client is left that DISCARD ALL does not end"
        case .evicted: "evicted"
        case .factsChanged: "what holds from a login on has changed"
        case .moved: "database configuration changed"
        case .loginFailed(let fields): "server login failed: \(fields.severity.rawValue) \(fields.message)"
        default: error?.message ?? ""
        }
    }

    /// Worth a log line as an error sent to a client, rather than as an end of a session.
    var isPoolerError: Bool {
        switch self {
        case .clientLeft, .terminated, .shutdown, .cancelHandled: false
        case .wrongLength, .invalidStartup: true
        default: error != nil
        }
    }
}

extension CloseReason {
    /// For a client that has ended like this.
    init(_ end: Client.End) {
        switch end {
        case .stream: self = .clientLeft
        case .terminate: self = .terminated
        case .shutdown: self = .shutdown
        case .unknownType(let tag): self = .unknownType(tag)
        case .wrongLength: self = .wrongLength
        }
    }
}

extension CarpoolPoolSettings {
    /// What a client hears that has waited too long for a server of a pool with these limits.
    /// - Parameter waited: seconds.
    fileprivate func waitOver(_ waited: Double, pool: String) -> ErrorFields {
        let own = pool_size > 0 ? "it may have \(pool_size) servers" : "it may have any number of servers"
        let shared = [
            ("its database", max_db_connections, "max_db_connections"),
            ("its user", max_user_connections, "max_user_connections"),
        ].filter { $0.1 > 0 }
        let limits = [own] + shared.map { "\($0.0) \($0.1) (\($0.2))" }
        let tenths = Int(waited * 10)
        let names = ["default_pool_size", "pool_size"] + shared.map(\.2)
        return ErrorFields(
            .fatal, "53300", "query_wait_timeout",
            detail: "No server of pool \(pool) became free within "
                + (tenths < 100 && tenths % 10 != 0 ? "\(tenths / 10).\(tenths % 10)" : "\(tenths / 10)")
                + " s; \(limits.joined(separator: ", ")).",
            hint: "Raise \(names.joined(separator: ", ")) or query_wait_timeout, or end long transactions.")
    }
}
