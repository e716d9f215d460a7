import CSys
import CWorker
import Engine
import FixedStorage
import Pooling
import Wire

/// One engine thread: its parts, and the loop that turns them. All of it belongs to this thread
/// alone; other threads speak to it by messages.
///
/// The hot path is in the folder link; everything else may allocate and lock.
struct EngineThread: ~Copyable {
    /// Entries of the client and server tables: address space, not memory.
    static let capacity = 131_072

    /// The first property: so the hot path's out-of-line functions are called with the address it has.
    var ends: Ends
    let number: Int
    let shared: Shared
    var acceptor: Acceptor
    /// Says when housekeeping is due. A time limit of each wait would do that, too, but the
    /// kernel would set up and cancel a timer each time.
    let ticker: Int32

    var poller: Poller
    var cancellers: Cancellers
    var hubs: Hubs
    var parameterSets = ParameterSets()
    var logins: ClientLogins
    var serverLogins = ServerLogins()
    /// What clients that listen, and their hubs, need.
    var listening = Listening()

    var agenda = Agenda()
    var settings: WorkerSettings
    var draining: Drain?

    /// - Parameter listeners: those this thread accepts from; the first thread has them all.
    init?(number: Int, shared: Shared, listeners: [Listener]) {
        let ticker = csys_timer(Self.tick)
        guard ticker >= 0, let poller = Poller() else {
            csys_close(ticker)
            return nil
        }
        self.poller = poller
        self.ticker = ticker
        self.number = number
        self.shared = shared
        acceptor = Acceptor(listeners, threads: shared.threads)
        settings = shared.settings
        unsafe cancellers = Cancellers(entries: Self.capacity, reserve: reserveMemory)
        unsafe hubs = Hubs(entries: Self.capacity, reserve: reserveMemory)
        let pools = unsafe ThreadPools(
            thread: number, threads: shared.threads, counters: shared.directory.waiting,
            entries: Self.capacity, reserve: reserveMemory)
        unsafe ends = Ends(
            pools: pools, ledger: shared.ledger.clients, entries: Self.capacity, reserve: reserveMemory)
        logins = ClientLogins(
            numbers: ProcessNumbers(
                thread: number, threads: shared.threads,
                seed: randomBytes(4).reduce(0) { $0 << 8 | UInt32($1) }))
    }

    /// Housekeeping runs about three times a second, as PgBouncer's does.
    static let tick: UInt64 = 333_000_000

    /// The instant of the turn.
    var now: UInt64 { @_noLocks get { ends.now } }
    var tuning: CworkerTuning { _read { yield settings.tuning } }
    var inbox: Inbox { shared.inboxes[number] }
    var scratch: Scratch { @_noLocks get { ends.scratch } }
    var ledgerClients: LedgerClients { @_noLocks get { ends.ledger } }

    private static let inboxIndex: UInt32 = 0
    private static let tickerIndex: UInt32 = 1

    mutating func run() {
        start()
        while turn(poller.wait(agenda.patience), now: Clock.now()) {}
        closeEverything()
    }

    /// Watches what wakes the thread besides its clients and servers.
    mutating func start() {
        _ = poller.watchInput(
            inbox.descriptor, PollToken(.inbox, index: Self.inboxIndex, generation: 0))
        _ = poller.watchInput(ticker, PollToken(.inbox, index: Self.tickerIndex, generation: 0))
        acceptor.watch(poller)
    }

    /// One turn of the loop: so many events of the poller, at this instant. Returns false at the
    /// end of the thread.
    @inline(__always)
    mutating func turn(_ events: Int, now: UInt64) -> Bool {
        ends.turnBegins(now)
        var index = 0
        while index < events {
            handle(poller.event(index))
            index &+= 1
        }
        return !agenda.needsAttention || attend()
    }

    /// What a turn has to do besides its events; false at the end.
    @inline(never)
    private mutating func attend() -> Bool {
        if agenda.isStopping { return false }
        if agenda.hasAgain {
            for token in agenda.takeAgain() { handle(PollEvent(token: token, mask: 0)) }
        }
        if agenda.takeTick() {
            keepHouse()
            runJobs()
        }
        agenda.rest()
        return true
    }

    /// Does what slow paths have left to be done, and what comes of that.
    mutating func runJobs() {
        repeat {
            if agenda.hasAnswers { for answer in agenda.takeAnswers() { answered(answer) } }
            runPostedJobs()
        } while agenda.hasAnswers
    }

    private mutating func runPostedJobs() {
        while let job = agenda.nextJob() {
            switch job {
            case .passOn(let s, let generation):
                if ends.servers.generation(s) == generation, ends.servers[s].state == .free { passOnNow(s) }
            case .goOn(let s, let generation):
                if ends.servers.generation(s) == generation { goOnWithLink(s) }
            case .serverDeaf(let s, let generation):
                if ends.servers.generation(s) == generation { serverDeaf(s) }
            case .serverDied(let s, let generation):
                if ends.servers.generation(s) == generation { serverDied(s, .serverGone) }
            case .welcome(let c, let generation):
                if ends.clients.generation(c) == generation, ends.clients[c].state == .login { welcome(c) }
            case .startRequest(let c, let generation):
                if ends.clients.generation(c) == generation, ends.clients[c].state == .idle {
                    startRequest(c)
                }
            case .openServers(let p):
                openServers(p)
                if tuning.test_rotate_servers { endRotationWait(p) }
            }
        }
    }

