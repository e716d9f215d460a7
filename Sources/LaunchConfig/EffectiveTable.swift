/// What `--check` prints: all that holds, and where it came from.
public struct EffectiveTable {
    private let configuration: Configuration

    public init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    public var text: String {
        var parts = [Self.table(settings)]
        parts.append(Self.table(databases))
        if !configuration.users.isEmpty { parts.append(Self.table(users)) }
        if let authFile { parts.append(authFile) }
        return parts.joined(separator: "\n")
    }

    private var settings: [[String]] {
        [["setting", "value", "from"]]
            + Setting.all.filter { !$0.isScopedOnly && !$0.isHidden }.map {
                [
                    $0.name, Self.quoted(configuration.settings.text(of: $0)),
                    configuration.origin(of: $0).description,
                ]
            }
    }

    private var databases: [[String]] {
        let named = configuration.databases.values.sorted { $0.name < $1.name }
        return [["database", "server", "with", "from"]]
            + (named + [configuration.fallback].compactMap(\.self)).map { entry in
                // no secrets on terminals and in build logs
                let with = [
                    entry.dbname.map { "dbname=\($0)" }, entry.user.map { "user=\($0)" },
                    entry.password.map { _ in "password=(hidden)" }, entry.settings.description,
                ].compactMap(\.self).filter { !$0.isEmpty }
                return [
                    entry.name, entry.server.description, with.isEmpty ? "-" : with.joined(separator: " "),
                    entry.origin.description,
                ]
            }
    }

    private var users: [[String]] {
        [["user", "with", "from"]]
            + configuration.users.values.sorted { $0.name < $1.name }.map {
                [
                    $0.name, $0.settings.description.isEmpty ? "-" : $0.settings.description,
                    $0.origin.description,
                ]
            }
    }

    private var authFile: String? {
        let path = configuration.text("auth_file")
        guard !path.isEmpty else { return nil }
        let count = configuration.authFile.secrets.count
        let verifiers = "\(configuration.authFile.verifierCount) with SCRAM verifiers"
        return
            "auth_file \(path): \(count) \(count == 1 ? "user" : "users"), \(verifiers)\n"
    }

    private static func quoted(_ text: String) -> String {
        text.isEmpty || text.contains(" ") ? "\"\(text)\"" : text
    }

    /// Columns two spaces apart; the last is not padded.
    static func table(_ rows: [[String]]) -> String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }.joined() + "\n"
        }.joined()
    }
}
