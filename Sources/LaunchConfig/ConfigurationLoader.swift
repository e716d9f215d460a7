import CHost

/// Puts a configuration together: options over environment over file over defaults.
public struct ConfigurationLoader: Sendable {
    public private(set) var configuration = Configuration()
    public private(set) var diagnostics = Diagnostics()
    /// Where each setting that was set in the file so far got its value.
    private var setInFile: [String: Place] = [:]

    private static let mainSection = "pgbouncer"
    private static let serverVariable = "CARPOOL_SERVER"
    private static let listenVariable = "CARPOOL_LISTEN"
    /// Variables of ours that are no settings.
    static let otherVariables: Set = [serverVariable, listenVariable, RestartCount.variable]

    /// Reads everything. environment: all variables of the process.
    public init(arguments: LaunchArguments, environment: [String: String], files: FileReader = .system) {
        var servers: [(text: String, origin: Origin)] = []
        if let file = arguments.file { readFile(file, files) }
        readEnvironment(environment, &servers)
        for option in arguments.options {
            let origin = Origin.option(option.spelling)
            switch option.target {
            case .server: servers.append((option.value, origin))
            case .listen: setListen(option.value, origin)
            case .setting(let setting): set(setting, to: option.value, origin)
            }
        }
        if let server = servers.last { setServer(server.text, server.origin) }
        readAuthFile(files)
        checkWhole(arguments)
    }

    private mutating func set(_ setting: Setting, to value: String, _ origin: Origin) {
        do throws(SettingError) {
            try configuration.settings.set(setting, to: value)
            configuration.origins[setting.name] = origin
        } catch {
            diagnostics.error(origin, error.message)
        }
    }

    // MARK: file

    private mutating func readFile(_ path: String, _ files: FileReader) {
        let file = IniFile(path: path, files: files)
        if let failure = file.failure {
            diagnostics.error(.standard, "could not read \(path): \(failure.message)")
        }
        for item in file.items {
            switch item.content {
            case .section(let name): startSection(name, item.place)
            case .entry(let section, let key, let value): setEntry(section, key, value, item.place)
            case .problem(let message): diagnostics.error(.file(item.place), message)
            }
        }
    }

    private mutating func startSection(_ name: String, _ place: Place) {
        guard ["databases", "users", "pgbouncer", "peers"].contains(name) else {
            let hint = suggestion(for: name, among: ["databases", "users", "pgbouncer", "peers"])
            return diagnostics.error(.file(place), "unknown section [\(name)]\(hint)")
        }
        guard name == Self.mainSection, !setInFile.isEmpty else { return }
        // as PgBouncer does (cfparser.c, fill_defaults), though few know it
        let names = setInFile.keys.sorted().joined(separator: ", ")
        diagnostics.warning(
            .file(place),
            "[\(name)] starts again, which puts settings made before back to their defaults: \(names)")
        for name in setInFile.keys {
            guard let setting = Setting.named(name) else { continue }
            configuration.settings.take(setting, from: .standard)
            configuration.origins[name] = nil
        }
        setInFile = [:]
    }

    private mutating func setEntry(_ section: String, _ key: String, _ value: String, _ place: Place) {
        let origin = Origin.file(place)
        switch section {
        case "databases":
            guard let entry = DatabaseEntry.read(name: key, value: value, origin: origin, &diagnostics) else {
                return
            }
            if key == DatabaseEntry.fallbackName {
                configuration.fallback = entry
            } else {
                configuration.databases[key] = entry
            }
        case "users":
            if let entry = UserEntry.read(name: key, value: value, origin: origin, &diagnostics) {
                configuration.users[key] = entry
            }
        case "peers":
            diagnostics.error(
                origin, "[peers] is not supported yet: cancel requests would not reach other processes")
        case Self.mainSection:
            setMain(key, value, origin, place)
        default:
            break  // the section itself has been told
        }
    }

    private mutating func setMain(_ key: String, _ value: String, _ origin: Origin, _ place: Place) {
        if key == "auth_type", let reason = PgBouncerSetting.authTypes[value.lowercased()] {
            diagnostics.error(origin, "auth_type = \(value) is not supported yet: \(reason)")
        } else if let setting = Setting.named(key) {
            guard !setting.isScopedOnly else {
                return diagnostics.error(
                    origin, "\(key) is set per database or user; for all it is default_\(key)")
            }
            setInFile[key] = place
            set(setting, to: value, origin)
        } else if let other = PgBouncerSetting.named(key, in: PgBouncerSetting.global) {
            other.judge(value, origin, &diagnostics)
        } else {
            let known =
                Setting.all.filter { !$0.isScopedOnly && !$0.isHidden }.map(\.name)
                + PgBouncerSetting.global.map(\.name)
            diagnostics.error(origin, "unknown setting \(key)\(suggestion(for: key, among: known))")
        }
    }

