/// When a server goes back to its pool; PgBouncer's names and meanings.
@frozen
public enum PoolMode: Int32, BitwiseCopyable, Sendable {
    /// When the client disconnects.
    case session
    /// When no transaction is open and nothing outstanding.
    case transaction
    /// After each statement; transactions are refused.
    case statement
}
