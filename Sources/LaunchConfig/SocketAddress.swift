import Glibc

/// An address to connect to.
public struct SocketAddress: Equatable, Sendable {
    public let storage: sockaddr_storage
    public let size: UInt32

    init(_ address: UnsafePointer<sockaddr>, size: UInt32) {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyBytes(from: UnsafeRawBufferPointer(start: address, count: min(Int(size), $0.count)))
        }
        self.storage = storage
        self.size = size
    }

    /// A Unix socket; nil when the path is too long.
    init?(path: String) {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count <= ServerAddress.longestPath else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { to in
            withUnsafeBytes(of: address) { to.copyBytes(from: $0) }
        }
        self.storage = storage
        size = UInt32(MemoryLayout<sockaddr_un>.size)
    }

    public static func == (a: SocketAddress, b: SocketAddress) -> Bool {
        a.size == b.size
            && withUnsafeBytes(of: a.storage) { x in
                withUnsafeBytes(of: b.storage) { y in x[..<Int(a.size)].elementsEqual(y[..<Int(b.size)]) }
            }
    }

    var isIPv4: Bool { storage.ss_family == sa_family_t(AF_INET) }

    /// 127.0.0.0/8 or ::1
    var isLoopback: Bool {
        withUnsafeBytes(of: storage) {
            switch Int32(storage.ss_family) {
            case AF_INET: $0[4] == 127
            case AF_INET6: $0[8..<23].allSatisfy { $0 == 0 } && $0[23] == 1
            default: false
            }
        }
    }
}

/// Turns host names into addresses.
public struct Resolver: Sendable {
    /// The addresses of name and port, at least one; or why there are none.
    public let resolve: @Sendable (_ name: String, _ port: Int) -> Result<[SocketAddress], ReadError>
    /// Whether a Unix socket stands at path.
    public let socketExists: @Sendable (_ path: String) -> Bool

    public init(
        resolve: @escaping @Sendable (_ name: String, _ port: Int) -> Result<[SocketAddress], ReadError>,
        socketExists: @escaping @Sendable (_ path: String) -> Bool
    ) {
        self.resolve = resolve
        self.socketExists = socketExists
    }

    /// The C library's resolver; may block for seconds.
    public static let system = Resolver(
        resolve: { name, port in
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            hints.ai_flags = AI_NUMERICSERV
            var list: UnsafeMutablePointer<addrinfo>?
            let code = getaddrinfo(name, String(port), &hints, &list)
            guard code == 0 else {
                return .failure(
                    ReadError(code == EAI_SYSTEM ? systemText(errno) : String(cString: gai_strerror(code))))
            }
            defer { freeaddrinfo(list) }
            var found: [SocketAddress] = []
            var next = list
            while let entry = next?.pointee {
                if let address = entry.ai_addr {
                    found.append(SocketAddress(address, size: entry.ai_addrlen))
                }
                next = entry.ai_next
            }
            return found.isEmpty ? .failure(ReadError("no address")) : .success(oneLoopback(of: found))
        },
        socketExists: { path in
            var status = stat()
            return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
        })

    /// `localhost` is 127.0.0.1 and ::1, but a server often listens on the first alone;
    /// taking turns would fail every other time.
    static func oneLoopback(of found: [SocketAddress]) -> [SocketAddress] {
        guard found.allSatisfy(\.isLoopback), let first = found.first(where: \.isIPv4) else { return found }
        return [first]
    }

    /// Whether text is an address, of which there is nothing to look up again.
    static func isLiteral(_ text: String) -> Bool {
        var buffer = in6_addr()
        return inet_pton(AF_INET, text, &buffer) == 1 || inet_pton(AF_INET6, text, &buffer) == 1
    }
}
