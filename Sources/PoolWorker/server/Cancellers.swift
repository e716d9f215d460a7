import Engine
@_spi(TableOwner) import FixedStorage
import Pooling
import Wire

enum CancellerKind {}
typealias CancellerIndex = Index<CancellerKind>

/// The connection that carries one CancelRequest to the server program of a server: opened, written,
/// and open until PostgreSQL closes it, which says that the signal was sent.
private struct Canceller: BitwiseCopyable {
    var stream: Stream
    /// The server to interrupt, with its generation.
    let server: ServerIndex
    let generation: UInt32
    /// Whose statement is to end; `absent`: the client has gone, and the server is brought to rest.
    var client: ClientIndex
    /// The connection that has brought the request; nil: the worker wants it itself.
    let requester: CancelRequester?
    var isSent = false
    let opened: UInt64
}

/// The cancel requests of a thread on their way to its servers. The statement that is hit is always the
/// client's own: its server isn't released while a request is on its way, and a request that comes too
/// late is dropped.
struct Cancellers: ~Copyable {
    /// A request is done, or was dropped.
    struct Done {
        /// The connection that brought it can end.
        let requester: CancelRequester?
        /// The server that may go on, as no other request is on its way to it; nil: there is none.
        let server: ServerIndex?
    }

    private var table: Table<Canceller, CancellerKind>

    /// Requests on their way to one server at a time; more would not end its statement sooner.
    private static let most = 4

    /// - Parameters:
    ///   - entries: how many there may be.
    ///   - reserve: as for `Table`.
    init(entries: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        unsafe table = Table(capacity: entries, reserve: reserve)
    }

    var count: Int { table.count }

    /// Interrupts what a server runs: by signal where the host can, else by a CancelRequest on a
    /// connection of its own.
    /// - Parameters:
    ///   - c: whose statement is to end; `absent`: that of the client that has left.
    ///   - connector: where the server was opened; nil: it was not yet.
    ///   - requester: the connection that has brought the request.
    /// - Returns: false if nothing is on its way: `event` will not say that the request is done.
    mutating func interrupt(
        _ c: ClientIndex, _ s: ServerIndex, _ connector: Connector?, for requester: CancelRequester?,
        _ ends: inout Ends, _ poller: borrowing Poller, _ shared: Shared
    ) -> Bool {
        let server = ends.servers[s]
        guard server.pid != 0 else { return false }
        server.ledger.cancel(c == .absent ? server.left : ends.clients[c].ledger)
        if shared.host.interrupt(server.pid, slot: server.slot) { return false }
        guard server.cancels < Self.most, let stream = connector?.connect().stream, stream.isOpen else {
            return false
        }
        let canceller = Canceller(
            stream: stream, server: s, generation: ends.servers.generation(s), client: c,
            requester: requester, opened: ends.now)
        guard watch(canceller, poller) else { return false }
        shared.countServer(1)
        ends.servers[s].cancelBegins()
        return true
    }

    /// Enters a request whose socket connects; closes that and returns false if there is no room.
    private mutating func watch(_ canceller: Canceller, _ poller: borrowing Poller) -> Bool {
        guard let k = table.insert(canceller) else {
            var stream = canceller.stream
            stream.close()
            return false
        }
        let token = PollToken(.canceller, index: k.number, generation: table.generation(k))
        guard table[k].stream.watch(poller, token, output: true) else {
            table[k].stream.close()
            table.remove(k)
            return false
        }
        return true
    }

    /// Its socket can be written, or read. Returns nil if the request goes on.
    mutating func event(
        _ k: CancellerIndex, _ event: PollEvent, _ ends: inout Ends, _ poller: borrowing Poller,
        _ shared: Shared
    ) -> Done? {
        guard event.token.matches(table.generation(k)) else { return nil }
        if event.isWritable && !table[k].isSent {
            guard send(k, ends) else { return close(k, &ends, poller, shared) }
        }
        guard event.isReadable else { return nil }
        // PostgreSQL closes the connection when the signal has been sent, and says nothing.
        table[k].stream.signs.readable = true
        return table[k].stream.receive() == Stream.wouldBlock ? nil : close(k, &ends, poller, shared)
    }

    /// The connection is there, or has failed. Returns false if that is so, or it is too late for the request.
    private mutating func send(_ k: CancellerIndex, _ ends: borrowing Ends) -> Bool {
        let s = table[k].server
        guard table[k].stream.failure == 0, ends.servers.generation(s) == table[k].generation,
            ends.servers[s].runsStatement(of: table[k].client)
        else { return false }
        table[k].isSent = true
        let packet = StartupPacket.cancelPacket(
            processID: UInt32(bitPattern: ends.servers[s].pid), secret: ends.servers[s].key)
        // (a new socket takes so few bytes at once, or none at all)
        return table[k].stream.send(packet) == .all
    }

    private mutating func close(
        _ k: CancellerIndex, _ ends: inout Ends, _ poller: borrowing Poller, _ shared: Shared
    ) -> Done {
        let canceller = table[k]
        table[k].stream.close(poller)
        table.remove(k)
        shared.countServer(-1)
        let s = canceller.server
        let goesOn = ends.servers.generation(s) == canceller.generation && ends.servers[s].cancelEnds()
        return Done(requester: canceller.requester, server: goesOn ? s : nil)
    }

    /// Gives up the requests that were opened so many nanoseconds ago.
    mutating func closeOld(
        _ limit: UInt64, _ ends: inout Ends, _ poller: borrowing Poller, _ shared: Shared
    ) -> [Done] {
        guard limit > 0 else { return [] }
        var done: [Done] = []
        for k in table.indices where table[k].stream.isOpen && ends.now &- table[k].opened >= limit {
            done.append(close(k, &ends, poller, shared))
        }
        return done
    }

    /// The client of a server has gone: requests on their way there are for no statement any more.
    mutating func clientLeft(_ s: ServerIndex, _ ends: borrowing Ends) {
        guard ends.servers[s].cancels > 0 else { return }
        for k in table.indices where table[k].stream.isOpen && table[k].server == s {
            table[k].client = .absent
        }
    }

    /// The thread ends.
    mutating func closeAll() {
        for k in table.indices { table[k].stream.close() }
    }
}
