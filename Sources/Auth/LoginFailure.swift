/// Why a login failed: the fields of an ErrorResponse.
public struct LoginFailure: Error, Sendable, Equatable {
    /// Five characters.
    public var sqlstate: String
    public var message: String
    public var detail: String?
    public var hint: String?
    /// For the log alone: it tells what a client must not learn (whether the role has a
    /// password, of which kind). PostgreSQL's errdetail_log().
    public var logDetail: String?

    public init(
        sqlstate: String, message: String, detail: String? = nil, hint: String? = nil,
        logDetail: String? = nil
    ) {
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.logDetail = logDetail
    }
}

/// The failures both directions share, in PostgreSQL's words (auth.c, auth-scram.c, pqformat.c).
extension LoginFailure {
    static func protocolViolation(_ message: String, detail: String? = nil) -> LoginFailure {
        LoginFailure(sqlstate: "08P01", message: message, detail: detail)
    }

    static func malformedSCRAM(_ detail: String) -> LoginFailure {
        protocolViolation("malformed SCRAM message", detail: detail)
    }

    static func unsupported(_ message: String) -> LoginFailure {
        LoginFailure(sqlstate: "0A000", message: message)
    }

    /// The one answer to a wrong password, a missing one and a role that does not exist.
    static func wrongPassword(user: [UInt8], log: String) -> LoginFailure {
        LoginFailure(
            sqlstate: "28P01", message: "password authentication failed for user \"\(printable(user))\"",
            logDetail: log)
    }

    static func crypto(_ what: String) -> LoginFailure {
        LoginFailure(sqlstate: "XX000", message: "could not compute \(what)")
    }
}

/// Bytes as text for a message; what is not UTF-8 becomes U+FFFD.
func printable(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
}
