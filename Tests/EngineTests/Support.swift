import CSys
import CTestHost
import Engine
import FixedStorage

/// Two ends of a connection: a stream, and a socket that a test uses by hand.
struct Pair: ~Copyable {
    var stream: Stream
    let peer: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let made = ctest_pair(&ends)
        precondition(made == 0, "no socket pair")
        stream = Stream(descriptor: ends[0])
        peer = ends[1]
    }

    deinit { csys_close(peer) }

    /// The peer sends bytes; returns how many its socket took.
    @discardableResult
    func say(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { csys_send(peer, $0.baseAddress, $0.count) } }

    /// All that the peer's socket has now.
    func heard() -> [UInt8] {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let n = part.withUnsafeMutableBytes { csys_recv(peer, $0.baseAddress, $0.count) }
            if n <= 0 { return all }
            all += part[..<n]
        }
    }

    /// The peer ends its stream, and still reads.
    func endPeersOutput() { csys_shutdown_output(peer) }

    /// An event came that says so.
    mutating func isReadable() { stream.signs.readable = true }

    /// Fills the connection until the stream's socket takes no more; returns how many bytes it took.
    mutating func fill() -> Int {
        let bytes = [UInt8](repeating: 7, count: 4096)
        var count = 0
        while case let n = bytes.withByteView({ $0.send(stream.descriptor) }), n > 0 { count += n }
        return count
    }
}

extension ByteView {
    var array: [UInt8] { (0..<byteCount).map { byte($0) } }
}

/// Makes two connected sockets.
func pairOfSockets(_ ends: inout [Int32]) -> Bool { ctest_pair(&ends) == 0 }

func makePoller() -> Poller {
    guard let poller = Poller() else { fatalError("no poller") }
    return poller
}
