import TestSupport
import Testing

@testable import Auth

/// A login that can't succeed looks like one with a wrong password.
@Suite struct MockLoginTests {
    /// What the client sees of a login whose password is wrong: every frame and the error.
    private func seen(_ login: ClientLogin, answers password: String = "wrong") -> ([Frame], LoginFailure?) {
        var conversation = Conversation(login, serverLogin(.password(bytes(password))))
        conversation.run()
        var failure = ClientLoginTests.failure(conversation.clientStep)
        failure?.logDetail = nil  // never leaves the host
        return (conversation.spoken, failure)
    }

    @Test(arguments: [Secret.none, md5Secret("pencil")])
    func `a mock SCRAM exchange looks like a real one`(secret: Secret) {
        // the real role has the salt that the mock makes, so that all bytes can be compared
        let salt = Array(try! Crypto.sha256(bytes("user") + mockNonce).prefix(16))
        let hashed = HashJob(password: bytes("pencil"), salt: salt, iterations: 4096).run()
        let real = try! SCRAMVerifier(saltedPassword: hashed, salt: salt, iterations: 4096)
        let mock = seen(clientLogin(.scram, secret))
        #expect(mock == seen(clientLogin(.scram, .scram(real))))
        #expect(mock == seen(clientLogin(.scram, .password(bytes("pencil")))))
        #expect(mock.1?.sqlstate == "28P01")
        #expect(mock.0.count == 4)
        // nor does the right password open it
        #expect(seen(clientLogin(.scram, secret), answers: "pencil").1?.sqlstate == "28P01")
    }

    @Test func `the md5 method without a secret mocks what the server's passwords usually are`() {
        #expect(seen(clientLogin(.md5, .none, mockMD5: true)) == seen(clientLogin(.md5, md5Secret("pencil"))))
        #expect(seen(clientLogin(.md5, .none)) == seen(clientLogin(.scram, .none)))
    }

    @Test(arguments: [false, true])
    func `the password method without a secret fails in the same words`(mockMD5: Bool) {
        let mock = seen(clientLogin(.password, .none, mockMD5: mockMD5))
        #expect(mock == seen(clientLogin(.password, .password(bytes("pencil")))))
        #expect(mock == seen(clientLogin(.password, .scram(verifier("pencil")))))
    }

    @Test func `a mock's salt is of the name, and does not change`() {
        func salt(_ user: String, seed: UInt64) -> [UInt8]? {
            var login = clientLogin(.scram, .none, user: user, seed: seed)
            var output: [UInt8] = []
            _ = login.start(&output)
            let said = ClientLoginTests.answer(&login, initialResponse("n,,n=,r=abc")).said
            return (try? SCRAMServerFirst(parsing: Array(said.dropFirst(9))))?.salt
        }
        #expect(salt("a", seed: 1) != nil)
        #expect(salt("a", seed: 1) == salt("a", seed: 2))
        #expect(salt("a", seed: 1) != salt("b", seed: 1))
        #expect(salt("a", seed: 1)?.count == 16)
    }

    @Test func `keys and passwords of a failed login are not kept`() {
        for method in [LoginMethod.password, .md5, .scram] {
            for secret in [
                Secret.none, .password(bytes("pencil")), md5Secret("pencil"), .scram(verifier("pencil")),
            ] {
                var conversation = Conversation(
                    clientLogin(method, secret), serverLogin(.password(bytes("wrong"))))
                conversation.run()
                #expect(ClientLoginTests.failure(conversation.clientStep)?.sqlstate == "28P01")
                #expect(conversation.client.keys == nil)
                #expect(conversation.client.password == nil)
                #expect(conversation.client.verifier == nil)
            }
        }
    }
}
