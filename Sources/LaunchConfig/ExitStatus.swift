/// The launcher's exit statuses.
public enum ExitStatus: Int32, Sendable {
    case ok = 0
    /// The configuration has errors; they are on standard error.
    case badConfiguration = 1
    /// The configuration is fine, but the system refused: port taken, pidfile held, …
    case cannotStart = 2
    /// The command line makes no sense (EX_USAGE of sysexits.h).
    case usage = 64
}
