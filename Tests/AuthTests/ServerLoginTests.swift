import TestSupport
import Testing

@testable import Auth

/// A server that is wrong, hostile or asks for what we can't do.
@Suite struct ServerLoginTests {
    static func failure(_ step: ServerLogin.Step) -> LoginFailure? {
        if case .failed(let failure) = step { failure } else { nil }
    }

    static let offer = request(10, bytes("SCRAM-SHA-256") + [0, 0])

    /// A login that has sent its first SCRAM message; the nonce in it.
    private func begun(_ secret: Secret = .password(bytes("pencil")), keys: SCRAMKeys? = nil) throws -> (
        ServerLogin, String
    ) {
        var login = serverLogin(secret, keys: keys)
        var output: [UInt8] = []
        #expect(login.received(authentication: Self.offer[...], &output) == .wait)
        let body = try #require(frames(output)?.first).body
        #expect(body.starts(with: bytes("SCRAM-SHA-256") + [0, 0, 0, 0, 32] + bytes("n,,n=,r=")))
        return (login, text(body.suffix(24)))
    }

    @Test func `an immediate Ok is a trusted login`() {
        var login = serverLogin(.none)
        var output: [UInt8] = []
        #expect(login.received(authentication: request(0)[...], &output) == .done)
        #expect(output == [])
    }

