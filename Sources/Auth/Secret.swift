/// A role's password as it is stored, in pg_authid or in an auth_file.
public enum Secret: Sendable, Equatable {
    /// No password, or one that can prove nothing: nobody logs in with it.
    case none
    /// Clear text.
    case password([UInt8])
    /// "md5" and 32 hexadecimal digits: md5(password ‖ user name).
    case md5([UInt8])
    case scram(SCRAMVerifier)

    /// Tells the kinds apart as PostgreSQL's get_password_type() does. A string that begins
    /// as a SCRAM verifier but is none becomes `.none`: were it a clear-text password, whoever
    /// sees the broken entry could log in with it.
    public init(stored bytes: [UInt8]) {
        if bytes.isEmpty {
            self = .none
        } else if MD5Password.isHash(bytes) {
            self = .md5(bytes)
        } else if let verifier = SCRAMVerifier(parsing: bytes) {
            self = .scram(verifier)
        } else if bytes.starts(with: SCRAMVerifier.prefix) {
            self = .none
        } else {
            self = .password(bytes)
        }
    }
}