    // MARK: environment and options

    private mutating func readEnvironment(
        _ environment: [String: String], _ servers: inout [(text: String, origin: Origin)]
    ) {
        // first, so that CARPOOL_LISTEN_ADDR and CARPOOL_LISTEN_PORT, which say it more exactly, win
        if let listen = environment[Self.listenVariable] {
            setListen(listen, .environment(Self.listenVariable))
        }
        if let server = environment[Self.serverVariable] {
            servers.append((server, .environment(Self.serverVariable)))
        }
        var known = Self.otherVariables
        for setting in Setting.all where !setting.isScopedOnly {
            known.insert(setting.variable)
            if let value = environment[setting.variable] {
                set(setting, to: value, .environment(setting.variable))
            }
        }
        // others may start with CARPOOL_ too (container platforms make such), so only what looks meant for us
        for name in environment.keys.sorted() where name.hasPrefix("CARPOOL_") && !known.contains(name) {
            if let meant = nearestName(
                to: String(name.dropFirst(8)), among: known.sorted().map { String($0.dropFirst(8)) })
            {
                diagnostics.warning(.environment(name), "unknown variable (did you mean CARPOOL_\(meant)?)")
            }
        }
    }

    /// `ADDR:PORT`, `ADDR` or `:PORT`; the address may be `*` or a list.
    private mutating func setListen(_ text: String, _ origin: Origin) {
        do throws(ServerAddress.SyntaxError) {
            let (host, port) = try ServerAddress.split(text)
            guard !host.isEmpty || port != nil else {
                throw ServerAddress.SyntaxError(message: "ADDR:PORT expected")
            }
            if !host.isEmpty, let setting = Setting.named("listen_addr") { set(setting, to: host, origin) }
            if let port, let setting = Setting.named("listen_port") {
                set(setting, to: String(try ServerAddress.port(port)), origin)
            }
        } catch {
            diagnostics.error(origin, error.message)
        }
    }

    /// The server of `*`: what the file says beside its address stays.
    private mutating func setServer(_ text: String, _ origin: Origin) {
        do throws(ServerAddress.SyntaxError) {
            let server = try ServerAddress(text)
            var entry =
                configuration.fallback
                ?? DatabaseEntry(name: DatabaseEntry.fallbackName, server: server, origin: origin)
            entry.server = server
            entry.origin = origin
            configuration.fallback = entry
        } catch {
            diagnostics.error(origin, error.message)
        }
    }

    // MARK: the whole

    private mutating func readAuthFile(_ files: FileReader) {
        let path = configuration.text("auth_file")
        guard !path.isEmpty else { return }
        switch files.read(path) {
        case .success(let bytes):
            configuration.authFile = AuthFile(bytes, path: path)
            diagnostics.append(configuration.authFile.diagnostics)
        case .failure(let error):
            let origin = configuration.origins["auth_file"] ?? .standard
            diagnostics.error(origin, "could not read auth_file \(path): \(error.message)")
        }
    }

    private mutating func checkWhole(_ arguments: LaunchArguments) {
        let hasEntry = configuration.fallback != nil || !configuration.databases.isEmpty
        if !hasEntry, diagnostics.errors.isEmpty {
            diagnostics.error(
                .standard,
                "no server: name one with --server HOST:PORT, CARPOOL_SERVER or [databases] in FILE.ini")
        }
        let type = configuration.text("auth_type")
        if configuration.text("auth_file").isEmpty, !["trust", "any"].contains(type) {
            diagnostics.warning(
                configuration.origins["auth_type"] ?? .standard,
                "auth_type is \(type) and there is no auth_file: nobody can log in")
        }
        if configuration.text("listen_addr").isEmpty, configuration.text("unix_socket_dir").isEmpty {
            diagnostics.error(
                configuration.origins["listen_addr"] ?? .standard,
                "listen_addr and unix_socket_dir are both empty: there is nothing to listen on")
        }
    }
}
