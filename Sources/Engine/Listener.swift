import CSys

/// Sockets that clients connect to.
public struct Listener: Sendable {
    public let descriptor: Int32
    /// For messages: "127.0.0.1:6432" or the path of the Unix socket.
    public let name: String

    /// New connections are refused from now on; the descriptor stays open.
    public func refuse() {
        csys_shutdown(descriptor)
        if name.hasPrefix("/") { unsafe _ = unlink(name) }
    }

    /// Opens TCP listeners on every address that `address` ("*", a name or a number)
    /// stands for. Throws a sentence that says what failed.
    public static func tcp(_ address: String, port: Int, backlog: Int) throws(ListenFailure) -> [Listener] {
        let capacity = 16
        let addresses = UnsafeMutablePointer<sockaddr_storage>.allocate(capacity: capacity)
        let sizes = UnsafeMutablePointer<socklen_t>.allocate(capacity: capacity)
        defer {
            unsafe addresses.deallocate()
            unsafe sizes.deallocate()
        }
        let found = unsafe csys_resolve(address, Int32(port), addresses, sizes, Int32(capacity))
        guard found > 0 else { throw ListenFailure(text: "could not resolve listen_addr \"\(address)\"") }
        var listeners: [Listener] = []
        var failure: ListenFailure?
        for index in 0..<Int(found) {
            let name = unsafe text(of: addresses + index)
            let fd = unsafe csys_listen(addresses + index, sizes[index], Int32(backlog))
            if fd >= 0 {
                listeners.append(Listener(descriptor: fd, name: name))
            } else {
                failure = ListenFailure(text: "could not listen on \(name): \(errorText(-fd))")
            }
        }
        // As PostgreSQL does: a name with one usable address will do ("localhost" without IPv6).
        if listeners.isEmpty, let failure { throw failure }
        return listeners
    }

    /// Opens the Unix socket DIRECTORY/.s.PGSQL.PORT, PostgreSQL's convention.
    public static func unix(directory: String, port: Int, backlog: Int, mode: Int) throws(ListenFailure)
        -> Listener
    {
        let path = "\(directory)/.s.PGSQL.\(port)"
        let fd = unsafe csys_listen_unix(path, Int32(backlog), Int32(mode))
        guard fd >= 0 else { throw ListenFailure(text: "could not listen on \(path): \(errorText(-fd))") }
        return Listener(descriptor: fd, name: path)
    }

    private static func text(of address: UnsafePointer<sockaddr_storage>) -> String {
        unsafe withTextBuffer { unsafe csys_address_text(address, $0, $1) }
    }
}

public struct ListenFailure: Error, Sendable {
    public let text: String

    public init(text: String) { self.text = text }
}

/// The system's words for an errno.
public func errorText(_ code: Int32) -> String {
    unsafe String(cString: strerror(code))
}

/// Calls `fill` with a buffer for a C string and returns what it wrote.
public func withTextBuffer(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let base = buffer.baseAddress else { return "" }
        unsafe base.initialize(repeating: 0, count: 256)
        unsafe fill(base, 256)
        return unsafe String(cString: base)
    }
}

/// The peer of a socket as "address:port" or "unix".
public func peerText(_ fd: Int32) -> String {
    unsafe withTextBuffer { unsafe csys_peer_text(fd, $0, $1) }
}
