import CHost

/// Settings of one database or user, over the global ones.
public struct ScopedSettings: Sendable {
    public private(set) var names: [Setting] = []
    private var values = CarpoolSettings.standard

    public init() {}

    /// Settings for which PgBouncer takes 0 per database or user as "not set"
    /// (database_max_connections(), user_max_connections() and the janitor's timeouts).
    private static let zeroInherits: Set = [
        "max_db_connections", "max_user_connections", "client_idle_timeout", "idle_transaction_timeout",
    ]

    /// Sets one; later ones win. -1 stands for "not set", as in PgBouncer.
    mutating func set(_ setting: Setting, to text: String) throws(SettingError) {
        names.removeAll { $0 == setting }
        if text == "-1" { return }
        try values.set(setting, to: text)
        if Self.zeroInherits.contains(setting.name), Double(values.text(of: setting)) == 0 { return }
        names.append(setting)
    }

    /// Puts these values over those in settings.
    func apply(to settings: inout CarpoolSettings) {
        for setting in names { settings.take(setting, from: values) }
    }

    /// `pool_mode=transaction pool_size=5`
    public var description: String {
        names.map { "\($0.name)=\(values.text(of: $0))" }.joined(separator: " ")
    }
}
