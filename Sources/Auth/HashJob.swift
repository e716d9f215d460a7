import CCrypto

/// The one slow step of a login (SASLprep and PBKDF2, milliseconds, or minutes with the many
/// iterations that PostgreSQL takes in a verifier): the caller runs it wherever it stops
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

    /// SCRAM's SaltedPassword, 32 bytes; empty where libcrypto refuses or `iterations` is not
    /// 1…2³¹−1, which the login that gets it reports.
    public func run() -> [UInt8] {
        let run = HashRun(self)
        while true { if let result = run.step(Int.max) { return result } }
    }
}

/// A HashJob under way. It belongs to one thread at a time.
@safe
public final class HashRun: @unchecked Sendable {
    private let job: HashJob
    private var run: OpaquePointer?
    private var left = 0

    public init(_ job: HashJob) {
        self.job = job
        unsafe run = nil
    }

    deinit { unsafe carpool_pbkdf2_end(run) }

    /// Does at most so many iterations; the first call prepares the password, too.
    /// - Returns: nil: there is more to do; else what `HashJob.run` says, once.
    public func step(_ most: Int) -> [UInt8]? {
        if unsafe run == nil { begin() }
        guard let run = unsafe run else { return [] }
        let count = min(most, left)
        guard unsafe carpool_pbkdf2_step(run, UInt32(clamping: count)) else { return [] }
        left -= count
        guard left == 0 else { return nil }
        var key = [UInt8](repeating: 0, count: Crypto.sha256Size)
        unsafe key.withUnsafeMutableBufferPointer { unsafe carpool_pbkdf2_key(run, $0.baseAddress) }
        return key
    }

    private func begin() {
        guard job.iterations >= 1, job.iterations <= Int(Int32.max) else { return }
        let password = SASLPrep.prepare(job.password)
        unsafe run = unsafe password.withUnsafeBufferPointer { password in
            unsafe job.salt.withUnsafeBufferPointer { salt in
                unsafe carpool_pbkdf2_begin(
                    password.baseAddress, password.count, salt.baseAddress, salt.count)
            }
        }
        left = job.iterations - 1
    }
}
