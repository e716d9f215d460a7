/// What the host's rules ask of a client. The numbers are those of CarpoolMethod in cnumbers.h, whose 0
/// lets no client in.
public enum LoginMethod: Int32, Sendable, Equatable {
    case trust = 1
    case password, md5, scram

    /// How many fresh random bytes a login takes.
    public var randomSize: Int { self == .trust ? 0 : 48 }

    /// A verifier derived from a clear-text secret does as well as the secret, and spares a hash.
    public var takesDerivedVerifier: Bool { self == .scram }
}

/// A client proves itself to us: PostgreSQL 16's server side (auth.c, auth-scram.c), seen from
/// the client. Frames in, frames out; the caller owns time, threads and the socket.
///
/// Nobody learns from the frames whether a role exists or has a password of the right kind: a
/// login that can't succeed asks for the same things and fails at its end with the same error.
/// Its time is the same too where no verifier must be derived first; a host whose secrets are
/// clear text should hand in `.password` of random bytes for names it does not know.
public struct ClientLogin: Sendable {
    public enum Step: Equatable, Sendable {
        /// Frames (if any) were appended to output; feed the next client frame.
        case wait
        /// Run it, then call `hashed(_:_:)`. Keep frames that come meanwhile.
        case hash(HashJob)
        /// Proved; AuthenticationOk is not sent yet.
        case done
        case failed(LoginFailure)
    }

    private enum State {
        case fresh
        case awaitingPassword
        case hashingPassword(SCRAMVerifier)
        case awaitingMD5(salt: [UInt8])
        /// The mechanism was offered.
        case awaitingInitialResponse
        /// The client named the mechanism without a first message.
        case awaitingClientFirst
        /// A clear-text secret becomes a verifier first.
        case hashingVerifier(SCRAMClientFirst)
        case awaitingClientFinal(SCRAMServerExchange)
        case finished
    }

    /// Limits of PostgreSQL's own server (PG_MAX_AUTH_TOKEN_LENGTH, PG_MAX_SASL_MESSAGE_LENGTH);
    /// both count a frame's length word.
    private static let maxPasswordFrame = 65_535
    private static let maxSASLFrame = 1_024

    private let method: LoginMethod
    private let user: [UInt8]
    private let secret: Secret
    private let mockMD5: Bool
    private let mockNonce: [UInt8]
    private let random: [UInt8]
    private var state = State.fresh

    /// After `done` by SCRAM: the keys of the login, ClientKey recovered from the proof. They
    /// open a server that has the same verifier; from a clear-text secret they are of our own
    /// salt and open none.
    public private(set) var keys: SCRAMKeys?
    /// After `done` by a clear-text password.
    public private(set) var password: [UInt8]?
    /// After `done` by SCRAM from a clear-text secret: the verifier derived from it. With
    /// `.scram` of it the next login needs no hash.
    public private(set) var verifier: SCRAMVerifier?

    /// - Parameters:
    ///   - secret: `.none` for a role that does not exist or may not log in by password.
    ///   - mockMD5: without a secret, the md5 method asks for md5, not for SCRAM (PostgreSQL:
    ///     password_encryption is md5).
    ///   - mockNonce: 32 bytes, kept secret, the same for long: salts of mock exchanges and of
    ///     clear-text secrets come from it, so that both look alike and don't change.
    ///   - random: at least 32 fresh bytes; none are needed for trust.
    public init(
        method: LoginMethod, user: [UInt8], secret: Secret, mockMD5: Bool, mockNonce: [UInt8],
        random: [UInt8]
    ) {
        precondition(random.count >= 32 || method == .trust, "a login needs 32 random bytes")
        self.method = method
        self.user = user
        self.secret = secret
        self.mockMD5 = mockMD5
        self.mockNonce = mockNonce
        self.random = random
    }

    /// How long the frame that is due may be, by its length word.
    public var frameLimit: Int {
        switch state {
        case .awaitingPassword, .awaitingMD5: Self.maxPasswordFrame
        default: Self.maxSASLFrame
        }
    }

    /// Asks the client for its proof.
    public mutating func start(_ output: inout [UInt8]) -> Step {
        switch method {
        case .trust:
            state = .finished
            return .done
        case .password:
            output.appendAuthentication(AuthenticationCode.cleartextPassword)
            state = .awaitingPassword
        case .md5 where asksForMD5:
            let salt = Array(random[SCRAM.rawNonceSize..<(SCRAM.rawNonceSize + 4)])
            output.appendAuthentication(AuthenticationCode.md5Password, salt)
            state = .awaitingMD5(salt: salt)
        case .md5, .scram:
            output.appendAuthentication(AuthenticationCode.sasl, SCRAM.mechanism + [0, 0])
            state = .awaitingInitialResponse
        }
        return .wait
    }

