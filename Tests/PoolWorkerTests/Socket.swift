import CSys
import CTestHost

/// A non-blocking stream socket of a test.
struct Socket {
    let descriptor: Int32
    /// The peer has ended its stream, or the connection has failed.
    private(set) var hasEnded = false
    private(set) var isOpen = true

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// All bytes that have come.
    mutating func receive() -> [UInt8] {
        var all: [UInt8] = []
        guard isOpen, !hasEnded else { return all }
        while true {
            let part = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = max(0, take(buffer))
            }
            guard !part.isEmpty else { return all }
            all += part
        }
    }

    private mutating func take(_ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let n = csys_recv(descriptor, buffer.baseAddress, buffer.count)
        if n == 0 || (n < 0 && n != -Int(EAGAIN)) { hasEnded = true }
        return n
    }

    /// Sends what the socket takes; returns how many bytes that were.
    mutating func send(_ bytes: some Collection<UInt8>) -> Int {
        let n = Array(bytes).withUnsafeBytes { csys_send(descriptor, $0.baseAddress, $0.count) }
        return max(0, n)
    }

    /// Ends the stream to the peer; what the peer sends still comes.
    func endOutput() { csys_shutdown_output(descriptor) }

    mutating func close() {
        guard isOpen else { return }
        isOpen = false
        csys_close(descriptor)
    }
}

/// A socket that is connected to a Unix socket's path, or -errno.
func connectUnix(_ path: String) -> Int32 {
    var address = [UInt8](repeating: 0, count: 110)
    withUnsafeBytes(of: UInt16(AF_UNIX)) { address.replaceSubrange(0..<2, with: $0) }
    address.replaceSubrange(2..<2 + path.utf8.count, with: path.utf8)
    return address.withUnsafeBytes { csys_connect($0.baseAddress, socklen_t($0.count)) }
}
