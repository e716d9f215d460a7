/// An entry of [databases]: a name clients ask for, and the server and database it means.
public struct DatabaseEntry: Sendable {
    /// `*` answers for all names without an entry.
    public let name: String
    public var server: ServerAddress
    /// The database on the server; nil: the name the client asked for.
    public var dbname: String?
    /// The user on the server for all clients; nil: the client's.
    public var user: String?
    /// Clear text or a verifier.
    public var password: String?
    public var settings = ScopedSettings()
    public var origin: Origin

    public static let fallbackName = "*"
    /// PgBouncer keeps this name for its console.
    static let consoleName = "pgbouncer"

    public init(name: String, server: ServerAddress, origin: Origin) {
        self.name = name
        self.server = server
        self.origin = origin
    }

    private static let ownKeys = ["host", "port", "dbname", "user", "password"]

    /// Reads `name = value` of [databases]. What is wrong goes to diagnostics, and then
    /// the result is nil.
    static func read(
        name: String, value: String, origin: Origin, _ diagnostics: inout Diagnostics
    ) -> DatabaseEntry? {
        var entry = DatabaseEntry(
            name: name, server: .unix(directory: nil, port: ServerAddress.standardPort), origin: origin)
        let errorsBefore = diagnostics.errors.count
        if name == consoleName {
            diagnostics.error(origin, "database name \"\(name)\" is reserved")
        }
        checkName(name, "database name", origin, &diagnostics)
        var host: String?
        var port = ServerAddress.standardPort
        do throws(ConnectionString.SyntaxError) {
            for pair in try ConnectionString(value).pairs {
                switch pair.key {
                case "host": host = pair.value
                case "port": port = readPort(pair.value, origin, &diagnostics)
                case "dbname": entry.dbname = pair.value
                case "user": entry.user = pair.value
                case "password": entry.password = pair.value
                default: entry.read(pair, &diagnostics)
                }
            }
        } catch {
            diagnostics.error(origin, error.message)
        }
        do throws(ServerAddress.SyntaxError) {
            entry.server = try ServerAddress(host: host, port: port)
        } catch {
            diagnostics.error(origin, error.message)
        }
        entry.checkLengths(&diagnostics)
        return diagnostics.errors.count == errorsBefore ? entry : nil
    }

    private static func readPort(_ text: String, _ origin: Origin, _ diagnostics: inout Diagnostics) -> Int {
        do throws(ServerAddress.SyntaxError) {
            return try ServerAddress.port(text)
        } catch {
            diagnostics.error(origin, error.message)
            return ServerAddress.standardPort
        }
    }

    private mutating func read(_ pair: ConnectionString.Pair, _ diagnostics: inout Diagnostics) {
        readScoped(
            pair, into: &settings, allowed: \.isPerDatabase, others: PgBouncerSetting.perDatabase,
            ownKeys: Self.ownKeys, what: "connection parameter", origin, &diagnostics)
    }

    private func checkLengths(_ diagnostics: inout Diagnostics) {
        if let dbname { checkName(dbname, "dbname", origin, &diagnostics) }
        if let user { checkName(user, "user", origin, &diagnostics) }
        if let password, password.utf8.count > longestSecret {
            diagnostics.error(origin, "password is longer than \(longestSecret) bytes")
        }
    }
}

/// An entry of [users]: settings of one user.
public struct UserEntry: Sendable {
    public let name: String
    public var settings = ScopedSettings()
    public let origin: Origin

    static func read(
        name: String, value: String, origin: Origin, _ diagnostics: inout Diagnostics
    ) -> UserEntry? {
        var entry = UserEntry(name: name, origin: origin)
        let errorsBefore = diagnostics.errors.count
        checkName(name, "user name", origin, &diagnostics)
        do throws(ConnectionString.SyntaxError) {
            for pair in try ConnectionString(value).pairs {
                readScoped(
                    pair, into: &entry.settings, allowed: \.isPerUser, others: PgBouncerSetting.perUser,
                    ownKeys: [], what: "user parameter", origin, &diagnostics)
            }
        } catch {
            diagnostics.error(origin, error.message)
        }
        return diagnostics.errors.count == errorsBefore ? entry : nil
    }
}

/// CARPOOL_NAME_SIZE and CARPOOL_SECRET_SIZE leave room for this; PgBouncer's own limits.
let longestName = 127
let longestSecret = 2047

private func checkName(_ name: String, _ what: String, _ origin: Origin, _ diagnostics: inout Diagnostics) {
    if name.isEmpty { diagnostics.error(origin, "\(what) is empty") }
    if name.utf8.count > longestName {
        diagnostics.error(origin, "\(what) is longer than \(longestName) bytes")
    }
}

/// One pair of an entry that may be a setting of ours, one of PgBouncer's, or a mistake.
private func readScoped(
    _ pair: ConnectionString.Pair, into settings: inout ScopedSettings, allowed: KeyPath<Setting, Bool>,
    others: [PgBouncerSetting], ownKeys: [String], what: String, _ origin: Origin,
    _ diagnostics: inout Diagnostics
) {
    if let setting = Setting.named(pair.key), setting[keyPath: allowed] {
        do throws(SettingError) {
            try settings.set(setting, to: pair.value)
        } catch {
            diagnostics.error(origin, error.message)
        }
    } else if let other = PgBouncerSetting.named(pair.key, in: others) {
        other.judge(pair.value, origin, &diagnostics)
    } else {
        let known = ownKeys + Setting.all.filter { $0[keyPath: allowed] }.map(\.name) + others.map(\.name)
        diagnostics.error(origin, "unknown \(what) \(pair.key)\(suggestion(for: pair.key, among: known))")
    }
}
