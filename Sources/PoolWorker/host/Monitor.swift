import CSys

/// A lock with a condition. Never taken on the hot path.
@safe
final class Monitor: @unchecked Sendable {
    private let monitor = unsafe csys_monitor_new()!

    func locked<Result>(_ body: () -> Result) -> Result {
        unsafe csys_monitor_lock(monitor)
        defer { unsafe csys_monitor_unlock(monitor) }
        return body()
    }

    /// Waits for `signal`; inside `locked` only.
    func wait() { unsafe csys_monitor_wait(monitor) }

    func signal() { unsafe csys_monitor_signal(monitor) }
}
