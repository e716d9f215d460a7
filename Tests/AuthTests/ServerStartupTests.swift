import TestSupport
import Testing
import Wire

@testable import Auth

/// What a server says behind a startup packet, and what it comes to.
@Suite struct ServerStartupTests {
    private let ok = request(0)

    private func startup(shared: Bool = false, _ secret: Secret = .none) -> ServerStartup {
        ServerStartup(serverLogin(secret), role: 10, isShared: shared)
    }

    /// One that has let us in.
    private func authenticated(shared: Bool = false) -> ServerStartup {
        var startup = startup(shared: shared)
        #expect(step(&startup, BackendTag.authentication, ok) == .wait)
        return startup
    }

    private func step(_ startup: inout ServerStartup, _ tag: UInt8, _ body: [UInt8]) -> ServerStartup.Step {
        startup.received(tag, body[...])
    }

    private func error(_ sqlstate: String, routine: String = "") -> [UInt8] {
        bytes("SFATAL\0VFATAL\0C\(sqlstate)\0Mno\0R\(routine)\0\0")
    }

    private func fault(_ step: ServerStartup.Step) -> ServerStartup.Fault? {
        if case .failed(_, let fault) = step { fault } else { nil }
    }

    private func sqlstate(_ step: ServerStartup.Step) -> String? {
        if case .failed(let fields, _) = step { fields.sqlstate } else { nil }
    }

    @Test func `a login goes from the password to the first ReadyForQuery`() {
        var startup = startup(.password(bytes("pencil")))
        guard case .send(let password) = step(&startup, BackendTag.authentication, request(3)) else {
            Issue.record("no password was sent")
            return
        }
        #expect(password.suffix(7) == bytes("pencil\0")[...])
        #expect(step(&startup, BackendTag.authentication, ok) == .wait)
        #expect(
            step(&startup, BackendTag.parameterStatus, bytes("TimeZone\0UTC\0"))
                == .parameter(name: bytes("TimeZone"), value: bytes("UTC")))
        #expect(step(&startup, BackendTag.noticeResponse, []) == .wait)
        #expect(step(&startup, BackendTag.backendKeyData, [0, 0, 0, 7, 0, 0, 0, 9]) == .key(pid: 7, key: 9))
        #expect(step(&startup, BackendTag.readyForQuery, bytes("I")) == .ready)
    }

    @Test func `the last value of a parameter counts`() {
        var startup = authenticated()
        for value in ["1", "2"] { _ = step(&startup, BackendTag.parameterStatus, bytes("a\0\(value)\0")) }
        _ = step(&startup, BackendTag.parameterStatus, bytes("b\03\0"))
        #expect(startup.welcome.map { text($0.name) } == ["a", "b"])
        #expect(startup.welcome.map { text($0.value) } == ["2", "3"])
    }

    @Test(arguments: ["S", "K", "Z"])
    func `nothing of a session comes before AuthenticationOk`(tag: String) {
        var startup = startup()
        let step = step(&startup, bytes(tag)[0], tag == "S" ? bytes("a\0b\0") : bytes("I0000000"))
        #expect(sqlstate(step) == "08P01")
        #expect(fault(step) == .unreachable)
    }

    @Test func `what makes no sense ends the login`() {
        var startup = authenticated()
        #expect(sqlstate(step(&startup, BackendTag.authentication, ok)) == "08P01")
        #expect(sqlstate(step(&startup, BackendTag.readyForQuery, bytes("T"))) == "08P01")
        #expect(sqlstate(step(&startup, BackendTag.backendKeyData, [0, 0, 0, 7])) == "08P01")
        #expect(sqlstate(step(&startup, UInt8(ascii: "D"), [])) == "08P01")
    }

    @Test func `a server reports only so many parameters, and so long ones`() {
        var many = authenticated()
        for number in 0..<100 {
            #expect(fault(step(&many, BackendTag.parameterStatus, bytes("p\(number)\0v\0"))) == nil)
        }
        #expect(fault(step(&many, BackendTag.parameterStatus, bytes("p\0v\0"))) == .unreachable)
        var long = authenticated()
        let value = [UInt8](repeating: UInt8(ascii: "x"), count: 40_000)
        #expect(fault(step(&long, BackendTag.parameterStatus, bytes("a\0") + value + [0])) == nil)
        #expect(fault(step(&long, BackendTag.parameterStatus, bytes("a\0") + value + [0])) == .unreachable)
    }

    @Test func `an error concerns the pool, or all at the server's address`() {
        var startup = startup()
        func fault(_ sqlstate: String, _ routine: String = "") -> ServerStartup.Fault? {
            self.fault(step(&startup, BackendTag.errorResponse, error(sqlstate, routine: routine)))
        }
        #expect(fault("28P01") == .refused)
        #expect(fault("57P03") == .refusedThere)
        #expect(fault("53300", "InitProcess") == .refusedThere)
        #expect(fault("53300") == .refused)
        #expect(fault("0A000") == .refused)
    }

    @Test func `a backend that can't become its pool's role`() {
        var own = authenticated()
        #expect(own.becomes() == .send([0, 0, 0, 4]))
        #expect(fault(step(&own, BackendTag.errorResponse, error("0A000"))) == .notAsOwner)
        #expect(fault(step(&own, BackendTag.errorResponse, error("28000"))) == .refused)
        #expect(fault(own.becomes()) == .notAsOwner)
        var shared = authenticated(shared: true)
        #expect(shared.becomes() == .send([0, 0, 0, 4]))
        #expect(fault(step(&shared, BackendTag.errorResponse, error("0A000"))) == .refused)
        #expect(fault(step(&shared, BackendTag.errorResponse, error("28000"))) == .roleRefused)
        #expect(fault(shared.becomes()) == .refused)
    }
}
