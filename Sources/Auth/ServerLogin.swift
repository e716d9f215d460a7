/// We prove ourselves to a server: libpq's side (fe-auth.c, fe-auth-scram.c), against a server
/// that may be hostile. Only the authentication requests ('R') come here; an ErrorResponse or
/// NoticeResponse is the caller's.
public struct ServerLogin: Sendable {
    public enum Step: Equatable, Sendable {
        /// Frames (if any) were appended to output; feed the next authentication request.
        case wait
        /// Run it, then call `hashed(_:_:)`. Keep frames that come meanwhile.
        case hash(HashJob)
        /// AuthenticationOk was seen.
        case done
        case failed(LoginFailure)
    }

    private enum State {
        case fresh
        /// A password or its md5 was sent.
        case passwordSent
        case awaitingServerFirst
        case hashing
        case awaitingServerFinal
        /// The server has proved itself; or it asked for nothing that it could have proved.
        case awaitingOk
        case finished
    }

    /// The most iterations a server may make us hash a password with: some 200 ms of one core.
    public static let maxIterations = 1_000_000
    /// The longest authentication request.
    public static let maxMessage = 65_536

    private let user: [UInt8]
    private let secret: Secret
    private let keys: SCRAMKeys?
    private var exchange: SCRAMClientExchange
    private var state = State.fresh

    /// - Parameters:
    ///   - secret: clear text opens every method, an md5 hash md5 alone, a verifier none.
    ///   - keys: of a client's login against the server's own verifier; SCRAM uses them
    ///     where there is no clear-text password.
    ///   - random: at least 24 fresh bytes.
    public init(user: [UInt8], secret: Secret, keys: SCRAMKeys?, random: [UInt8]) {
        precondition(random.count >= 24, "a login needs 24 random bytes")
        self.user = user
        self.secret = secret
        self.keys = keys
        exchange = SCRAMClientExchange(nonce: Base64.encode(random.prefix(SCRAM.rawNonceSize)))
    }

    /// The body of an authentication request, without tag and length.
    public mutating func received(authentication body: ArraySlice<UInt8>, _ output: inout [UInt8]) -> Step {
        step { login throws(LoginFailure) in try login.take(body, &output) }
    }

    /// The result of the HashJob.
    public mutating func hashed(_ saltedPassword: [UInt8], _ output: inout [UInt8]) -> Step {
        step { login throws(LoginFailure) in
            guard case .hashing = login.state else {
                throw .protocolViolation("no password hash was asked for")
            }
            return try login.sendClientFinal(try SCRAMKeys(saltedPassword: saltedPassword), &output)
        }
    }

    /// Runs one step; a failure is final.
    private mutating func step(_ body: (inout Self) throws(LoginFailure) -> Step) -> Step {
        do {
            let step = try body(&self)
            if step == .done { state = .finished }
            return step
        } catch {
            state = .finished
            return .failed(error)
        }
    }

    private mutating func take(
        _ body: ArraySlice<UInt8>, _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        guard body.count <= Self.maxMessage else {
            throw .protocolViolation("server sent an authentication request of \(body.count) bytes")
        }
        var reader = BodyReader(body)
        guard let code = reader.int32() else {
            throw .protocolViolation("server sent an authentication request without a method")
        }
        let payload = Array(reader.rest)
        switch (code, state) {
        case (AuthenticationCode.ok, .fresh), (AuthenticationCode.ok, .passwordSent),
            (AuthenticationCode.ok, .awaitingOk):
            guard payload.isEmpty else {
                throw .protocolViolation("server sent a malformed AuthenticationOk")
            }
            return .done
        case (AuthenticationCode.cleartextPassword, .fresh):
            guard payload.isEmpty else {
                throw .protocolViolation("server sent a malformed request for a clear-text password")
            }
            return try sendPassword(&output)
        case (AuthenticationCode.md5Password, .fresh):
            guard payload.count == 4 else {
                throw .protocolViolation("server sent a malformed request for an md5 password")
            }
            return try sendMD5(salt: payload, &output)
        case (AuthenticationCode.sasl, .fresh): return try sendClientFirst(offer: payload, &output)
        case (AuthenticationCode.saslContinue, .awaitingServerFirst):
            return try takeServerFirst(payload, &output)
        case (AuthenticationCode.saslFinal, .awaitingServerFinal): return try takeServerFinal(payload)
        case (AuthenticationCode.ok, _), (AuthenticationCode.cleartextPassword, _),
            (AuthenticationCode.md5Password, _), (AuthenticationCode.sasl, _),
            (AuthenticationCode.saslContinue, _), (AuthenticationCode.saslFinal, _):
            throw outOfOrder(code)
        default: throw unsupported(code)
        }
    }

    // MARK: clear text and md5

    private mutating func sendPassword(_ output: inout [UInt8]) throws(LoginFailure) -> Step {
        guard case .password(let password) = secret else { throw missing("a clear-text password") }
        output.appendPasswordFrame(password + [0])
        state = .passwordSent
        return .wait
    }

