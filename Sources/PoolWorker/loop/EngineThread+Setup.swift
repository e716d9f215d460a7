import Engine
import FixedStorage
import Pooling
import Wire

/// Parameters: a server gets those of the client it is about to serve.
extension EngineThread {
    /// Sends the SETs that make server `s` suit client `c`, to which it is linked.
    mutating func startSetup(_ c: ClientIndex, _ s: ServerIndex) {
        if case .agent = ends.servers[s].sessions { return startSession(c, s) }
        let from = parameterSets.values(ends.servers[s].parameters)
        let to = parameterSets.values(ends.clients[c].parameters)
        guard let query = ParameterSets.settingQuery(from: from, to: to) else {
            // They differ only in what this server doesn't know.
            settle(ends.pumpClient(c), client: c, server: s)
            return
        }
        runTask(s, .parameters, query)
    }

    /// Runs the worker's own query on a server that is quiet; `taskDone` gets the outcome.
    mutating func runTask(_ s: ServerIndex, _ task: Server.Task, _ query: [UInt8]) {
        var writer = FrameWriter()
        writer.query(query)
        runTask(s, task, message: writer.bytes)
    }

    /// The same with any message that ReadyForQuery answers.
    mutating func runTask(_ s: ServerIndex, _ task: Server.Task, message: [UInt8]) {
        ends.servers[s].runs(task, now)
        if !sendServer(s, message) {
            agenda.post(.serverDied(s, generation: ends.servers.generation(s)))
        }
    }

    /// The client's last messages have no answer: PostgreSQL may still have to read them, and
    /// would go on in their client's session. The worker's own Sync has one; it is not the client's.
    mutating func fence(_ c: ClientIndex, _ s: ServerIndex) {
        guard !tuning.test_releases_early else { return release(c, s) }
        var writer = FrameWriter()
        writer.frame(FrontendTag.sync)
        ends.servers[s].forgetsTraffic()
        runTask(s, .fence, message: writer.bytes)
    }

    /// ReadyForQuery came for the worker's own query.
    mutating func taskDone(_ s: ServerIndex) {
        let c = ends.servers[s].client
        switch ends.servers[s].taskDone() {
        case .violation: serverDied(s, .serverMalformed)
        case .refused: refuseParameters(c, s)
        case .suits: startBehindSetup(c, s)
        case .welcomes:
            switch ends.servers[s].sessions {
            case .agent: sessionStarted(c, s)
            case .tracked: parametersResolved(c, s)
            }
        case .clientHandedOver:
            let generation = ends.servers.generation(s)
            release(c, s)
            if ends.servers.generation(s) == generation { ends.servers[s].clientStays() }
        case .hasRead: release(c, s)
        case .rolledBack:
            forgetLeft(s)
            resetServer(s)
        case .clean:
            forgetLeft(s)
            passOn(s)
        case .unfit: closeServer(s, .recoveryTimeout)
        case .stillPinned: closeServer(s, .stillPinned)
        }
    }

    /// The server has its client's parameters: what that one has asked for comes now.
    private mutating func startBehindSetup(_ c: ClientIndex, _ s: ServerIndex) {
        // The server's spelling of the values is the true one.
        adoptParameters(c, ends.servers[s].parameters)
        if ends.clients[c].cancelled { return dropRequest(c, s) }
        settle(ends.pumpClient(c), client: c, server: s)
    }

    /// The client was cancelled before its request got to the server, which stays unused.
    private mutating func dropRequest(_ c: ClientIndex, _ s: ServerIndex) {
        ends.unlink(c, s)
        ends.clients[c].discards()
        passOn(s)
        discardRequest(c)
    }

    /// The server didn't take the client's parameters.
    private mutating func refuseParameters(_ c: ClientIndex, _ s: ServerIndex) {
        var error =
            serverLogins.takeError(s) ?? ErrorFields(.fatal, "22023", "invalid startup parameter")
        error.severity = .fatal
        ends.clients[c].losesRequest()
        closeClient(c, .error(error))
    }

    /// Points a client at another set of parameters; the reference is taken here.
    mutating func adoptParameters(_ c: ClientIndex, _ set: UInt32) {
        guard ends.clients[c].parameters != set else { return }
        parameterSets.retain(set)
        parameterSets.release(ends.clients[c].changesParameters(set))
    }

    /// A server reported a parameter.
    mutating func noteParameter(_ s: ServerIndex, _ body: ArraySlice<UInt8>) {
        var reader = ByteReader(body)
        guard let name = reader.string(), let value = reader.string() else { return }
        if case .agent = ends.servers[s].sessions { return noteAnswer(s, name, value) }
        if name == PoolRecord.standby { return noteStandby(s, value) }
        trackParameter(s, name, value)
    }

    /// A server without an agent has this value of a parameter now.
    mutating func trackParameter(_ s: ServerIndex, _ name: [UInt8], _ value: [UInt8]) {
        // PostgreSQL's values are short; those of another server are its client's business.
        guard value.count <= 1000, let index = TrackedParameter.index(name) else { return }
        var values = parameterSets.values(ends.servers[s].parameters)
        guard values[index] != value else { return }
        values[index] = value
        parameterSets.release(ends.servers[s].takes(parameters: parameterSets.number(for: values)))
    }

    /// The next frame of a linked server is a ParameterStatus: the client has changed a
    /// parameter, or the server's settings were reloaded.
    mutating func readParameterStatus(_ s: ServerIndex) {
        let c = ends.servers[s].client
        while ends.servers[s].state == .active, ends.servers[s].client == c {
            switch firstFrame(s, BackendTag.parameterStatus) {
            case .needMore, .malformed, .ended: return
            case .other: return postGoOn(s)
            case .frame(let bytes):
                if case .tracked = ends.servers[s].sessions {
                    noteParameter(s, bytes[5...])
                    adoptParameters(c, ends.servers[s].parameters)
                }
                ends.servers[s].stream.input.drop(bytes.count)
                send(c, bytes)
            }
        }
        postGoOn(s)
    }

    /// The frame that is next in a linked server's input block, if it has this tag; it stays there. The
    /// server may be closed then.
    mutating func firstFrame(_ s: ServerIndex, _ tag: UInt8) -> WholeFrames.First {
        let first = WholeFrames.first(&ends.servers[s].stream, tag)
        switch first {
        case .malformed: serverDied(s, .serverMalformed)
        case .ended: serverDied(s, .serverGone)
        case .frame, .other, .needMore: break
        }
        return first
    }

    /// Goes on with what is left in a linked server's input block, and with its client's.
    mutating func goOnWithLink(_ s: ServerIndex) {
        let c = ends.servers[s].client
        guard c != .absent, ends.servers[s].state == .active else { return }
        if ends.servers[s].stream.input.isEmpty { ends.servers[s].stream.input.giveBack() }
        var stop = PumpStop.idle
        if ends.servers[s].stream.input.hasMemory, ends.clients[c].stream.output.isEmpty {
            stop = Relay.deliver(
                &ends.servers[s], &ends.clients[c], scratch, ends.pools.mode(ends.servers[s].pool))
        }
        if stop == .idle { stop = ends.pumpServer(s) }
        if stop == .idle, ends.clients[c].readable || ends.clients[c].stream.input.count >= FrameHeader.size {
            stop = ends.pumpClient(c)
        }
        settle(stop, client: c, server: s)
    }
}
