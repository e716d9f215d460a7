/// A line of a file that was read.
public struct Place: Equatable, Hashable, Sendable, CustomStringConvertible {
    public let file: String
    public let line: Int

    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    public var description: String { "\(file):\(line)" }
}

/// Where a value came from, as `--check` prints it.
public enum Origin: Equatable, Hashable, Sendable, CustomStringConvertible {
    case standard
    case file(Place)
    case environment(String)
    case option(String)

    public var description: String {
        switch self {
        case .standard: "default"
        case .file(let place): place.description
        case .environment(let name): "environment \(name)"
        case .option(let name): "option \(name)"
        }
    }
}

/// Something to tell the administrator about the configuration.
public struct Diagnostic: Equatable, Sendable, CustomStringConvertible {
    public enum Severity: Sendable { case error, warning }

    public let severity: Severity
    /// What it is about; `.standard` when it is about no single value.
    public let origin: Origin
    public let message: String

    /// `FILE:LINE: message`; a warning says that it is one.
    public var description: String {
        let mark = severity == .warning ? "warning: " : ""
        return origin == .standard ? mark + message : "\(origin): \(mark)\(message)"
    }

    /// `FILE:LINE: message`, for a log that has a word for warnings itself.
    public var logText: String { origin == .standard ? message : "\(origin): \(message)" }
}

/// Collects what is wrong, so that all of it is told at once.
public struct Diagnostics: Sendable {
    public private(set) var all: [Diagnostic] = []

    public init() {}

    public mutating func error(_ origin: Origin, _ message: String) {
        all.append(Diagnostic(severity: .error, origin: origin, message: message))
    }

    public mutating func warning(_ origin: Origin, _ message: String) {
        all.append(Diagnostic(severity: .warning, origin: origin, message: message))
    }

    public mutating func append(_ other: Diagnostics) {
        all += other.all
    }

    public var errors: [Diagnostic] { all.filter { $0.severity == .error } }
    public var warnings: [Diagnostic] { all.filter { $0.severity == .warning } }
}
