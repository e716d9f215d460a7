import Engine
@_spi(TableOwner) import FixedStorage
import Pooling
import Wire

enum HubKind {}
typealias HubIndex = Index<HubKind>

/// The connection to a backend that reads the notifications of its database for clients that listen.
/// It has logged in as a server of a pool, and then left the pool's servers.
struct Hub: BitwiseCopyable {
    fileprivate(set) var stream: Stream
    let id: HubID
    /// As whose server it has logged in.
    let pool: PoolIndex
    /// Bytes of the message last begun that are still to come, and needed by nobody.
    private var bodyLeft = 0
    /// It has said that it reads.
    fileprivate(set) var isReading = false
    /// When it was last seen to be of use.
    fileprivate(set) var since: UInt64

    init(_ stream: Stream, id: HubID, pool: PoolIndex, now: UInt64) {
        self.stream = stream
        self.id = id
        self.pool = pool
        since = now
    }

    /// Takes the next message, or a piece of one that nobody needs, off the input.
    fileprivate mutating func takeFrame() -> WholeFrames.Next {
        WholeFrames.take(&stream, &bodyLeft, limit: FrameLimit.large) { tag in
            switch tag {
            case BackendTag.agent, BackendTag.errorResponse, BackendTag.readyForQuery: true
            default: false
            }
        }
    }
}

/// An engine thread's hubs.
struct Hubs: ~Copyable {
    private var hubs: Table<Hub, HubKind>

    /// What a hub has said, or what became of it.
    enum Event {
        /// A NotificationResponse for the client of this process id and reference; nil: it can't be written
        /// in the client's encoding.
        case notification(processID: UInt32, reference: UInt64, frame: [UInt8]?)
        /// It has sent all that there was at the request.
        case hasRead(request: UInt32)
        /// It has answered: it reads.
        case isReady
        /// It says goodbye: the end of the stream follows.
        case lastWords(ErrorFields)
        /// Its stream has ended; it has sent what is no message of a hub's.
        case gone, malformed
    }

    /// - Parameters:
    ///   - entries: how many there may be.
    ///   - reserve: as for `Table`.
    init(entries: Int, reserve: (Int) -> UnsafeMutableRawPointer) {
        unsafe hubs = Table(capacity: entries, reserve: reserve)
    }

    subscript(h: HubIndex) -> Hub { hubs[h] }

    private func token(_ h: HubIndex) -> PollToken {
        PollToken(.hub, index: h.number, generation: hubs.generation(h))
    }
}

/// Hubs begin and end.
extension Hubs {
    /// The stream of a server that has logged in becomes a hub's.
    /// - Returns: nil: there is no room for one.
    mutating func add(
        _ stream: Stream, id: HubID, pool: PoolIndex, now: UInt64, _ poller: borrowing Poller
    ) -> HubIndex? {
        guard let h = hubs.insert(Hub(stream, id: id, pool: pool, now: now)) else { return nil }
        hubs[h].stream.renew(poller, token(h))
        return h
    }

    /// Tells the backend of a hub that it is one. Returns false if its stream has failed.
    mutating func begin(_ h: HubIndex, _ poller: borrowing Poller) -> Bool {
        send(h, [0, 0, 0, 4], poller)
    }

    /// Closes a hub, and returns what it was.
    mutating func close(_ h: HubIndex, _ poller: borrowing Poller) -> Hub {
        let hub = hubs[h]
        hubs[h].stream.close(poller)
        hubs.remove(h)
        return hub
    }

    /// The end of the thread.
    mutating func closeAll() { for h in hubs.indices { hubs[h].stream.close() } }

    private mutating func send(_ h: HubIndex, _ bytes: [UInt8], _ poller: borrowing Poller) -> Bool {
        switch hubs[h].stream.send(bytes) {
        case .all: break
        case .waits: hubs[h].stream.watchOutput(true, poller, token(h))
        case .failed: return false
        }
        return true
    }
}

/// What hubs say.
extension Hubs {
    /// Takes an event of the poller. Returns what a hub has to say first; nil: nothing.
    mutating func take(_ event: PollEvent, _ poller: borrowing Poller) -> Event? {
        let h = HubIndex(event.token.index)
        guard event.token.matches(hubs.generation(h)) else { return nil }
        if event.isWritable {
            if hubs[h].stream.output.isEmpty {
                hubs[h].stream.watchOutput(false, poller, token(h))
            } else if !send(h, [], poller) {
                return .gone
            }
        }
        guard event.isReadable else { return nil }
        hubs[h].stream.signs.readable = true
        if event.isHungUp { hubs[h].stream.signs.hungUp = true }
        return next(h)
    }

    /// Reads what a hub has to say next. Returns nil if there is nothing now.
    mutating func next(_ h: HubIndex) -> Event? {
        while true {
            switch hubs[h].takeFrame() {
            case .needMore:
                let n = hubs[h].stream.receive()
                if n == Stream.wouldBlock { return nil }
                if n <= 0 { return .gone }
            case .skipped: break
            case .malformed: return .malformed
            case .frame(let tag, let body): if let event = read(h, tag, body) { return event }
            }
        }
    }

    private mutating func read(_ h: HubIndex, _ tag: UInt8, _ body: ArraySlice<UInt8>) -> Event? {
        switch tag {
        case BackendTag.agent: return Self.read(AgentMessage(body))
        case BackendTag.readyForQuery:
            if hubs[h].isReading { return nil }
            hubs[h].isReading = true
            return .isReady
        default: return .lastWords(ErrorFields(body: body))
        }
    }

    private static func read(_ message: AgentMessage?) -> Event {
        switch message {
        case .notification(let processID, let reference, let body):
            .notification(processID: processID, reference: reference, frame: notificationFrame(body))
        case .unwritable(let processID, let reference):
            .notification(processID: processID, reference: reference, frame: nil)
        case .read(let request): .hasRead(request: request)
        case .listens, nil: .malformed
        }
    }
}

/// Which hubs are of use.
extension Hubs {
    /// Those that are there.
    private var all: [HubIndex] { hubs.indices.filter { hubs[$0].stream.isOpen } }

    var count: Int { all.count }
    var isEmpty: Bool { hubs.count == 0 }

    /// Those of a database by which nobody listens.
    func unused(database: UInt32, _ directory: Directory) -> [HubIndex] {
        all.filter { hubs[$0].id.database == database && !isUsed($0, directory) }
    }

    /// Looks which hubs are of use. Returns those by which nobody has listened for so long; 0: for ever.
    mutating func unused(for limit: UInt64, _ now: UInt64, _ directory: Directory) -> [HubIndex] {
        for h in all where isUsed(h, directory) { hubs[h].since = now }
        return limit == 0 ? [] : all.filter { now &- hubs[$0].since >= limit }
    }

    private func isUsed(_ h: HubIndex, _ directory: Directory) -> Bool {
        directory.listeners(database: hubs[h].id.database) > 0
    }
}

/// A NotificationResponse with this body.
func notificationFrame(_ body: ArraySlice<UInt8>) -> [UInt8] {
    var writer = FrameWriter(capacity: FrameHeader.size + body.count)
    writer.frame(BackendTag.notificationResponse) { $0.raw(body) }
    return writer.bytes
}
