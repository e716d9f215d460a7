import CSys
import CTestHost
import Synchronization
import Testing

@testable import Engine
@testable import PoolWorker

@Suite struct AcceptorTests {
    private static let count = Mutex(0)
    private let name: String
    private let listener: Listener
    private let watcher = TestPoller()

    init() {
        let number = Self.count.withLock { number in
            number += 1
            return number
        }
        name = "carpool-acceptor-\(getpid())-\(number)"
        listener = Listener(descriptor: ctest_listen(name, 8), name: name)
    }

    /// Somebody connects; the socket, or -errno.
    private func connect() -> Int32 {
        let address = withUnsafeBytes(of: UInt16(AF_UNIX)) { Array($0) } + [0] + Array(name.utf8)
        let (stream, error) = Connector(address: address).connect()
        return error == 0 ? stream.descriptor : -error
    }

    /// Whether the poller tells of a connection that waits.
    private var isHeard: Bool { watcher.events().contains { $0.token.kind == .listener } }

    @Test func `connections are dealt out to the threads in turn`() {
        var acceptor = Acceptor([listener], threads: 3)
        #expect((0..<7).map { _ in acceptor.deal() } == [0, 1, 2, 0, 1, 2, 0])
        csys_close(listener.descriptor)
    }

    @Test func `one thread gets all`() {
        var acceptor = Acceptor([], threads: 1)
        #expect((0..<3).map { _ in acceptor.deal() } == [0, 0, 0])
        csys_close(listener.descriptor)
    }

    @Test func `what waits is accepted, and no more`() {
        let acceptor = Acceptor([listener], threads: 1)
        acceptor.watch(watcher.poller)
        #expect(!isHeard)
        #expect(acceptor.accept(0) == -EAGAIN)
        let client = connect()
        #expect(isHeard)
        let accepted = acceptor.accept(0)
        #expect(accepted >= 0)
        #expect(acceptor.accept(0) == -EAGAIN)
        #expect(acceptor.accept(1) == -EAGAIN, "there is one listener")
        for fd in [client, accepted, listener.descriptor] { csys_close(fd) }
    }

    @Test func `after a failure nothing is heard for a moment, and what came meanwhile is heard then`() {
        var acceptor = Acceptor([listener], threads: 1)
        acceptor.watch(watcher.poller)
        let client = connect()
        #expect(acceptor.failed(watcher.poller, 1000) == true)
        #expect(!isHeard)
        acceptor.goOn(watcher.poller, 1000 + Acceptor.pause - 1)
        #expect(!isHeard)
        acceptor.goOn(watcher.poller, 1000 + Acceptor.pause)
        #expect(isHeard)
        for fd in [client, listener.descriptor] { csys_close(fd) }
    }

    @Test func `a failure that goes on is told once in a minute`() {
        let (start, minute): (UInt64, UInt64) = (5, 60_000_000_000)
        var acceptor = Acceptor([listener], threads: 1)
        #expect(acceptor.failed(watcher.poller, start) == true)
        #expect(acceptor.failed(watcher.poller, start + 1) == false)
        #expect(acceptor.failed(watcher.poller, start + minute) == false)
        #expect(acceptor.failed(watcher.poller, start + minute + 1) == true)
        #expect(acceptor.failed(watcher.poller, start + minute + 2) == false)
        csys_close(listener.descriptor)
    }

    @Test func `who is closed in a pause does not go on after it`() {
        var acceptor = Acceptor([listener], threads: 1)
        acceptor.watch(watcher.poller)
        _ = acceptor.failed(watcher.poller, 0)
        acceptor.close(watcher.poller)
        #expect(acceptor.isAccepting == false)
        acceptor.goOn(watcher.poller, 10 * Acceptor.pause)
        #expect(!isHeard)
        #expect(acceptor.accept(0) == -EAGAIN)
        csys_close(listener.descriptor)
    }

    @Test func `once closed it refuses who comes`() {
        var acceptor = Acceptor([listener], threads: 1)
        acceptor.watch(watcher.poller)
        let early = connect()
        acceptor.close(watcher.poller)
        acceptor.close(watcher.poller)
        #expect(connect() == -ECONNREFUSED)
        #expect(!isHeard)
        for fd in [early, listener.descriptor] { csys_close(fd) }
    }
}