    private var asksForMD5: Bool {
        switch secret {
        case .md5, .password: true
        case .scram: false
        case .none: mockMD5
        }
    }

    /// A client's frame, `body` without tag and length. Anything but what is due fails with
    /// 08P01, a wrong proof with 28P01.
    public mutating func received(_ tag: UInt8, _ body: ArraySlice<UInt8>, _ output: inout [UInt8]) -> Step {
        step { login throws(LoginFailure) in try login.take(tag, body, &output) }
    }

    /// The result of the HashJob.
    public mutating func hashed(_ saltedPassword: [UInt8], _ output: inout [UInt8]) -> Step {
        step { login throws(LoginFailure) in try login.takeHash(saltedPassword, &output) }
    }

    /// Runs one step; a failure is final.
    private mutating func step(_ body: (inout Self) throws(LoginFailure) -> Step) -> Step {
        do {
            let step = try body(&self)
            if step == .done { state = .finished }
            return step
        } catch {
            state = .finished
            password = nil
            verifier = nil
            return .failed(error)
        }
    }

    private mutating func take(
        _ tag: UInt8, _ body: ArraySlice<UInt8>, _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        let current = state
        switch current {
        case .awaitingPassword, .awaitingMD5: try check(tag, body, "password", Self.maxPasswordFrame)
        case .awaitingInitialResponse, .awaitingClientFirst, .awaitingClientFinal:
            try check(tag, body, "SASL", Self.maxSASLFrame)
        case .fresh, .hashingPassword, .hashingVerifier, .finished: break
        }
        switch current {
        case .awaitingPassword: return try takePassword(try Self.passwordText(body))
        case .awaitingMD5(let salt): return try takeMD5(try Self.passwordText(body), salt)
        case .awaitingInitialResponse:
            guard let message = try Self.initialResponse(body) else {
                // no first message yet: ask with an empty challenge
                output.appendAuthentication(AuthenticationCode.saslContinue)
                state = .awaitingClientFirst
                return .wait
            }
            return try takeClientFirst(message, &output)
        case .awaitingClientFirst: return try takeClientFirst(Array(body), &output)
        case .awaitingClientFinal(let exchange): return try takeClientFinal(Array(body), exchange, &output)
        case .fresh, .hashingPassword, .hashingVerifier, .finished:
            throw .protocolViolation("unexpected message type \(tag) during authentication")
        }
    }

    private mutating func takeHash(
        _ saltedPassword: [UInt8], _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        switch state {
        case .hashingPassword(let expected):
            let keys = try SCRAMKeys(saltedPassword: saltedPassword)
            guard Crypto.equal(keys.serverKey, expected.serverKey), case .scram = secret else {
                throw wrong(noneKind: "no password assigned")
            }
            return .done
        case .hashingVerifier(let clientFirst):
            let derived = try SCRAMVerifier(
                saltedPassword: saltedPassword, salt: try mockSalt(), iterations: SCRAM.defaultIterations)
            verifier = derived
            return answer(clientFirst, derived, &output)
        default:
            throw .protocolViolation("no password hash was asked for")
        }
    }

    // MARK: clear text and md5

    private mutating func takePassword(_ text: [UInt8]) throws(LoginFailure) -> Step {
        password = text
        switch secret {
        case .scram(let verifier):
            state = .hashingPassword(verifier)
            return .hash(HashJob(password: text, salt: verifier.salt, iterations: verifier.iterations))
        case .none where !mockMD5:
            let verifier = try mockVerifier()
            state = .hashingPassword(verifier)
            return .hash(HashJob(password: text, salt: verifier.salt, iterations: verifier.iterations))
        case .md5(let hash):
            guard Crypto.equal(try MD5Password.hash(password: text, user: user), hash) else { throw wrong() }
        case .password(let expected):
            // digests, for the time of a comparison tells the lengths
            guard Crypto.equal(try Crypto.sha256(text), try Crypto.sha256(expected)) else { throw wrong() }
        case .none:
            _ = try MD5Password.hash(password: text, user: user)
            throw wrong(noneKind: "no password assigned")
        }
        return .done
    }

    private func takeMD5(_ text: [UInt8], _ salt: [UInt8]) throws(LoginFailure) -> Step {
        let hash: [UInt8]
        switch secret {
        case .md5(let stored): hash = stored
        case .password(let clear): hash = try MD5Password.hash(password: clear, user: user)
        case .none, .scram: hash = try MD5Password.hash(password: mockNonce, user: user)
        }
        guard Crypto.equal(text, try MD5Password.response(hash: hash, salt: salt)), secret != .none else {
            throw wrong(noneKind: "no password assigned")
        }
        return .done
    }

