import CSys

/// Instants and spans in nanoseconds of the monotonic clock.
public enum Clock {
    @inlinable @_noLocks
    public static func now() -> UInt64 { csys_now() }

    /// A span given in seconds; negative and absurd ones are clamped.
    public static func nanoseconds(_ seconds: Double) -> UInt64 {
        guard seconds > 0 else { return 0 }
        return seconds > 1e9 ? UInt64(1e18) : UInt64(seconds * 1e9)
    }
}
