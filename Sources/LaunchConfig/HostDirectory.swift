import CHost
import Synchronization

/// Answers the worker's questions from the configuration: who may log in, and where the
/// servers are. Engine threads ask; the main thread reloads; answers never block on
/// anything but a mutex held for microseconds.
public final class HostDirectory: Sendable {
    /// A pool's database, wherever its servers are just now.
    struct Database: Hashable, Sendable {
        let name: String
        /// The user on the server for whom its clients were let in; nil: their own.
        let user: String?
    }

    /// Servers of a database that were opened before this moment are of no use any more.
    public struct Move: Equatable, Sendable {
        public let database: UInt32
        public let moment: UInt64
    }

    private struct State {
        var configuration: Configuration
        /// Grows with each reload.
        var version = 0
        var addresses = AddressBook()
        var databases = Interner<Database>(capacity: HostDirectory.unkept)
        var users = Interner<String>(capacity: HostDirectory.unkept)
        /// Grows with each route: the addresses of a name take turns.
        var turn = 0
        /// Counts the changes after which servers are elsewhere.
        var moment: UInt64 = 0
        var moved: [UInt32: UInt64] = [:]

        /// Notes which databases have moved; everything else of the state is new already.
        mutating func note(_ hasMoved: (Database) -> Bool) {
            moment += 1
            for (number, database) in databases.all where hasMoved(database) { moved[number] = moment }
        }
    }

    /// Names of clients that log in at the same time are fewer.
    private static let unkept = 8192

    private let state: Mutex<State>
    private let resolver: Resolver
    private let mockNonce: [UInt8]

    /// mockNonce: 32 random bytes. Looks the servers' names up, so it may block.
    public init(_ configuration: Configuration, mockNonce: [UInt8], resolver: Resolver = .system) {
        self.resolver = resolver
        self.mockNonce = mockNonce
        state = Mutex(State(configuration: configuration))
        refreshAddresses()
    }

    /// The configuration that holds now.
    public var configuration: Configuration { state.withLock { $0.configuration } }

    /// Whether looking names up again may find news.
    public var hasNames: Bool { state.withLock { $0.addresses.hasNames } }

    /// Names that could not be looked up.
    public var lookupFailures: [String] {
        state.withLock { $0.addresses.failures.map { "\($0.server): \($0.message)" } }
    }

    /// Answers from next from now on; takeMoved() tells which databases have moved. Looks its names
    /// up first, so it may block.
    public func reload(_ next: Configuration) {
        let book = addresses(of: next, old: state.withLock { $0.addresses })
        state.withLock { state in
            let (before, known) = (state.configuration, state.addresses)
            state.configuration = next
            state.version += 1
            state.addresses = book
            state.note { database in
                let entry = next.entry(for: database.name)
                return before.place(of: database.name) != next.place(of: database.name)
                    || entry.map { book.hasMoved($0.server, since: known) } == true
            }
        }
    }

    /// Looks all names up again; may block; any thread.
    public func refreshAddresses() {
        let (configuration, version, old) = state.withLock { ($0.configuration, $0.version, $0.addresses) }
        let book = addresses(of: configuration, old: old)
        state.withLock { state in
            // a reload that came in between has looked up its own
            guard state.version == version else { return }
            state.addresses = book
            state.note { database in
                configuration.entry(for: database.name).map { book.hasMoved($0.server, since: old) } == true
            }
        }
    }

    private func addresses(of configuration: Configuration, old: AddressBook) -> AddressBook {
        let entries = Array(configuration.databases.values) + [configuration.fallback].compactMap(\.self)
        return AddressBook(servers: entries.map(\.server), resolver: resolver, old: old)
    }

    /// Databases whose servers are elsewhere, or gone, since the last call, for
    /// carpool_worker_moved().
    public func takeMoved() -> [Move] {
        state.withLock { state in
            defer { state.moved = [:] }
            return state.moved.sorted { $0.key < $1.key }.map { Move(database: $0.key, moment: $0.value) }
        }
    }

    /// No pool of the database, or of the user, is left; 0: of that one there are more.
    public func forget(database: UInt32, user: UInt32) {
        state.withLock { state in
            state.databases.release(database)
            state.users.release(user)
        }
    }

    /// Fills answer; both belong to the caller.
    public func answer(
        _ question: UnsafePointer<CarpoolQuestion>, into answer: UnsafeMutablePointer<CarpoolAnswer>
    ) {
        answer.pointee = CarpoolAnswer()
        answer.pointee.ticket = question.pointee.ticket
        switch CarpoolQuestionKind(rawValue: question.pointee.ticket.kind) {
        case CARPOOL_ASK_LOGIN: login(question, answer)
        case CARPOOL_ASK_ROUTE: route(question, answer)
        default: break  // CONFIRM: there are no OIDs that could have been reused
        }
    }

    // MARK: login

    private func login(
        _ question: UnsafePointer<CarpoolQuestion>, _ answer: UnsafeMutablePointer<CarpoolAnswer>
    ) {
        // names that are no text are nobody's
        let user = question.pointee.userText
        let database = question.pointee.databaseText
        withUnsafeMutableBytes(of: &answer.pointee.mock_nonce) {
            $0.copyBytes(from: mockNonce.prefix($0.count))
        }
        state.withLock { state in
            let isKnown = prove(user, state.configuration, answer)
            guard let database, let entry = state.configuration.entry(for: database) else {
                // never before the exchange is over, and never instead of its failure
                if answer.pointee.failure.sqlstate.0 == 0 {
                    answer.pointee.failure = CarpoolError(
                        sqlstate: "3D000", message: "no such database: \(database ?? "(not UTF-8)")")
                }
                return
            }
            guard let user, isKnown else { return }
            let poolUser = entry.user ?? user
            answer.pointee.numbers.database_id = state.databases.number(
                of: Database(name: database, user: entry.user))
            answer.pointee.numbers.user_id = state.users.number(of: poolUser)
            answer.pointee.numbers.pool = state.configuration.poolSettings(
                of: entry, poolUser: poolUser, client: user)
        }
    }

