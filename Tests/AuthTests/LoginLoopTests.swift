import TestSupport
import Testing

@testable import Auth

/// Our two sides talk to each other: every method with every kind of secret on both ends.
@Suite struct LoginLoopTests {
    enum Held: String, CaseIterable, Sendable {
        case nothing, password, md5, verifier, keys
    }

    static let stored: [(String, Secret)] = [
        ("none", .none), ("password", .password(bytes("pencil"))), ("md5", md5Secret("pencil")),
        ("verifier", .scram(verifier("pencil"))),
    ]

    /// Whether a login must succeed: the rule's method, what is stored there, what is held here.
    private func opens(_ method: LoginMethod, _ stored: String, _ held: Held) -> Bool {
        switch (method, stored) {
        case (.trust, _): true
        case (_, "none"): false
        case (.password, _): held == .password
        case (.md5, "md5"), (.md5, "password"): held == .password || held == .md5
        case (.md5, _), (.scram, "verifier"): held == .password || held == .keys
        // a clear-text secret has a salt of its own, so keys of another one are no use
        case (.scram, "password"): held == .password
        case (.scram, _): false
        }
    }

    @Test(arguments: [LoginMethod.trust, .password, .md5, .scram], Held.allCases)
    func `each login ends as it must`(method: LoginMethod, held: Held) throws {
        let verifier = verifier("pencil")
        let hashed = HashJob(password: bytes("pencil"), salt: verifier.salt, iterations: verifier.iterations)
            .run()
        let keys = try SCRAMKeys(saltedPassword: hashed)
        for (name, secret) in Self.stored {
            let server =
                switch held {
                case .nothing: serverLogin(.none)
                case .password: serverLogin(.password(bytes("pencil")))
                case .md5: serverLogin(md5Secret("pencil"))
                case .verifier: serverLogin(.scram(verifier))
                case .keys: serverLogin(.scram(verifier), keys: keys)
                }
            var conversation = Conversation(clientLogin(method, secret), server)
            conversation.run()
            #expect(
                (conversation.serverStep == .done) == opens(method, name, held), "\(method) \(name) \(held)")
            #expect((conversation.clientStep == .done) == (conversation.serverStep == .done))
        }
    }

    @Test func `the keys of a client's login open the server without a hash`() throws {
        let verifier = verifier("pencil")
        var outer = Conversation(
            clientLogin(.scram, .scram(verifier)), serverLogin(.password(bytes("pencil"))))
        outer.run()
        let keys = try #require(outer.client.keys)
        var inner = Conversation(
            clientLogin(.scram, .scram(verifier), seed: 3), serverLogin(.scram(verifier), keys: keys, seed: 4)
        )
        inner.run()
        #expect(inner.serverStep == .done)
        #expect(inner.hashes == 0)
        #expect(inner.client.keys == keys)
    }

    @Test func `a clear-text password is preferred to keys`() throws {
        var outer = Conversation(
            clientLogin(.scram, .password(bytes("pencil"))), serverLogin(.password(bytes("pencil"))))
        outer.run()
        let keys = try #require(outer.client.keys)
        var inner = Conversation(
            clientLogin(.scram, .scram(verifier("pencil"))),
            serverLogin(.password(bytes("pencil")), keys: keys))
        inner.run()
        #expect(inner.serverStep == .done)
    }
}
