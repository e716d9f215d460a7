import CSys
import FixedStorage
import Glibc
import TestSupport
import Testing

@testable import Engine

/// Listeners and those who connect to them.
@Suite struct ConnectionTests {
    /// A folder of the test's own, removed with what is in it.
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = "/tmp/carpool-engine-\(getpid())"
        #expect(mkdir(folder, 0o700) == 0)
        defer { rmdir(folder) }
        try body(folder)
    }

    /// The address of a Unix socket, as the system has it.
    private func address(unix path: String) -> [UInt8] {
        withUnsafeBytes(of: UInt16(AF_UNIX)) { Array($0) } + bytes(path)
            + [UInt8](repeating: 0, count: 108 - path.utf8.count)
    }

    private func address(ip4 ip: [UInt8], port: UInt16) -> [UInt8] {
        withUnsafeBytes(of: UInt16(AF_INET)) { Array($0) } + withUnsafeBytes(of: port.bigEndian) { Array($0) }
            + ip + [UInt8](repeating: 0, count: 8)
    }

    @Test func `a Unix listener takes connections at PostgreSQL's path`() throws {
        try withFolder { folder in
            let listener = try Listener.unix(directory: folder, port: 7001, backlog: 4, mode: 0o777)
            #expect(listener.name == "\(folder)/.s.PGSQL.7001")
            let connector = Connector(address: address(unix: listener.name))
            #expect(connector.isUnix && connector.text == listener.name)
            var (stream, error) = connector.connect()
            #expect(error == 0 && stream.isOpen && stream.failure == 0)
            var accepted = Stream(descriptor: csys_accept(listener.descriptor))
            #expect(accepted.isOpen && peerText(accepted.descriptor) == "unix")
            #expect(csys_accept(listener.descriptor) == -EAGAIN)
            #expect(accepted.send(bytes("hi")) == .all)
            stream.signs.readable = true
            #expect(stream.receive() == 2)
            accepted.close()
            stream.close()
            listener.refuse()
            #expect(connector.connect().error == ENOENT)
            csys_close(listener.descriptor)
        }
    }

    @Test func `what can't be listened on is said`() throws {
        let missing = #expect(throws: ListenFailure.self) {
            try Listener.unix(directory: "/nowhere/at/all", port: 1, backlog: 1, mode: 0o700)
        }
        #expect(
            missing?.text
                == "could not listen on /nowhere/at/all/.s.PGSQL.1: No such file or directory")
        let unknown = #expect(throws: ListenFailure.self) {
            try Listener.tcp("no such name", port: 1, backlog: 1)
        }
        #expect(unknown?.text == "could not resolve listen_addr \"no such name\"")
    }

    @Test func `a TCP listener has the name of its address`() throws {
        let listeners = try Listener.tcp("127.0.0.1", port: 0, backlog: 1)
        let listener = try #require(listeners.first)
        defer { csys_close(listener.descriptor) }
        #expect(listener.name == "127.0.0.1:0")
        #expect(csys_accept(listener.descriptor) == -EAGAIN)
    }

    @Test func `no address connects to nothing`() {
        for short in [[], [1], [1, 0]] as [[UInt8]] {
            let (stream, error) = Connector(address: short).connect()
            #expect(error == EINVAL && !stream.isOpen)
            #expect(!Connector(address: short).isUnix)
        }
    }

    @Test func `addresses have the form that people write`() {
        let connector = Connector(address: address(ip4: [127, 0, 0, 1], port: 6432))
        #expect(connector.text == "127.0.0.1:6432" && !connector.isUnix)
    }

    @Test func `a connection that is refused says why`() throws {
        var poller = makePoller()
        // (nothing listens on the port of a socket that does not listen)
        let (began, error) = Connector(address: address(ip4: [127, 0, 0, 1], port: 1)).connect()
        var stream = began
        if error == 0 {
            #expect(stream.watch(poller, PollToken(.server, index: 0, generation: 0), output: true) == true)
            #expect(poller.wait(5000) == 1)
            #expect(stream.failure == ECONNREFUSED)
        } else {
            #expect(error == ECONNREFUSED)
        }
        stream.close(poller)
    }

    @Test func `spans are given in seconds, and absurd ones are clamped`() {
        #expect(Clock.nanoseconds(0) == 0 && Clock.nanoseconds(-3) == 0)
        #expect(Clock.nanoseconds(1.5) == 1_500_000_000)
        #expect(Clock.nanoseconds(1e300) == UInt64(1e18))
        let before = Clock.now()
        #expect(Clock.now() >= before)
    }
}