    @inline(__always)
    private mutating func handle(_ event: PollEvent) {
        if event.token.isClient {
            clientEvent(ClientIndex(event.token.index), event)
        } else if event.token.isServer {
            serverEvent(ServerIndex(event.token.index), event)
        } else {
            otherEvent(event)
        }
    }

    @inline(never)
    private mutating func otherEvent(_ event: PollEvent) {
        defer { runJobs() }
        let token = event.token
        switch token.kind {
        case .listener: acceptClients(Int(token.index))
        case .inbox where token.index == Self.tickerIndex:
            csys_timer_read(ticker)
            agenda.tick()
        case .inbox: readInbox()
        case .canceller: cancellerEvent(CancellerIndex(token.index), event)
        case .hub: hubEvent(event)
        case .client, .server: break
        }
    }

    @inline(never)
    private mutating func clientEvent(_ c: ClientIndex, _ event: PollEvent) {
        guard event.token.matches(ends.clients.generation(c)) else { return }
        guard let server = ends.serverForCommonRequest(c, event) else { return otherClientEvent(c, event) }
        let stop = ends.moveRequest(c, to: server)
        settleEvent(stop, c, ends.clients[c].server)
    }

    @inline(never)
    private mutating func serverEvent(_ s: ServerIndex, _ event: PollEvent) {
        guard event.token.matches(ends.servers.generation(s)) else { return }
        guard ends.isCommonReply(s, event) else { return otherServerEvent(s, event) }
        let c = ends.servers[s].client
        settleEvent(ends.moveReply(s), c, s)
    }

    @inline(__always)
    private mutating func settleEvent(_ stop: PumpStop, _ c: ClientIndex, _ s: ServerIndex) {
        if scratch.blocked { watchOutput(c, s) }
        if stop != .idle { settleAndRunJobs(stop, c, s) }
    }

    @inline(never)
    private mutating func settleAndRunJobs(_ stop: PumpStop, _ c: ClientIndex, _ s: ServerIndex) {
        settleRare(stop, c, s)
        runJobs()
    }

    @inline(never)
    private mutating func otherClientEvent(_ c: ClientIndex, _ event: PollEvent) {
        defer { runJobs() }
        ends.clients[c].notes(event)
        if event.isWritable {
            clientWritable(c)
            guard event.token.matches(ends.clients.generation(c)) else { return }
        }
        switch ends.clients[c].state {
        case .active:
            let s = ends.clients[c].server
            guard ends.servers[s].state == .active else {
                if event.isFailed { closeClient(c, .clientLeft) }
                break
            }
            let stop = ends.pumpClient(c)
            // (what it has sent before may be more than its server takes now)
            let hasFailed = stop == .idle && event.isFailed && !ends.clients[c].ended
            settle(hasFailed ? .clientGone : stop, client: c, server: s)
        case .idle: startRequest(c)
        case .login: readLogin(c)
        case .waiting, .welcome: if ends.clients[c].hungUp { noticeHangUp(c) }
        case .discarding: discardRequest(c)
        case .closing:
            if ends.clients[c].isUnreachable || ends.clients[c].stream.output.isEmpty { forgetClient(c) }
        // As with PostgreSQL, its hanging up changes nothing.
        case .cancelling, .gone: break
        }
    }

    @inline(never)
    private mutating func otherServerEvent(_ s: ServerIndex, _ event: PollEvent) {
        defer { runJobs() }
        ends.servers[s].notes(event)
        if event.isWritable {
            serverWritable(s)
            guard event.token.matches(ends.servers.generation(s)) else { return }
        }
        switch ends.servers[s].state {
        case .active:
            settle(ends.pumpServer(s), client: ends.servers[s].client, server: s)
        case .routing, .connecting, .free, .gone:
            break
        case .login, .confirming, .idle, .setup, .recovering, .resetting, .settling:
            readServer(s)
        }
    }

    private mutating func clientWritable(_ c: ClientIndex) {
        if ends.clients[c].stream.output.isEmpty { return watchClient(c, output: false) }
        flushClient(c)
    }

    private mutating func serverWritable(_ s: ServerIndex) {
        switch ends.servers[s].state {
        case .connecting: serverConnected(s)
        default:
            if ends.servers[s].stream.output.isEmpty { return watchServer(s, output: false) }
            flushServer(s)
        }
    }

    // MARK: output that waits

    mutating func watchClient(_ c: ClientIndex, output: Bool) {
        ends.clients[c].stream.watchOutput(output, poller, clientToken(c))
    }

    mutating func watchServer(_ s: ServerIndex, output: Bool) {
        ends.servers[s].stream.watchOutput(output, poller, serverToken(s))
    }

    // MARK: tokens

    @_noLocks
    mutating func clientToken(_ c: ClientIndex) -> PollToken {
        PollToken(.client, index: c.number, generation: ends.clients.generation(c))
    }

    @_noLocks
    mutating func serverToken(_ s: ServerIndex) -> PollToken {
        ends.serverToken(s)
    }
}

private func reserveMemory(_ size: Int) -> UnsafeMutableRawPointer {
    unsafe csys_reserve(size)
}
