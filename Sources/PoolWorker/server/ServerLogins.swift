import Auth
import Engine
import FixedStorage
import Pooling
import Wire

/// What servers of a thread need beside their entries: the state of those that log in, where each was
/// opened and takes cancel requests, and why the worker's own query failed.
struct ServerLogins: ~Copyable {
    private var states: [ServerIndex: ServerLoginState] = [:]
    private var connectors: [ServerIndex: Connector] = [:]
    private var errors: [ServerIndex: ErrorFields] = [:]

    /// The state of a server's login; nil: it is over, or has not begun.
    subscript(_ s: ServerIndex) -> ServerLoginState? {
        get { states[s] }
        _modify { yield &states[s] }
    }

    /// Where a server was opened; nil: it was not yet.
    func connector(_ s: ServerIndex) -> Connector? { connectors[s] }

    mutating func keep(_ connector: Connector?, _ s: ServerIndex) { connectors[s] = connector }

    /// What a server has said against the worker's own query.
    func error(_ s: ServerIndex) -> ErrorFields? { errors[s] }

    mutating func note(_ error: ErrorFields, _ s: ServerIndex) { errors[s] = error }

    mutating func takeError(_ s: ServerIndex) -> ErrorFields? { errors.removeValue(forKey: s) }

    /// The server is no server of this thread any more.
    mutating func forget(_ s: ServerIndex) {
        states[s] = nil
        connectors[s] = nil
        errors[s] = nil
    }
}

/// What the login of a server needs beyond its entry in the table.
struct ServerLoginState {
    var machine: ServerLogin
    /// The role of its first client.
    let role: UInt32
    /// AuthenticationOk came.
    var authenticated = false
    /// Everything is in but the confirmation of the host.
    var ready = false
    /// Logged in as the cluster's owner, it has been told to become the pool's role.
    var becoming = false
    /// Bytes of all parameters the server has reported.
    private var bytes = 0
    private static let mostReported = 65_536
    private(set) var welcome: [(name: [UInt8], value: [UInt8])] = []

    init(machine: ServerLogin, role: UInt32) {
        self.machine = machine
        self.role = role
    }

    /// False: the server has reported more than any PostgreSQL does.
    mutating func reported(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        bytes += name.count + value.count
        guard bytes <= Self.mostReported else { return false }
        if let index = welcome.firstIndex(where: { $0.name == name }) {
            welcome[index].value = value
        } else {
            welcome.append((name, value))
        }
        return true
    }
}
