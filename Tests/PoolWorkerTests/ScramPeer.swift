import TestSupport
import Wire

@testable import Auth

/// The driver of a client in a password exchange: answers what the worker asks.
struct PasswordDriver {
    private var machine: ServerLogin

    init(user: String = "ann", password: String) {
        var random = SeededGenerator(seed: 7)
        machine = ServerLogin(
            user: bytes(user), secret: .password(bytes(password)), keys: nil, random: random.bytes(24))
    }

    /// Answers the authentication requests among these messages until none comes any more; returns
    /// all that came.
    mutating func run(_ client: TestClient, _ first: [Frame]) -> [Frame] {
        var (all, frames) = (first, first)
        while let request = frames.last(where: { $0.tag == BackendTag.authentication }) {
            var output: [UInt8] = []
            if case .hash(let job) = machine.received(authentication: request.body[...], &output) {
                _ = machine.hashed(job.run(), &output)
            }
            guard !output.isEmpty else { break }
            frames = client.exchange(output)
            all += frames
        }
        return all
    }
}

/// What a server keeps of a password.
func scramVerifier(_ password: String, salt: String = "0123456789abcdef") -> SCRAMVerifier {
    let job = HashJob(password: bytes(password), salt: bytes(salt), iterations: 64)
    do {
        return try SCRAMVerifier(saltedPassword: job.run(), salt: job.salt, iterations: job.iterations)
    } catch {
        preconditionFailure("\(error)")
    }
}

/// A server's side of a SCRAM login, for a scripted server.
final class ScramDoor {
    private var machine: ClientLogin

    init(user: String, verifier: SCRAMVerifier) {
        var random = SeededGenerator(seed: 9)
        machine = ClientLogin(
            method: .scram, user: bytes(user), secret: .scram(verifier), mockMD5: false,
            mockNonce: [UInt8](repeating: 7, count: 32), random: random.bytes(48))
    }

    func start() -> [UInt8] {
        var output: [UInt8] = []
        _ = machine.start(&output)
        return output
    }

    /// What to send for a message; and whether the login is over: with success, or without.
    func take(_ frame: Frame) -> (output: [UInt8], isOver: Bool?) {
        var output: [UInt8] = []
        switch machine.received(frame.tag, frame.body[...], &output) {
        case .wait: return (output, nil)
        case .done: return (output, true)
        case .failed, .hash: return (output, false)
        }
    }
}
