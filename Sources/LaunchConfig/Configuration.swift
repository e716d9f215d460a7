import CHost

/// All that was configured, with where each value came from. A value: whoever has one
/// keeps it unchanged when another is loaded.
public struct Configuration: Sendable {
    public var settings = CarpoolSettings.standard
    /// By setting name; a name that is missing has its default.
    public internal(set) var origins: [String: Origin] = [:]
    /// By name, without the fallback.
    public internal(set) var databases: [String: DatabaseEntry] = [:]
    /// `*`
    public internal(set) var fallback: DatabaseEntry?
    public internal(set) var users: [String: UserEntry] = [:]
    public internal(set) var authFile = AuthFile()

    public init() {}

    public func origin(of setting: Setting) -> Origin { origins[setting.name] ?? .standard }

    /// The value of a setting, as text.
    public func text(_ name: String) -> String {
        Setting.named(name).map { settings.text(of: $0) } ?? ""
    }

    /// The entry for the name a client asks for.
    public func entry(for database: String) -> DatabaseEntry? {
        databases[database] ?? (database == DatabaseEntry.consoleName ? nil : fallback)
    }

    /// Settings of a pool: PgBouncer's order (pool_pool_mode() and its like): user over
    /// database over global. poolUser is who the servers are logged in as, client who
    /// has logged in: limits on servers go by the former, idle limits by the latter.
    public func poolSettings(of entry: DatabaseEntry, poolUser: String, client: String) -> CarpoolPoolSettings
    {
        var pool = settings
        entry.settings.apply(to: &pool)
        users[poolUser]?.settings.apply(to: &pool)
        var idle = settings
        users[client]?.settings.apply(to: &idle)
        return CarpoolPoolSettings(
            pool_mode: pool.pool_mode,
            pool_size: pool.pool_size >= 0 ? pool.pool_size : pool.default_pool_size,
            min_pool_size: pool.min_pool_size,
            max_db_connections: pool.max_db_connections,
            max_user_connections: pool.max_user_connections,
            server_lifetime: pool.server_lifetime,
            client_idle_timeout: idle.client_idle_timeout,
            idle_transaction_timeout: idle.idle_transaction_timeout)
    }

    /// Settings that a reload can't change and that differ in next.
    public func changesForRestart(in next: Configuration) -> [Setting] {
        Setting.all.filter { $0.needsRestart && settings.text(of: $0) != next.settings.text(of: $0) }
    }

    /// Puts the values of old back that a reload can't change.
    public mutating func keepForRestart(from old: Configuration) {
        for setting in Setting.all where setting.needsRestart {
            settings.take(setting, from: old.settings)
            origins[setting.name] = old.origins[setting.name]
        }
    }
}
