import TestSupport

@testable import Auth

struct Frame: Equatable {
    var tag: UInt8
    var body: [UInt8]
}

/// Splits what a login appended; nil where it is not whole frames.
func frames(_ output: [UInt8]) -> [Frame]? {
    var found: [Frame] = []
    var rest = output[...]
    while let tag = rest.first {
        let header = rest.dropFirst().prefix(4)
        let length = header.reduce(0) { $0 << 8 | Int($1) }
        guard header.count == 4, length >= 4, rest.count > length else { return nil }
        found.append(Frame(tag: tag, body: Array(rest.dropFirst(5).prefix(length - 4))))
        rest = rest.dropFirst(length + 1)
    }
    return found
}

/// The body of an authentication request.
func request(_ code: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
    var body: [UInt8] = []
    body.appendBigEndian(code)
    return body + payload
}

func initialResponse(_ message: String, mechanism: String = "SCRAM-SHA-256") -> [UInt8] {
    var body = bytes(mechanism) + [0]
    body.appendBigEndian(UInt32(message.utf8.count))
    return body + bytes(message)
}

let mockNonce = [UInt8](repeating: 7, count: 32)

func clientLogin(
    _ method: LoginMethod, _ secret: Secret, user: String = "user", mockMD5: Bool = false, seed: UInt64 = 1
) -> ClientLogin {
    var generator = SeededGenerator(seed: seed)
    return ClientLogin(
        method: method, user: bytes(user), secret: secret, mockMD5: mockMD5, mockNonce: mockNonce,
        random: generator.bytes(32))
}

func serverLogin(_ secret: Secret, keys: SCRAMKeys? = nil, user: String = "user", seed: UInt64 = 2)
    -> ServerLogin
{
    var generator = SeededGenerator(seed: seed)
    return ServerLogin(user: bytes(user), secret: secret, keys: keys, random: generator.bytes(24))
}

func verifier(_ password: String, iterations: Int = 64, salt: String = "0123456789abcdef") -> SCRAMVerifier {
    let job = HashJob(password: bytes(password), salt: bytes(salt), iterations: iterations)
    do {
        return try SCRAMVerifier(saltedPassword: job.run(), salt: job.salt, iterations: iterations)
    } catch {
        preconditionFailure("\(error)")
    }
}

func md5Secret(_ password: String, user: String = "user") -> Secret {
    do {
        return .md5(try MD5Password.hash(password: bytes(password), user: bytes(user)))
    } catch {
        preconditionFailure("\(error)")
    }
}

/// Both ends of one login, until one of them ends it.
struct Conversation {
    var client: ClientLogin
    var server: ServerLogin
    var clientStep = ClientLogin.Step.wait
    var serverStep = ServerLogin.Step.wait
    /// Everything said, in order.
    var spoken: [Frame] = []
    var hashes = 0

    /// `client` is the client we check, `server` is played against it as that client's driver.
    init(_ client: ClientLogin, _ server: ServerLogin) {
        self.client = client
        self.server = server
    }

    mutating func run() {
        var toDriver: [UInt8] = []
        clientStep = client.start(&toDriver)
        for _ in 0..<8 {
            settleClient(&toDriver)
            if clientStep == .done { toDriver.appendAuthentication(AuthenticationCode.ok) }
            var toUs: [UInt8] = []
            for frame in frames(toDriver) ?? [] {
                spoken.append(frame)
                serverStep = server.received(authentication: frame.body[...], &toUs)
                if case .hash(let job) = serverStep {
                    hashes += 1
                    serverStep = server.hashed(job.run(), &toUs)
                }
                guard serverStep == .wait else { return }
            }
            guard clientStep == .wait, !toUs.isEmpty else { return }
            toDriver = []
            for frame in frames(toUs) ?? [] {
                spoken.append(frame)
                clientStep = client.received(frame.tag, frame.body[...], &toDriver)
                settleClient(&toDriver)
            }
        }
    }

    private mutating func settleClient(_ output: inout [UInt8]) {
        if case .hash(let job) = clientStep {
            hashes += 1
            clientStep = client.hashed(job.run(), &output)
        }
    }
}