    // MARK: SCRAM

    private mutating func takeClientFirst(
        _ message: [UInt8], _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        let clientFirst = try SCRAMClientFirst(parsing: message)
        switch secret {
        case .scram(let verifier): return answer(clientFirst, verifier, &output)
        case .password(let clear):
            state = .hashingVerifier(clientFirst)
            return .hash(
                HashJob(password: clear, salt: try mockSalt(), iterations: SCRAM.defaultIterations))
        case .none, .md5: return answer(clientFirst, try mockVerifier(), &output)
        }
    }

    private mutating func answer(
        _ clientFirst: SCRAMClientFirst, _ verifier: SCRAMVerifier, _ output: inout [UInt8]
    ) -> Step {
        let exchange = SCRAMServerExchange(
            clientFirst, nonce: Base64.encode(random.prefix(SCRAM.rawNonceSize)), verifier: verifier)
        output.appendAuthentication(AuthenticationCode.saslContinue, exchange.serverFirst)
        state = .awaitingClientFinal(exchange)
        return .wait
    }

    private mutating func takeClientFinal(
        _ message: [UInt8], _ exchange: SCRAMServerExchange, _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        let proof = try exchange.finish(message)
        switch secret {
        case .none: throw wrong(noneKind: "no password assigned")
        case .md5: throw wrong(noneKind: "no valid SCRAM secret")
        case .scram, .password: break
        }
        guard let proof else { throw wrong() }
        keys = proof.keys
        output.appendAuthentication(AuthenticationCode.saslFinal, proof.serverFinal)
        return .done
    }

    /// The salt of exchanges that have none stored: the first 16 bytes of SHA-256 over user name
    /// and secret nonce, as auth-scram.c's scram_mock_salt().
    private func mockSalt() throws(LoginFailure) -> [UInt8] {
        Array(try Crypto.sha256(user + mockNonce).prefix(SCRAM.saltSize))
    }

    /// A verifier that nothing satisfies.
    private func mockVerifier() throws(LoginFailure) -> SCRAMVerifier {
        let zeros = [UInt8](repeating: 0, count: SCRAM.keySize)
        return SCRAMVerifier(
            iterations: SCRAM.defaultIterations, salt: try mockSalt(), storedKey: zeros, serverKey: zeros)
    }

    // MARK: frames and failures

    private func check(
        _ tag: UInt8, _ body: ArraySlice<UInt8>, _ kind: String, _ limit: Int
    ) throws(LoginFailure) {
        guard tag == UInt8(ascii: "p") else {
            throw .protocolViolation("expected \(kind) response, got message type \(tag)")
        }
        guard body.count + 4 <= limit else { throw .protocolViolation("invalid message length") }
    }

    /// The string of a PasswordMessage.
    private static func passwordText(_ body: ArraySlice<UInt8>) throws(LoginFailure) -> [UInt8] {
        guard body.last == 0, body.dropLast().firstIndex(of: 0) == nil else {
            throw .protocolViolation("invalid password packet size")
        }
        guard body.count > 1 else {
            throw LoginFailure(sqlstate: "28P01", message: "empty password returned by client")
        }
        return Array(body.dropLast())
    }

    /// The client-first-message of a SASLInitialResponse; nil where it comes without one.
    private static func initialResponse(_ body: ArraySlice<UInt8>) throws(LoginFailure) -> [UInt8]? {
        var reader = BodyReader(body)
        guard let mechanism = reader.string() else {
            throw .protocolViolation("invalid string in message")
        }
        guard mechanism == SCRAM.mechanism else {
            throw .protocolViolation("client selected an invalid SASL authentication mechanism")
        }
        guard let length = reader.int32() else {
            throw .protocolViolation("insufficient data left in message")
        }
        var message: [UInt8]?
        if length != UInt32.max {
            message = reader.bytes(Int(length))
            guard message != nil else { throw .protocolViolation("insufficient data left in message") }
        }
        guard reader.rest.isEmpty else { throw .protocolViolation("invalid message format") }
        return message
    }

    private func wrong(noneKind: String? = nil) -> LoginFailure {
        let name = printable(user)
        let why =
            switch secret {
            case .scram, .password: "Password does not match for user \"\(name)\"."
            case .none, .md5:
                noneKind.map { "User \"\(name)\" has \($0)." }
                    ?? "Password does not match for user \"\(name)\"."
            }
        return .wrongPassword(user: user, log: why)
    }
}
