/// The looked-up addresses of all servers of a configuration. A value that is made off
/// the engine threads and then swapped in.
struct AddressBook: Sendable {
    private var found: [ServerAddress: Result<[SocketAddress], ReadError>] = [:]

    init() {}

    /// Looks up all servers; may block. Where that fails, what old knows goes on.
    init(servers: some Sequence<ServerAddress>, resolver: Resolver, old: AddressBook) {
        for server in Set(servers) {
            guard case .host(let name, let port) = server else { continue }
            let before = old.found[server]
            if Resolver.isLiteral(name), case .success? = before {
                found[server] = before
                continue
            }
            let now = resolver.resolve(name, port)
            if case .failure = now, case .success? = before {
                found[server] = before
            } else {
                found[server] = now
            }
        }
    }

    /// All addresses of a server; nil when it was never looked up.
    subscript(server: ServerAddress) -> Result<[SocketAddress], ReadError>? { found[server] }

    /// Whether a server's connections of old go to an address that it has no more.
    func hasMoved(_ server: ServerAddress, since old: AddressBook) -> Bool {
        guard case .success(let before)? = old.found[server], case .success(let now)? = found[server] else {
            return false
        }
        return !before.allSatisfy(now.contains)
    }

    /// Whether any server is known by a name, so that looking again may find news.
    var hasNames: Bool {
        found.keys.contains {
            if case .host(let name, _) = $0 { !Resolver.isLiteral(name) } else { false }
        }
    }

    var failures: [(server: ServerAddress, message: String)] {
        found.compactMap { server, result in
            if case .failure(let error) = result { (server, error.message) } else { nil }
        }.sorted { $0.server.description < $1.server.description }
    }
}
