/// PgBouncer's file of users: a line each, `"user" "secret"`, a doubled quote standing
/// for one, the rest of the line ignored, comment lines starting with ;.
/// The secret is a clear-text password, `md5…` or `SCRAM-SHA-256$…`. Later lines win.
public struct AuthFile: Sendable {
    public private(set) var secrets: [String: String] = [:]
    public private(set) var diagnostics = Diagnostics()

    public init() {}

    /// Reads bytes of the file called path; every bad line is told and left out.
    public init(_ bytes: [UInt8], path: String) {
        for (number, line) in TextLines(bytes: bytes) {
            let rest = line.trimmed
            guard let first = rest.first, first != UInt8(ascii: ";") else { continue }
            switch Self.readLine(rest) {
            case .success(let (user, secret)): secrets[user] = secret
            case .failure(let error):
                diagnostics.error(.file(Place(file: path, line: number)), error.message)
            }
        }
    }

    private static func readLine(_ line: ArraySlice<UInt8>) -> Result<(String, String), ReadError> {
        var rest = line
        let quote = UInt8(ascii: "\"")
        guard rest.first == quote else { return .failure(ReadError("\"user\" \"secret\" expected")) }
        guard let userBytes = takeQuoted(&rest, by: quote) else {
            return .failure(ReadError("user name without closing \""))
        }
        while rest.first?.isBlank ?? false { rest.removeFirst() }
        guard rest.first == quote else {
            return .failure(ReadError("secret in double quotes expected after the user name"))
        }
        guard let secretBytes = takeQuoted(&rest, by: quote) else {
            return .failure(ReadError("secret without closing \""))
        }
        guard let user = userBytes[...].text, let secret = secretBytes[...].text else {
            return .failure(ReadError("not valid UTF-8 text"))
        }
        guard !user.isEmpty else { return .failure(ReadError("user name is empty")) }
        guard userBytes.count <= longestName else {
            return .failure(ReadError("user name is longer than \(longestName) bytes"))
        }
        guard secretBytes.count <= longestSecret else {
            return .failure(ReadError("secret is longer than \(longestSecret) bytes"))
        }
        return .success((user, secret))
    }

    public var verifierCount: Int { secrets.values.count(where: { $0.hasPrefix("SCRAM-SHA-256$") }) }

    /// Whether a client that nobody knows should see the md5 exchange, when auth_type
    /// is md5: unless most users have SCRAM verifiers.
    public var mostUseMD5: Bool { verifierCount * 2 <= secrets.count }
}
