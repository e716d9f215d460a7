import Auth

/// SCRAM verifiers derived from clear-text passwords, so that only the first login with a
/// password pays for its hash. Lives in memory only, like the passwords themselves.
final class DerivedVerifiers: @unchecked Sendable {
    private static let capacity = 10_000
    private let monitor = Monitor()
    private var verifiers: [[UInt8]: SCRAMVerifier] = [:]

    /// The secret to check a client against: a verifier where one is known already.
    func known(for secret: Secret) -> Secret {
        guard case .password(let password) = secret else { return secret }
        return monitor.locked { verifiers[password].map(Secret.scram) } ?? secret
    }

    func remember(_ verifier: SCRAMVerifier?, for secret: Secret) {
        guard let verifier, case .password(let password) = secret else { return }
        monitor.locked {
            if verifiers.count >= Self.capacity { verifiers.removeAll() }
            verifiers[password] = verifier
        }
    }
}
