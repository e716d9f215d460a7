import CSys
import FixedStorage

/// One connected socket, what is known of it, and the bytes that wait on either side: received and
/// not yet used, to be sent and not yet taken. A plain value: one owner keeps it.
///
/// Sockets are watched edge-triggered. Here is the one place of the rule that saves a receive: one that
/// comes short has emptied the socket, so that the next input brings an event; after the end of the
/// stream, which brings none, the socket stays readable.
public struct Stream: BitwiseCopyable {
    /// Its descriptor, or -1: there is no socket yet.
    public private(set) var descriptor: Int32
    public var signs = Signs()
    /// It is watched for output, too.
    public private(set) var watchesOutput = false
    /// Received, not yet used.
    public var input = Block()
    /// To be sent.
    public var output = Block()

    /// -EAGAIN: the socket has nothing now, or takes nothing.
    @inlinable
    public static var wouldBlock: Int { @_noLocks get { -11 } }

    public init(descriptor: Int32) { self.descriptor = descriptor }

    public var isOpen: Bool { descriptor >= 0 }

    // MARK: receiving

    /// Receives into `scratch`, behind what `input` holds of a header; a longer input is moved there and
    /// nothing is received.
    /// - Returns: bytes there are in `scratch`, 0 at the end of the stream, or -errno.
    @inlinable @_noLocks @inline(__always)
    public mutating func receive(_ scratch: Scratch, header: Int) -> Int {
        if !input.isEmpty { return receiveBehind(scratch, header: header) }
        let n = scratch.receive(descriptor)
        signs.readable = n == Scratch.size || (signs.hungUp && n > 0)
        return n
    }

    @usableFromInline @_noLocks @inline(never)
    mutating func receiveBehind(_ scratch: Scratch, header: Int) -> Int {
        let count = input.count
        scratch.put(input.bytes)
        if count < header {
            let (n, more) = scratch.receive(descriptor, behind: count)
            signs.readable = more || (signs.hungUp && n > 0)
            if n <= 0 { return n }
            input.giveBack()
            return count &+ n
        }
        input.giveBack()
        return count
    }

    /// Receives behind what `input` holds, if the socket may have something.
    /// - Returns: bytes received, 0 at the end of the stream, or -errno; if nothing came, an empty input
    ///   has no memory.
    @_noLocks
    public mutating func receive() -> Int {
        var n = Self.wouldBlock
        if signs.readable {
            if !input.hasMemory { input = .take() }
            input.compact()
            let (count, more) = input.receive(descriptor)
            n = count
            if n == Self.wouldBlock || (n > 0 && !more && !signs.hungUp) { signs.readable = false }
        }
        if n <= 0 && input.isEmpty { input.giveBack() }
        return n
    }

    /// Receives until there is no more, or `input` is full.
    /// - Returns: false if the stream has failed. It stays readable.
    @_noLocks
    public mutating func receiveAll() -> Bool {
        if !input.hasMemory { input = .take() }
        input.compact()
        var n = 1
        while input.room > 0, n > 0 { n = input.receive(descriptor).count }
        signs.readable = true
        return n >= 0 || n == Self.wouldBlock
    }

    // MARK: sending

    /// What became of bytes that were to be sent.
    public enum Sent { case all, waits, failed }

    /// Sends bytes behind those that wait.
    /// - Returns: `failed` if the stream has failed, or too many bytes wait.
    public mutating func send(_ bytes: [UInt8]) -> Sent { output.append(bytes) ? flush() : .failed }

    /// Sends what waits.
    public mutating func flush() -> Sent {
        while !output.isEmpty {
            let n = output.send(descriptor, output.count)
            if n == Self.wouldBlock { return .waits }
            if n < 0 { return .failed }
        }
        output.giveBack()
        return .all
    }

    /// Sends what the socket takes at once, and says nothing of the rest.
    public mutating func sendLast(_ bytes: [UInt8]) {
        guard output.append(bytes) else { return }
        _ = output.send(descriptor, output.count)
    }

    // MARK: watching

    /// Watches the socket for input.
    /// - Parameter output: for output, too, which tells when a socket that connects is there.
    /// - Returns: false if the kernel refuses.
    public mutating func watch(_ poller: borrowing Poller, _ token: PollToken, output: Bool = false) -> Bool {
        watchesOutput = output
        return poller.watch(descriptor, token, output: output) == 0
    }

    /// Watches a client for output while some waits. It isn't ended with the last byte,
    /// as more often follows, but with the next event that finds none.
    public mutating func watchOutput(_ output: Bool, _ poller: borrowing Poller, _ token: PollToken) {
        guard watchesOutput != output else { return }
        watchesOutput = output
        poller.change(descriptor, token, output: output)
    }

    /// Its events come with another token from now on; at once, if it is ready.
    public func renew(_ poller: borrowing Poller, _ token: PollToken) {
        poller.change(descriptor, token, output: watchesOutput)
    }

    /// Another thread's poller may watch it.
    public mutating func unwatch(_ poller: borrowing Poller) {
        poller.forget(descriptor)
        watchesOutput = false
    }

    // MARK: ending

    /// The peer reads the end of the stream; its own bytes still come.
    public func endOutput() { csys_shutdown_output(descriptor) }

    /// Closes the socket and gives back its memory.
    public mutating func close(_ poller: borrowing Poller) {
        input.giveBack()
        output.giveBack()
        guard isOpen else { return }
        poller.forget(descriptor)
        close()
    }

    /// Closes a socket that no poller watches.
    public mutating func close() {
        if isOpen { csys_close(descriptor) }
        descriptor = -1
    }
}
