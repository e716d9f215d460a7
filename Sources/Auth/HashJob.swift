/// The one slow step of a login (SASLprep and PBKDF2, milliseconds): the caller runs it wherever it stops
/// nobody, and hands the result to `hashed(_:_:)` of the login that asked.
public struct HashJob: Sendable, Equatable {
    /// As the user wrote it.
    public var password: [UInt8]
    public var salt: [UInt8]
    public var iterations: Int

    public init(password: [UInt8], salt: [UInt8], iterations: Int) {
        self.password = password
        self.salt = salt
        self.iterations = iterations
    }

    /// SCRAM's SaltedPassword, 32 bytes; empty where libcrypto refuses, which the login that
    /// gets it reports.
    public func run() -> [UInt8] {
        Crypto.pbkdf2(password: SASLPrep.prepare(password), salt: salt, iterations: iterations) ?? []
    }
}