    /// Says how user has to prove itself; false when it can't, which the client learns
    /// at the end of the same exchange.
    private func prove(
        _ user: String?, _ configuration: Configuration, _ answer: UnsafeMutablePointer<CarpoolAnswer>
    ) -> Bool {
        let secret = user.flatMap { configuration.authFile.secrets[$0] }
        let type = CarpoolAuthType(rawValue: UInt32(configuration.settings.auth_type))
        switch type {
        case CARPOOL_AUTH_TYPE_ANY:
            answer.pointee.numbers.method = Int32(CARPOOL_METHOD_TRUST.rawValue)
            return user != nil
        case CARPOOL_AUTH_TYPE_TRUST:
            answer.pointee.numbers.method = Int32(CARPOOL_METHOD_TRUST.rawValue)
            // without a file there is nobody the name could be compared with
            if secret != nil || configuration.text("auth_file").isEmpty && user != nil { return true }
            answer.pointee.failure = CarpoolError(
                sqlstate: "28000", message: "\"trust\" authentication failed")
            return false
        case CARPOOL_AUTH_TYPE_PLAIN: answer.pointee.numbers.method = Int32(CARPOOL_METHOD_PASSWORD.rawValue)
        case CARPOOL_AUTH_TYPE_SCRAM: answer.pointee.numbers.method = Int32(CARPOOL_METHOD_SCRAM.rawValue)
        default: answer.pointee.numbers.method = Int32(CARPOOL_METHOD_MD5.rawValue)
        }
        guard let secret, !secret.isEmpty else {
            answer.pointee.numbers.mock_md5 =
                type == CARPOOL_AUTH_TYPE_MD5 && configuration.authFile.mostUseMD5
            return false
        }
        copy(secret, to: &answer.pointee.secret)
        return true
    }

    // MARK: route

    private func route(
        _ question: UnsafePointer<CarpoolQuestion>, _ answer: UnsafeMutablePointer<CarpoolAnswer>
    ) {
        state.withLock { state in
            let id = question.pointee.numbers.database_id
            guard let database = state.databases.name(of: id),
                let user = state.users.name(of: question.pointee.numbers.user_id)
            else {
                answer.pointee.failure = CarpoolError(
                    sqlstate: "08006", message: "pool is not known any more")
                return
            }
            state.databases.keep(id)
            state.users.keep(question.pointee.numbers.user_id)
            guard let entry = state.configuration.entry(for: database.name) else {
                answer.pointee.failure = CarpoolError(
                    sqlstate: "3D000", message: "no such database: \(database.name)")
                return
            }
            // the pool's clients were let in for another user than the entry now has
            guard entry.user == database.user else {
                answer.pointee.failure = CarpoolError(
                    sqlstate: "08006", message: "database configuration changed", hint: "Connect again.")
                return
            }
            answer.pointee.numbers.facts = state.moment
            answer.pointee.numbers.pool = state.configuration.poolSettings(
                of: entry, poolUser: user, client: question.pointee.userText ?? user)
            switch Self.address(of: entry.server, resolver, &state) {
            case .success(let address):
                answer.pointee.server = address.storage
                answer.pointee.numbers.server_size = address.size
            case .failure(let error):
                answer.pointee.failure = CarpoolError(
                    sqlstate: "08006", message: "server DNS lookup failed", detail: error.message)
            }
            copy(user, to: &answer.pointee.server_user)
            copy(entry.dbname ?? database.name, to: &answer.pointee.server_database)
            let secret = entry.password ?? state.configuration.authFile.secrets[user]
            if let secret { copy(secret, to: &answer.pointee.secret) }
        }
    }

    private static func address(
        of server: ServerAddress, _ resolver: Resolver, _ state: inout State
    ) -> Result<SocketAddress, ReadError> {
        switch server {
        case .host:
            switch state.addresses[server] {
            case .success(let addresses)?:
                state.turn &+= 1
                return .success(addresses[state.turn % addresses.count])
            case .failure(let error)?: return .failure(ReadError("\(server): \(error.message)"))
            case nil: return .failure(ReadError("\(server): not looked up yet"))
            }
        case .unix(let directory, let port):
            let directories = directory.map { [$0] } ?? state.configuration.socketDirectories(port: port)
            let paths = directories.map { ServerAddress.socketPath(in: $0, port: port) }
            let path = paths.first(where: resolver.socketExists) ?? paths[0]
            return SocketAddress(path: path).map { .success($0) }
                ?? .failure(ReadError("\(path): path too long"))
        }
    }
}

extension Configuration {
    /// Where the servers of a database are, as the file has it.
    struct Place: Equatable {
        let server: ServerAddress
        let dbname: String
        let user: String?
    }

    /// Nil: no entry is for it.
    func place(of name: String) -> Place? {
        entry(for: name).map { Place(server: $0.server, dbname: $0.dbname ?? name, user: $0.user) }
    }

    /// Where a server's Unix socket may be when the entry has no host: unix_socket_dir,
    /// as in PgBouncer, then where PostgreSQL's packages and PostgreSQL itself put it;
    /// but not where we listen ourselves. Never empty.
    func socketDirectories(port: Int) -> [String] {
        let own = text("unix_socket_dir")
        var directories = ["/var/run/postgresql", "/tmp"].filter { $0 != own }
        if !own.isEmpty, port != Int(settings.listen_port) { directories.insert(own, at: 0) }
        return directories
    }
}
