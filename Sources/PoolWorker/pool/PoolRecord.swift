import Auth
import CWorker
import Pooling
import Wire

/// What is known of a pool on all threads. Guarded by the directory's lock.
final class PoolRecord {
    let index: PoolIndex
    /// Tells the pools apart that have one index after the other.
    let serial: UInt32
    let databaseID: UInt32
    /// 0: of several roles, see `isShared`.
    let userID: UInt32
    private(set) var user: String
    private(set) var database: String
    private(set) var settings: CarpoolPoolSettings
    private(set) var servers = 0
    private(set) var clients = 0
    /// Of its servers those that are, or are to be, their database's hub.
    private(set) var hubs = 0
    /// Its index may be another pool's.
    private(set) var isFreed = false
    /// The ParameterStatus messages of the server that logged in last, in order.
    private(set) var welcome: [(name: [UInt8], value: [UInt8])]?
    /// When a server was asked last whether it is a hot standby, by its login or else.
    private(set) var heard: UInt64 = 0
    /// Credentials of a client's login, to log in to servers with.
    private(set) var keys: SCRAMKeys?
    private(set) var password: [UInt8]?
    /// Why the last server could not be had, and when to try again.
    var outage = Outage.ofPool
    /// Where its servers are, as far as is known; never nil in the database.
    private(set) var place: Place?
    /// Parameters as clients spelled them → as the server took them.
    private(set) var resolved: [ParameterValues: ParameterValues] = [:]
    /// Parameters as clients spelled them → what such clients get, as long as `welcome` stays.
    private(set) var welcomes: [ParameterValues: Welcome] = [:]
    /// A login as the cluster's owner didn't do for its servers.
    private(set) var notAsOwner = false
    /// Its servers have agents, which take a client's session along. Nil: not known yet.
    private(set) var carries: Bool?
    /// How a client's session starts, as in the ledger's message → the ParameterStatus
    /// messages of what an agent reported for it.
    private(set) var answers: [[UInt8]: Answer] = [:]
    /// Servers that their clients keep for what can't be carried.
    private(set) var pinned = 0
    /// Its servers serve several roles, one after the other: the names by which those logged
    /// in last, and the one that was the last to do so.
    let isShared: Bool
    private(set) var names: [UInt32: String] = [:]
    private(set) var latest: UInt32 = 0
    /// The latest moment at which the facts of one of its clients' logins changed.
    private(set) var facts: UInt64 = 0

    /// The parameter that says whether a server is a hot standby.
    static let standby = Array("in_hot_standby".utf8)

    typealias Parameter = (name: [UInt8], value: [UInt8])

    /// The parameters of a client's session, and the ParameterStatus messages that tell it of them.
    struct Welcome {
        let values: ParameterValues
        let messages: [UInt8]
    }

    /// What an agent reported: ParameterStatus messages, by which number the ledger knows these values,
    /// and after how many milliseconds such a session is to end when idle.
    struct Answer {
        let messages: [UInt8]
        let reports: UInt32
        let idleTimeout: UInt32
    }

    init(
        index: PoolIndex, serial: UInt32, databaseID: UInt32, userID: UInt32, isShared: Bool,
        settings: CarpoolPoolSettings, carries: Bool?
    ) {
        self.serial = serial
        self.isShared = isShared
        self.carries = carries
        self.index = index
        self.databaseID = databaseID
        self.userID = userID
        self.settings = settings
        user = ""
        database = ""
    }

    /// What servers said before is of no use to later logins. Under the directory's lock.
    func factsChanged(_ moment: UInt64) {
        facts = moment
        welcome = nil
        welcomes = [:]
        resolved = [:]
        answers = [:]
        notAsOwner = false
        outage = .ofPool
    }

    /// Its servers are hot standbys, as far as they have said.
    var isStandby: Bool {
        welcome?.contains { $0.name == Self.standby && $0.value.elementsEqual("on".utf8) } == true
    }

    var isUsed: Bool { clients > 0 || servers > 0 || hubs > 0 }
}

/// What happens to it; under the directory's lock.
extension PoolRecord {
    /// A client enters.
    /// - Parameters:
    ///   - role: the user's OID, where several share the pool.
    ///   - keys, password: of its login, for logins to servers; nil: what is known stays.
    func enter(
        user: String, role: UInt32, database: String, _ settings: CarpoolPoolSettings, keys: SCRAMKeys?,
        password: [UInt8]?, facts: UInt64
    ) {
        if facts > self.facts { factsChanged(facts) }
        self.database = database
        self.settings = settings
        clients += 1
        if isShared {
            self.user = "(shared)"
            names[role] = user
            latest = role
        } else {
            self.user = user
            if let keys { self.keys = keys }
            if let password { self.password = password }
        }
    }

    func leave() { clients -= 1 }

    /// The settings of the pool are known anew.
    func settled(_ settings: CarpoolPoolSettings) { self.settings = settings }

    func countServer(_ delta: Int) { servers += delta }

    func countHub(_ delta: Int) { hubs += delta }

    /// A server is kept by its client for what can't be carried, or no more. Returns how many are.
    func countPinned(_ delta: Int) -> Int {
        pinned += delta
        return pinned
    }

    /// Its servers are opened there; nil: that is not known any more.
    func settled(at place: Place?) { self.place = place }

    /// A server has an agent, or none: if it is the first one, all have. Returns what all have.
    func decideCarries(_ agent: Bool) -> Bool {
        let decided = carries ?? agent
        carries = decided
        return decided
    }

    /// A login as the cluster's owner didn't do.
    func refusesOwner() { notAsOwner = true }

    /// A server didn't take what is known of a client's login: the next login brings it anew.
    func forgetCredentials() {
        keys = nil
        password = nil
    }

    /// Its index may be another pool's from now on.
    func freed() { isFreed = true }
}

/// What servers and agents have said; under the directory's lock.
extension PoolRecord {
    /// A server logged in.
    func welcomed(with welcome: [Parameter], _ now: UInt64) {
        self.welcome = welcome
        welcomes = [:]
        heard = now
    }

    /// A server is asked whether it is a hot standby.
    func asksStandby(_ now: UInt64) { heard = now }

    /// A server has reported a parameter after its login. Returns false if logins are told that value already,
    /// or nothing of it.
    func correct(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        guard let index = welcome?.firstIndex(where: { $0.name == name }), welcome?[index].value != value
        else { return false }
        welcome?[index].value = value
        welcomes = [:]
        return true
    }

    /// A server took these parameters so.
    func keep(_ values: ParameterValues, for wanted: ParameterValues) { resolved[wanted] = values }

    func keep(_ welcome: Welcome, for wanted: ParameterValues) { welcomes[wanted] = welcome }

    func keep(_ answer: Answer, for start: [UInt8]) { answers[start] = answer }

    func forgetWelcomes() { welcomes = [:] }

    func forgetAnswers() { answers = [:] }

    /// What is remembered of clients' parameters is too much.
    func forgetParameters() {
        welcomes = [:]
        resolved = [:]
        answers = [:]
    }
}
