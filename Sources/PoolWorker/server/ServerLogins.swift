import Auth
import CSys
import Engine
import FixedStorage
import Pooling
import Wire

/// What servers of a thread need beside their entries: the logins under way, where each was opened and
/// takes cancel requests, and why the worker's own query failed.
struct ServerLogins: ~Copyable {
    private var logins: [ServerIndex: ServerStartup] = [:]
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
        logins[s] = ServerStartup(
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
    mutating func received(_ s: ServerIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) -> ServerStartup.Step {
        logins[s]?.received(tag, body) ?? .wait
    }

    /// The hash is there that the login of a server has asked for.
    mutating func hashed(_ s: ServerIndex, _ result: [UInt8]) -> ServerStartup.Step {
        logins[s]?.hashed(result) ?? .wait
    }

    /// A server that was logged in as the cluster's owner has to become its pool's role.
    mutating func becomes(_ s: ServerIndex) -> ServerStartup.Step { logins[s]?.becomes() ?? .wait }

    /// The role of the first client of a server that logs in; nil: it doesn't.
    func role(_ s: ServerIndex) -> UInt32? { logins[s]?.role }

    /// A login is over. Returns the parameters that the server has reported.
    mutating func end(_ s: ServerIndex) -> [ServerStartup.Parameter] {
        logins.removeValue(forKey: s)?.welcome ?? []
    }
}
