import CSys

/// Opens connections to one address: a socket address as the system has it.
public struct Connector: Sendable {
    public let address: [UInt8]

    public init(address: [UInt8]) { self.address = address }

    /// Begins to connect.
    /// - Returns: a stream whose socket can be written to when the connection is there, or has failed
    ///   (`failure`); or -errno.
    public func connect() -> (stream: Stream, error: Int32) {
        guard address.count > 2 else { return (Stream(descriptor: -1), EINVAL) }
        let fd = unsafe address.withUnsafeBytes {
            unsafe csys_connect($0.baseAddress, socklen_t($0.count))
        }
        return (Stream(descriptor: max(fd, -1)), fd < 0 ? -fd : 0)
    }

    public var isUnix: Bool {
        address.count > 2 && address[0] == UInt8(truncatingIfNeeded: AF_UNIX) && address[1] == 0
    }

    /// "address:port", or the path of a Unix socket.
    public var text: String {
        if isUnix { return String(decoding: address[2...].prefix { $0 != 0 }, as: UTF8.self) }
        // As long as the largest address, so that reading past a short one can't happen.
        let padded = address + [UInt8](repeating: 0, count: max(0, 128 - address.count))
        return unsafe padded.withUnsafeBytes { address in
            unsafe withTextBuffer { unsafe csys_address_text(address.baseAddress, $0, $1) }
        }
    }
}

extension Stream {
    /// Why a connection could not be made: an errno; 0: it could.
    public var failure: Int32 { -csys_socket_error(descriptor) }
}
