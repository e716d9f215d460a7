/// Counts how often the launcher started itself again, in an environment variable that
/// goes along: times in seconds, separated by commas.
public struct RestartCount: Equatable, Sendable {
    public static let variable = "CARPOOL_RESTARTS"
    /// More than these within the period: something is wrong that starting won't cure.
    public static let limit = 10
    public static let period: Int64 = 60

    public private(set) var times: [Int64]

    public init(_ text: String?) {
        times = (text ?? "").split(separator: ",").compactMap { Int64($0) }
    }

    /// Counts a start at now; false when it is one too many.
    public mutating func add(_ now: Int64) -> Bool {
        // the period also bounds the length; times ahead of now are from before a reboot
        times = times.filter { $0 <= now && now - $0 < Self.period }
        times.append(now)
        return times.count <= Self.limit
    }

    public var text: String { times.map(String.init).joined(separator: ",") }
}
