import Auth
import CSys
import CTestHost
import Wire

/// A scripted server program: it listens, takes logins and cancel requests, and has sessions that
/// answer statements by their first word (`BackendSession`).
final class Backend {
    let address: String
    private var listener: Int32 = -1
    /// Sessions whose connection is open, in the order in which they came.
    private(set) var sessions: [BackendSession] = []
    /// How many have logged in so far.
    private(set) var opened = 0
    /// Each statement that is run.
    var hears: (BackendSession, String) -> Void = { _, _ in }
    /// Keys that cancel requests named, and what became of them.
    private(set) var cancels: [(process: UInt32, key: UInt32, hit: Bool)] = []
    /// Each new session is told this, and closed; "SQLSTATE message".
    var refusal: String?
    /// Startup packets are read, and nothing is said.
    var isMute = false
    /// The password that logins have to send; nil: none is asked for.
    var password: String?
    /// The verifier that logins have to prove themselves against by SCRAM; nil: they need not.
    var verifier: SCRAMVerifier?
    /// What new sessions report beside their user.
    var reported: [(name: String, value: String)] = Backend.usual
    /// Bytes that a session sends at a time; nil: all there are.
    var pieces: Int?
    /// Cancel requests are taken, and their connections stay open until `endCancels`.
    var holdsCancels = false
    /// What each new session is set up with.
    var prepare: (BackendSession) -> Void = { _ in }
    private var nextProcess: UInt32 = 5000

    static let usual: [(name: String, value: String)] = [
        ("server_version", "16.4"), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"), ("IntervalStyle", "postgres"), ("standard_conforming_strings", "on"),
        ("application_name", ""), ("in_hot_standby", "off"),
    ]

    init(_ address: String) {
        self.address = address
        start()
    }

    func start() {
        guard listener < 0 else { return }
        listener = ctest_listen(address, 64)
        precondition(listener >= 0, "can't listen")
    }

    /// Connections are refused from now on; sessions stay.
    func stopListening() {
        csys_close(listener)
        listener = -1
    }

    /// The program ends.
    func crash() {
        stopListening()
        for session in sessions { session.close() }
        sessions = []
    }

    func end() { crash() }

    /// Takes what has come and answers it; false where nothing has.
    func serve() -> Bool {
        var moved = accept()
        for session in sessions where session.serve() { moved = true }
        sessions.removeAll { !$0.isOpen }
        return moved
    }

    private func accept() -> Bool {
        guard listener >= 0 else { return false }
        var moved = false
        while case let descriptor = csys_accept(listener), descriptor >= 0 {
            nextProcess += 1
            sessions.append(BackendSession(Socket(descriptor), process: nextProcess, self))
            moved = true
        }
        return moved
    }

    func began(_ session: BackendSession) {
        opened += 1
        prepare(session)
    }

    /// A cancel request came.
    func cancel(process: UInt32, key: UInt32) {
        let target = sessions.first { $0.process == process && $0.key == key && $0.isLoggedIn }
        let hit = target?.cancel() ?? false
        cancels.append((process, key, hit))
    }

    func endCancels() {
        holdsCancels = false
        for session in sessions where session.isCancelRequest { session.close() }
    }

    /// Sessions that have logged in.
    var live: [BackendSession] { sessions.filter(\.isLoggedIn) }

    /// The session that runs a statement which is held.
    var holding: [BackendSession] { live.filter { $0.isHolding } }
}
