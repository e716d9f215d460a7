import FixedStorage
import Pooling

/// What other threads tell an engine thread.
enum EngineMessage {
    /// A client was accepted, and counted.
    case accepted(descriptor: Int32)
    /// The host has answered.
    case answered(HostAnswer)
    /// A hash for a login is done: 32 bytes.
    case clientHashed(ClientIndex, generation: UInt32, hash: [UInt8])
    case serverHashed(ServerIndex, generation: UInt32, hash: [UInt8])
    /// A cancel request for a client of the thread.
    case cancel(processID: UInt32, secret: UInt32, requester: CancelRequester)
    /// The cancel request that this client has brought is done.
    case cancelDone(ClientIndex, generation: UInt32)
    /// A thread's clients wait in a pool whose limit is reached.
    case wanted(PoolIndex, thread: Int)
    /// A server comes over.
    case handOver(ServerHandOver)
    /// A server slot of the pool became free.
    case slotFreed(PoolIndex)
    /// Close the idle servers of a database.
    case evict(database: UInt32)
    /// A pool has begun to wait for servers that others can do without.
    case makeRoom
    /// The pool may open a server, which is counted already; `later`: in a moment, when another has ended.
    case slotGranted(PoolIndex, later: Bool)
    /// The outage of a place (`Place`) is over, or of a pool; nil: neither.
    case outageOver(place: UInt32?, pool: PoolIndex?)
    /// A NotificationResponse for the client of this process id and reference; nil: it can't be written in
    /// the client's encoding.
    case notification(processID: UInt32, reference: UInt64, frame: [UInt8]?)
    /// The hub of a database reads notifications; has come to an end.
    case hubReady(HubID)
    case hubGone(HubID)
    /// The hub in this slot of the ledger has sent all that there was at the request.
    case hubRead(slot: UInt32, request: UInt32)
    /// The servers of a pool report that they are standbys, or no longer.
    case standbyChanged(PoolIndex, isStandby: Bool)
    /// Facts of logins in a pool changed at this moment.
    case factsChanged(PoolIndex, moment: UInt64)
    /// The servers of a database are elsewhere since this moment.
    case moved(database: UInt32, moment: UInt64)
    /// Pools were freed.
    case poolsFreed
    case reload
    case drain(Drain)
    case stop
}

/// How clients are let go; CarpoolDrain.
enum Drain: UInt32 { case transactions, clients }

/// The connection that brought a cancel request: its entry on its thread.
struct CancelRequester: BitwiseCopyable {
    let thread: Int
    let client: ClientIndex
    let generation: UInt32
}
