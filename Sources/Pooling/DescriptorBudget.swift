/// How many of the process's descriptors clients and servers may have: a socket each. Some are
/// kept back, so that clients that come in can't take those that their servers need.
public struct DescriptorBudget: Equatable, Sendable {
    /// Sockets of clients and servers together.
    public let total: Int
    /// Of these, how many clients leave to servers.
    public let kept: Int
    /// Connections beyond those that may log in: they hear why they can't, or are cancel requests.
    public let spare: Int

    /// - Parameters:
    ///   - limit: descriptors the process may have.
    ///   - own: those of the process itself.
    ///   - servers: how many there may be, as far as that is known.
    public init(limit: Int, own: Int, servers: Int) {
        total = max(2, limit - own)
        kept = max(1, min(servers, total / 4))
        spare = min(100, (total - kept) / 8)
    }

    /// Clients that may log in, beside so many servers.
    public func clients(beside servers: Int) -> Int { max(0, connections(beside: servers) - spare) }

    /// Connections that may be accepted, beside so many servers.
    public func connections(beside servers: Int) -> Int { max(0, total - max(kept, servers)) }

    public func mayOpenServer(clients: Int, servers: Int) -> Bool { clients + servers < total }
}