    @Test func `passwords are sent as asked`() throws {
        var output: [UInt8] = []
        var login = serverLogin(.password(bytes("pencil")))
        #expect(login.received(authentication: request(3)[...], &output) == .wait)
        #expect(output == [UInt8(ascii: "p"), 0, 0, 0, 11] + bytes("pencil\0"))
        #expect(login.received(authentication: request(0)[...], &output) == .done)
        output = []
        login = serverLogin(md5Secret("pencil"))
        #expect(login.received(authentication: request(5, [1, 2, 3, 4])[...], &output) == .wait)
        let hash = try MD5Password.hash(password: bytes("pencil"), user: bytes("user"))
        #expect(
            frames(output) == [
                Frame(
                    tag: UInt8(ascii: "p"),
                    body: try MD5Password.response(hash: hash, salt: [1, 2, 3, 4]) + [0])
            ])
    }

    /// PostgreSQL 16: `select 'md5' || md5(convert_to(substr(rolpassword, 4), 'utf8') || '\x01020304')`.
    @Test func `the salted md5 answer is what PostgreSQL computes`() throws {
        #expect(
            text(
                try MD5Password.response(
                    hash: bytes("md57474753e4b2f9e23953d5977773aabb0"), salt: [1, 2, 3, 4]))
                == "md508e65c9992fa1ffc07ba23911d374853")
    }

    @Test(arguments: [2, 4, 6, 7, 8, 9, 13, 255, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] as [UInt32])
    func `other methods are named by number`(code: UInt32) {
        var login = serverLogin(.password(bytes("pencil")))
        var output: [UInt8] = []
        let failure = Self.failure(login.received(authentication: request(code)[...], &output))
        #expect(failure?.sqlstate == "08004")
        #expect(failure?.message.contains("authentication method \(code)") == true)
        #expect(output == [])
    }

    @Test(
        arguments: [
            ([], "08P01"), ([0, 0, 0], "08P01"), (request(0, [0]), "08P01"), (request(3, [0]), "08P01"),
            (request(5), "08P01"), (request(5, [1, 2, 3]), "08P01"), (request(5, [1, 2, 3, 4, 5]), "08P01"),
            (request(10), "08P01"), (request(10, [0]), "08P01"),
            (request(10, bytes("SCRAM-SHA-256")), "08P01"),
            (request(10, bytes("SCRAM-SHA-256\0")), "08P01"),
            (request(10, bytes("SCRAM-SHA-256\0\0\0")), "08P01"),
            (request(10, bytes("SCRAM-SHA-1\0\0")), "08004"),
            (request(10, bytes("OAUTHBEARER\0\0")), "08004"),
            (request(11, bytes("r=x,s=c2FsdA==,i=1")), "08P01"), (request(12, bytes("v=")), "08P01"),
            (request(10, [UInt8](repeating: 65, count: 65_533)), "08P01"),
        ] as [([UInt8], String)])
    func `bad first requests`(body: [UInt8], sqlstate: String) {
        var login = serverLogin(.password(bytes("pencil")))
        var output: [UInt8] = []
        #expect(Self.failure(login.received(authentication: body[...], &output))?.sqlstate == sqlstate)
        #expect(output == [])
        // a failure is final
        #expect(Self.failure(login.received(authentication: request(0)[...], &output))?.sqlstate == "08P01")
    }

    @Test func `SCRAM-SHA-256 is found among other mechanisms`() {
        var login = serverLogin(.password(bytes("pencil")))
        var output: [UInt8] = []
        let body = request(10, bytes("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0X\0\0"))
        #expect(login.received(authentication: body[...], &output) == .wait)
    }

    @Test(
        arguments: [
            (Secret.none, [3, 5, 10]), (md5Secret("pencil"), [3, 10]),
            (.scram(verifier("pencil")), [3, 5, 10]),
        ] as [(Secret, [UInt32])])
    func `what nothing at hand satisfies fails with a hint`(secret: Secret, codes: [UInt32]) {
        for code in codes {
            var login = serverLogin(secret)
            var output: [UInt8] = []
            let payload = code == 10 ? bytes("SCRAM-SHA-256\0\0") : code == 5 ? [1, 2, 3, 4] : []
            let failure = Self.failure(login.received(authentication: request(code, payload)[...], &output))
            #expect(failure?.sqlstate == "28P01")
            #expect(failure?.hint != nil)
            #expect(output == [])
        }
    }

    /// `R` stands for our nonce.
    @Test(arguments: [
        ("", "08P01"), ("r=R", "08P01"), ("r=Rx", "08P01"), ("r=Rx,s=", "08P01"), ("r=Rx,s=,i=1", "08P01"),
        ("r=Rx,s=c2FsdA==", "08P01"), ("r=Rx,s=c2FsdA==,i=", "08P01"), ("r=Rx,s=c2FsdA==,i=0", "08P01"),
        ("r=Rx,s=c2FsdA==,i=-1", "08P01"), ("r=Rx,s=c2FsdA==,i=1x", "08P01"), ("r=Rx,s=c2Fsd,i=1", "08P01"),
        ("r=R,s=c2FsdA==,i=1", "08P01"), ("r=xR,s=c2FsdA==,i=1", "08P01"), ("r=,s=c2FsdA==,i=1", "08P01"),
        ("r=R\u{e9},s=c2FsdA==,i=1", "08P01"), ("r=Rx\0,s=c2FsdA==,i=1", "08P01"),
        ("s=c2FsdA==,r=Rx,i=1", "08P01"), ("m=x,r=Rx,s=c2FsdA==,i=1", "0A000"),
        ("r=Rx,s=c2FsdA==,i=1,!", "08P01"),
        ("r=Rx,s=c2FsdA==,i=1000001", "08004"), ("r=Rx,s=c2FsdA==,i=2147483647", "08004"),
        ("r=Rx,s=c2FsdA==,i=2147483648", "08P01"), ("r=Rx,s=c2FsdA==,i=99999999999999999999", "08P01"),
        ("r=R" + String(repeating: "x", count: 1001) + ",s=c2FsdA==,i=1", "08P01"),
        ("r=Rx,s=" + String(repeating: "AAAA", count: 342) + ",i=1", "08P01"),
    ])
    func `bad SCRAM offers`(message: String, sqlstate: String) throws {
        var (login, nonce) = try begun()
        var output: [UInt8] = []
        let said = message.split(separator: "R", omittingEmptySubsequences: false).joined(separator: nonce)
        let step = login.received(authentication: request(11, bytes(said))[...], &output)
        #expect(Self.failure(step)?.sqlstate == sqlstate)
        #expect(output == [])
    }

    @Test func `the bounds themselves are allowed`() throws {
        for message in [
            "x,s=c2FsdA==,i=\(ServerLogin.maxIterations)",
            String(repeating: "x", count: 1000) + ",s=c2FsdA==,i=1",
            "x,s=" + String(repeating: "AAAA", count: 341) + ",i=1,x=extension",
        ] {
            var (login, nonce) = try begun()
            var output: [UInt8] = []
            guard
                case .hash = login.received(
                    authentication: request(11, bytes("r=\(nonce)\(message)"))[...], &output)
            else {
                Issue.record("\(message) was refused")
                return
            }
        }
    }

    @Test func `iterations are no matter where keys are at hand`() throws {
        let keys = try SCRAMKeys(saltedPassword: [UInt8](repeating: 1, count: 32))
        var (login, nonce) = try begun(.none, keys: keys)
        var output: [UInt8] = []
        let body = request(11, bytes("r=\(nonce)x,s=c2FsdA==,i=2000000000"))
        #expect(login.received(authentication: body[...], &output) == .wait)
        #expect(frames(output)?.count == 1)
    }

    @Test func `a server that has not proved itself gets no further`() throws {
        for last in [
            request(0), request(12, bytes("v=" + text(Base64.encode([UInt8](repeating: 0, count: 32))))),
            request(12, bytes("v=AAAA")), request(12), request(12, bytes("e=other-error")), request(3),
            request(10),
            request(11, bytes("r=x")), request(12, bytes("v=")),
        ] {
            var (login, nonce) = try begun()
            var output: [UInt8] = []
            guard
                case .hash(let job) = login.received(
                    authentication: request(11, bytes("r=\(nonce)x,s=c2FsdA==,i=1"))[...], &output)
            else {
                Issue.record("the offer was refused")
                return
            }
            var early = login
            #expect(
                Self.failure(early.received(authentication: request(0)[...], &output))?.sqlstate == "08P01")
            #expect(login.hashed(job.run(), &output) == .wait)
            #expect(Self.failure(login.received(authentication: last[...], &output)) != nil, "\(last)")
            #expect(Self.failure(login.received(authentication: request(0)[...], &output)) != nil)
        }
    }

    @Test func `a server's SCRAM error is shown without its control characters`() throws {
        var (login, nonce) = try begun()
        var output: [UInt8] = []
        guard
            case .hash(let job) = login.received(
                authentication: request(11, bytes("r=\(nonce)x,s=c2FsdA==,i=1"))[...], &output)
        else {
            Issue.record("the offer was refused")
            return
        }
        _ = login.hashed(job.run(), &output)
        let error = bytes("e=invalid\u{1b}[2J-proof" + String(repeating: "x", count: 100))
        let failure = Self.failure(login.received(authentication: request(12, error)[...], &output))
        #expect(failure?.sqlstate == "28P01")
        #expect(
            failure?.detail == "The server ended the SCRAM exchange with \"invalid?[2J-proofxxxxxxxxxxxxx\".")
    }

    @Test func `a hash that failed or was not asked for ends the login`() throws {
        var (login, nonce) = try begun()
        var output: [UInt8] = []
        var early = login
        #expect(Self.failure(early.hashed([UInt8](repeating: 0, count: 32), &output))?.sqlstate == "08P01")
        _ = login.received(authentication: request(11, bytes("r=\(nonce)x,s=c2FsdA==,i=1"))[...], &output)
        #expect(Self.failure(login.hashed([], &output))?.sqlstate == "XX000")
    }
}
