import TestSupport
import Testing

@testable import Auth

/// A client's good and wrong logins, frame by frame.
@Suite struct ClientLoginTests {
    static let wrong = "password authentication failed for user \"user\""

    /// Starts a login and gives the client one frame.
    static func answer(
        _ login: inout ClientLogin, _ body: [UInt8], tag: UInt8 = UInt8(ascii: "p")
    ) -> (step: ClientLogin.Step, said: [UInt8]) {
        var output: [UInt8] = []
        var step = login.received(tag, body[...], &output)
        if case .hash(let job) = step { step = login.hashed(job.run(), &output) }
        return (step, output)
    }

    static func failure(_ step: ClientLogin.Step) -> LoginFailure? {
        if case .failed(let failure) = step { failure } else { nil }
    }

    @Test func `trust asks for nothing`() {
        var login = clientLogin(.trust, .none)
        var output: [UInt8] = []
        #expect(login.start(&output) == .done)
        #expect(output == [])
    }

    @Test(arguments: [Secret.password(bytes("pencil")), md5Secret("pencil"), .scram(verifier("pencil"))])
    func `a clear-text password is checked against every kind of secret`(secret: Secret) {
        var login = clientLogin(.password, secret)
        var output: [UInt8] = []
        #expect(login.start(&output) == .wait)
        #expect(output == [UInt8(ascii: "R"), 0, 0, 0, 8, 0, 0, 0, 3])
        let right = Self.answer(&login, bytes("pencil") + [0])
        #expect(right.step == .done)
        #expect(right.said == [])
        #expect(login.password == bytes("pencil"))
        #expect(login.keys == nil)

        for guess in ["pencils", "penci", "Pencil", "x"] {
            login = clientLogin(.password, secret)
            _ = login.start(&output)
            let failure = Self.failure(Self.answer(&login, bytes(guess) + [0]).step)
            #expect(failure?.sqlstate == "28P01")
            #expect(failure?.message == Self.wrong)
            #expect(failure?.detail == nil)
            #expect(failure?.logDetail == "Password does not match for user \"user\".")
            #expect(login.password == nil)
        }
    }

    @Test func `a password not in normal form opens its verifier`() {
        var login = clientLogin(.password, .scram(verifier("\u{e9}\u{2168}")))
        var output: [UInt8] = []
        _ = login.start(&output)
        #expect(Self.answer(&login, bytes("e\u{301}IX") + [0]).step == .done)
    }

    /// `select md5(md5('pencil' || 'user') || '\xba04f58f')` and the like, with the salt in its place.
    @Test func `md5 asks with a salt and takes the salted hash`() throws {
        var generator = SeededGenerator(seed: 1)
        let salt = Array(generator.bytes(32)[18..<22])
        for secret in [Secret.password(bytes("pencil")), md5Secret("pencil")] {
            var login = clientLogin(.md5, secret)
            var output: [UInt8] = []
            #expect(login.start(&output) == .wait)
            #expect(output == [UInt8(ascii: "R"), 0, 0, 0, 12, 0, 0, 0, 5] + salt)
            var good = login
            let hash = try MD5Password.hash(password: bytes("pencil"), user: bytes("user"))
            let response = try MD5Password.response(hash: hash, salt: salt)
            #expect(Self.answer(&good, response + [0]).step == .done)
            #expect(good.password == nil)
            for bad in [
                hash, bytes("pencil"), response.dropLast() + [UInt8(ascii: "!")], response + response,
            ] {
                var login = login
                let failure = Self.failure(Self.answer(&login, bad + [0]).step)
                #expect(failure?.sqlstate == "28P01")
                #expect(failure?.message == Self.wrong)
            }
        }
    }

    @Test(arguments: [LoginMethod.md5, .scram])
    func `a SCRAM verifier is proved by SCRAM, whatever the rule says`(method: LoginMethod) {
        var login = clientLogin(method, .scram(verifier("pencil")))
        var output: [UInt8] = []
        #expect(login.start(&output) == .wait)
        #expect(output == [UInt8(ascii: "R"), 0, 0, 0, 23, 0, 0, 0, 10] + bytes("SCRAM-SHA-256") + [0, 0])
    }

    @Test func `a first message may follow an empty challenge`() {
        var login = clientLogin(.scram, .scram(verifier("pencil")))
        var output: [UInt8] = []
        _ = login.start(&output)
        let none = Self.answer(&login, bytes("SCRAM-SHA-256") + [0, 255, 255, 255, 255])
        #expect(none.step == .wait)
        #expect(none.said == [UInt8(ascii: "R"), 0, 0, 0, 8, 0, 0, 0, 11])
        let first = Self.answer(&login, bytes("n,,n=,r=abc"))
        #expect(first.step == .wait)
        #expect(text(first.said.dropFirst(9)).hasPrefix("r=abc"))
    }

    @Test func `the user name inside SCRAM and unknown extensions are ignored`() throws {
        var login = clientLogin(.scram, .scram(verifier("pencil")))
        var output: [UInt8] = []
        _ = login.start(&output)
        let first = Self.answer(&login, initialResponse("y,,n=somebody=2Celse,r=abc,x=1,y="))
        #expect(first.step == .wait)
        let offer = try SCRAMServerFirst(parsing: Array(first.said.dropFirst(9)))
        let keys = try SCRAMKeys(
            saltedPassword: HashJob(
                password: bytes("pencil"), salt: offer.salt, iterations: offer.iterations
            ).run())
        let withoutProof = bytes("c=eSws,r=\(text(offer.nonce)),z=what")
        let message = SCRAM.authMessage(
            firstBare: bytes("n=somebody=2Celse,r=abc,x=1,y="), serverFirst: Array(first.said.dropFirst(9)),
            finalWithoutProof: withoutProof)
        let proof = Crypto.xor(keys.clientKey, try Crypto.hmac(key: keys.storedKey, message))
        #expect(Self.answer(&login, withoutProof + bytes(",p=") + Base64.encode(proof)).step == .done)
        #expect(login.keys == keys)
    }

    @Test func `a clear-text secret is hashed once`() {
        var first = Conversation(
            clientLogin(.scram, .password(bytes("pencil"))), serverLogin(.password(bytes("pencil"))))
        first.run()
        #expect(first.serverStep == .done)
        #expect(first.hashes == 2)
        guard let derived = first.client.verifier else {
            Issue.record("no verifier was kept")
            return
        }
        var second = Conversation(
            clientLogin(.scram, .scram(derived)), serverLogin(.password(bytes("pencil"))))
        second.run()
        #expect(second.serverStep == .done)
        #expect(second.hashes == 1)
    }
}
