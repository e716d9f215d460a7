/// What the command line says. The options are the table of settings itself, so that
/// no second list of them has to be kept.
public struct LaunchArguments: Sendable {
    public enum Action: Sendable { case run, check, help, version }

    public struct Option: Sendable, Equatable {
        /// As it was written: `--listen`, `-u`.
        public let spelling: String
        public let target: Target
        public let value: String
    }

    public enum Target: Sendable, Equatable {
        case server
        case listen
        case setting(Setting)
    }

    public struct UsageError: Error, Equatable {
        public let message: String
    }

    public private(set) var action = Action.run
    public private(set) var file: String?
    public private(set) var options: [Option] = []

    public init() {}

    /// Reads the arguments after the program's name.
    public init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        var onlyFiles = false
        while let argument = rest.popFirst() {
            if onlyFiles || !argument.hasPrefix("-") || argument == "-" {
                try takeFile(argument)
            } else if argument == "--" {
                onlyFiles = true
            } else {
                try takeOption(argument, &rest)
            }
        }
    }

    private mutating func takeFile(_ name: String) throws(UsageError) {
        guard file == nil else {
            throw UsageError(message: "one FILE.ini expected, but there are \(file!) and \(name)")
        }
        guard !name.isEmpty else { throw UsageError(message: "the name of FILE.ini is empty") }
        file = name
    }

    private mutating func takeOption(_ argument: String, _ rest: inout ArraySlice<String>) throws(UsageError)
    {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let spelling = String(parts[0])
        if let action = Self.actions[spelling] {
            guard parts.count == 1 else { throw UsageError(message: "\(spelling) takes no value") }
            // help goes before all else, then version
            if self.action != .help, !(self.action == .version && action == .check) { self.action = action }
            return
        }
        guard let target = Self.targets[spelling] else {
            let known = Array(Self.targets.keys) + Array(Self.actions.keys)
            throw UsageError(
                message: "unknown option \(spelling)\(suggestion(for: spelling, among: known.sorted()))")
        }
        guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
            throw UsageError(message: "\(spelling) needs a value")
        }
        options.append(Option(spelling: spelling, target: target, value: value))
    }

    private static let actions: [String: Action] = [
        "--check": .check, "--help": .help, "-h": .help, "--version": .version, "-V": .version,
    ]

    private static let targets: [String: Target] = {
        var targets: [String: Target] = ["--server": .server, "--listen": .listen]
        for setting in Setting.all where !setting.isScopedOnly && !setting.isHidden {
            targets[setting.option] = .setting(setting)
        }
        targets["-u"] = targets["--user"]
        return targets
    }()
}
