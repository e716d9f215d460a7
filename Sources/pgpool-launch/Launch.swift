import CLaunch
import Glibc
import LaunchConfig

/// The launcher's entry: what the command line asks for.
@main
struct Launch {
    static func main() {
        exit(run(CommandLine.arguments).rawValue)
    }

    private static func run(_ words: [String]) -> ExitStatus {
        let arguments: LaunchArguments
        do throws(LaunchArguments.UsageError) {
            arguments = try LaunchArguments(Array(words.dropFirst()))
        } catch {
            complain(["pgpool-launch: \(error.message)", "Try pgpool-launch --help."])
            return .usage
        }
        switch arguments.action {
        case .help:
            printAll(HelpText.text)
            return .ok
        case .version:
            printAll(Version.line + "\n")
            return .ok
        case .check:
            return check(arguments)
        case .run:
            return serve(arguments)
        }
    }

    /// Loads all there is; the diagnostics hold what the system has against it, too.
    static func load(_ arguments: LaunchArguments) -> (Configuration, Diagnostics) {
        let loader = ConfigurationLoader(arguments: arguments, environment: environment())
        var diagnostics = loader.diagnostics
        diagnostics.append(loader.configuration.systemDiagnostics())
        return (loader.configuration, diagnostics)
    }

    private static func check(_ arguments: LaunchArguments) -> ExitStatus {
        let (configuration, diagnostics) = load(arguments)
        complain(diagnostics.all.map(\.description))
        guard diagnostics.errors.isEmpty else { return .badConfiguration }
        printAll(EffectiveTable(configuration).text)
        return .ok
    }

    private static func serve(_ arguments: LaunchArguments) -> ExitStatus {
        var (configuration, diagnostics) = load(arguments)
        if diagnostics.errors.isEmpty {
            if let problem = Privileges.drop(to: configuration.text("user")) {
                complain(["pgpool-launch: \(problem)"])
                return .badConfiguration
            }
            // what only root can read would be missing at the next reload
            (configuration, diagnostics) = load(arguments)
        }
        guard diagnostics.errors.isEmpty else {
            complain(diagnostics.all.map(\.description))
            return .badConfiguration
        }
        let log: Log
        switch Log.open(configuration.text("logfile")) {
        case .success(let opened): log = opened
        case .failure(let error):
            complain(["pgpool-launch: could not open logfile: \(error.message)"])
            return .cannotStart
        }
        for warning in diagnostics.warnings { log.warning(warning.logText) }
        let status = Service(arguments, configuration, log).run()
        log.flush()
        if status != .ok, !configuration.text("logfile").isEmpty {
            complain(["pgpool-launch: stopped; \(configuration.text("logfile")) says why"])
        }
        return status
    }

    /// The process's environment. A name that stands there twice: the first counts, as
    /// for getenv().
    private static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var next = claunch_environment()
        while let entry = next?.pointee {
            let parts = String(cString: entry).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil {
                variables[String(parts[0])] = String(parts[1])
            }
            next = next?.advanced(by: 1)
        }
        return variables
    }

    private static func complain(_ lines: [String]) {
        for line in lines { writeAll(Array((line + "\n").utf8), to: STDERR_FILENO) }
    }

    private static func printAll(_ text: String) {
        writeAll(Array(text.utf8), to: STDOUT_FILENO)
    }
}

/// Writes all bytes, or as many as the system takes.
func writeAll(_ bytes: [UInt8], to fd: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