    private mutating func sendMD5(salt: [UInt8], _ output: inout [UInt8]) throws(LoginFailure) -> Step {
        let hash: [UInt8]
        switch secret {
        case .md5(let stored): hash = stored
        case .password(let password): hash = try MD5Password.hash(password: password, user: user)
        case .none, .scram: throw missing("md5 authentication")
        }
        output.appendPasswordFrame(try MD5Password.response(hash: hash, salt: salt) + [0])
        state = .passwordSent
        return .wait
    }

    // MARK: SCRAM

    private mutating func sendClientFirst(
        offer: [UInt8], _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        var reader = BodyReader(offer[...])
        var mechanisms: [[UInt8]] = []
        var last = reader.string()
        while let name = last, !name.isEmpty {
            mechanisms.append(name)
            last = reader.string()
        }
        // an empty name ends the list
        guard !mechanisms.isEmpty, last != nil, reader.rest.isEmpty else {
            throw .protocolViolation("server sent a malformed list of SASL mechanisms")
        }
        guard mechanisms.contains(SCRAM.mechanism) else {
            let names = mechanisms.prefix(3).map { SCRAMReader.shown($0[...]) }.joined(separator: ", ")
            throw LoginFailure(
                sqlstate: "08004", message: "none of the server's SASL mechanisms is supported",
                detail: "The server offers \(names).")
        }
        if case .password = secret {} else if keys == nil { throw missing("SCRAM-SHA-256 authentication") }
        let message = exchange.clientFirst
        var body = SCRAM.mechanism + [0]
        body.appendBigEndian(UInt32(clamping: message.count))
        output.appendPasswordFrame(body + message)
        state = .awaitingServerFirst
        return .wait
    }

    private mutating func takeServerFirst(
        _ message: [UInt8], _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        let offer = try exchange.received(serverFirst: message)
        guard case .password(let password) = secret else {
            guard let keys else { throw missing("SCRAM-SHA-256 authentication") }
            return try sendClientFinal(keys, &output)
        }
        guard offer.iterations <= Self.maxIterations else {
            throw LoginFailure(
                sqlstate: "08004", message: "server asks for too many SCRAM iterations",
                detail: "It asks for \(offer.iterations); at most \(Self.maxIterations) are computed.")
        }
        state = .hashing
        return .hash(HashJob(password: password, salt: offer.salt, iterations: offer.iterations))
    }

    private mutating func sendClientFinal(
        _ keys: SCRAMKeys, _ output: inout [UInt8]
    ) throws(LoginFailure) -> Step {
        output.appendPasswordFrame(try exchange.clientFinal(keys))
        state = .awaitingServerFinal
        return .wait
    }

    private mutating func takeServerFinal(_ message: [UInt8]) throws(LoginFailure) -> Step {
        switch try SCRAMServerFinal(parsing: message) {
        case .error(let text):
            throw LoginFailure(
                sqlstate: "28P01", message: "password authentication failed for user \"\(printable(user))\"",
                detail: "The server ended the SCRAM exchange with \"\(text)\".")
        case .signature(let signature):
            guard exchange.isGenuine(signature) else {
                throw LoginFailure(
                    sqlstate: "08004", message: "server could not prove that it knows the password",
                    detail: "The signature of its last SCRAM message is wrong.")
            }
            state = .awaitingOk
            return .wait
        }
    }

    // MARK: failures

    private func outOfOrder(_ code: UInt32) -> LoginFailure {
        let what =
            switch code {
            case AuthenticationCode.ok: "AuthenticationOk before it proved itself"
            case AuthenticationCode.saslContinue, AuthenticationCode.saslFinal:
                "a SASL message out of order"
            default: "a second authentication request"
            }
        return .protocolViolation("server sent \(what)")
    }

    private func unsupported(_ code: UInt32) -> LoginFailure {
        let name = AuthenticationCode.name(code).map { " (\($0))" } ?? ""
        return LoginFailure(
            sqlstate: "08004",
            message: "server asks for authentication method \(code)\(name), which is not supported",
            hint: "Supported are SCRAM-SHA-256, md5, clear-text passwords and trust.")
    }

    /// Nothing we hold satisfies the server.
    private func missing(_ what: String) -> LoginFailure {
        let held =
            switch (secret, keys) {
            case (.scram, nil): "A SCRAM verifier can check a password, but not log in with it."
            case (_, .some): "Only the SCRAM keys of the client's login are known."
            case (.md5, nil): "Only the md5 hash of the password is known."
            case (.none, nil), (.password, nil): "No password is known."
            }
        return LoginFailure(
            sqlstate: "28P01",
            message: "server asks user \"\(printable(user))\" for \(what), which nothing at hand satisfies",
            detail: held,
            hint: "Let the client log in with SCRAM against the server's own verifier, store the password "
                + "in clear text, or let the server's pg_hba.conf trust this connection.")
    }
}
