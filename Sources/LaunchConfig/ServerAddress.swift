/// Where a server or a listener is, as text: nothing is looked up here.
public enum ServerAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// A host name or an address.
    case host(String, port: Int)
    /// The directory of a Unix socket; nil: the first default one with a socket in it.
    case unix(directory: String?, port: Int)

    public static let standardPort = 5432

    public struct SyntaxError: Error, Equatable {
        public let message: String
    }

    /// `HOST`, `HOST:PORT`, `[::1]:5432`, `::1`, `/dir`, `/dir:PORT`.
    public init(_ text: String) throws(SyntaxError) {
        let parts = try Self.split(text)
        let port = try parts.port.map(Self.port) ?? Self.standardPort
        try self.init(host: parts.host, port: port)
    }

    /// host= and port= of an entry in [databases]; no host stands for a Unix socket.
    public init(host: String?, port: Int) throws(SyntaxError) {
        guard let host else {
            self = .unix(directory: nil, port: port)
            return
        }
        guard !host.contains(",") else {
            throw SyntaxError(message: "host = \(host): a list of hosts is not supported yet")
        }
        guard !host.hasPrefix("@") else {
            throw SyntaxError(message: "host = \(host): abstract Unix sockets are not supported yet")
        }
        guard !host.isEmpty else { throw SyntaxError(message: "host name expected") }
        if host.hasPrefix("/") {
            let path = Self.socketPath(in: host, port: port)
            guard path.utf8.count <= Self.longestPath else {
                throw SyntaxError(message: "\(path) is longer than \(Self.longestPath) bytes")
            }
            self = .unix(directory: host, port: port)
        } else {
            self = .host(host, port: port)
        }
    }

    /// sun_path without its NUL (unix(7)).
    static let longestPath = 107

    /// The name PostgreSQL and PgBouncer give to a Unix socket.
    public static func socketPath(in directory: String, port: Int) -> String {
        "\(directory)/.s.PGSQL.\(port)"
    }

    static func port(_ text: String) throws(SyntaxError) -> Int {
        guard let number = Int(text), (1...65535).contains(number) else {
            throw SyntaxError(message: "invalid port \"\(text)\": 1 to 65535 expected")
        }
        return number
    }

    /// Host and port of `HOST:PORT`; an IPv6 address with a port stands in brackets.
    static func split(_ text: String) throws(SyntaxError) -> (host: String, port: String?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw SyntaxError(message: "\(text): ] expected after the address")
            }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw SyntaxError(message: "\(text): :PORT expected after ]")
            }
            return (host, rest.isEmpty ? nil : String(rest.dropFirst()))
        }
        guard let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon else {
            return (text, nil)
        }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    public var port: Int {
        switch self {
        case .host(_, let port), .unix(_, let port): port
        }
    }

    public var description: String {
        switch self {
        case .host(let name, let port): name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        case .unix(let directory?, let port): "\(directory):\(port)"
        case .unix(nil, let port): "Unix socket:\(port)"
        }
    }
}
