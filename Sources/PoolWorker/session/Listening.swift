import CWorker
import Pooling
import Wire

/// What an engine thread knows of clients that listen, and of their hubs.
struct Listening {
    /// Bytes of notifications that may wait for a client that is in a transaction, or slow.
    static let most = 64 << 20

    /// Bytes that may wait for all clients of a thread.
    static func most(_ settings: CworkerTuning, threads: Int) -> Int {
        Int(settings.max_notification_memory) << 20 / max(threads, 1)
    }

    /// A server's agent wants its client to hear all that the hub had at a request before
    /// anything more of its own.
    struct Request {
        let hub: HubID
        let number: UInt32
    }

    /// Clients whose notifications a hub reads.
    var clients: [ClientIndex: HubID] = [:]
    /// Notifications that a client can't be sent yet.
    var waiting = WaitingFrames()
    /// By linked server.
    var requests: [ServerIndex: Request] = [:]
    /// By slot: the last request the hub has answered.
    var answered: [UInt32: UInt32] = [:]
    /// Pools whose clients keep servers for want of a hub.
    var wanting: Set<PoolIndex> = []

    /// Whether all has come that there was at a request.
    func isAnswered(_ request: Request) -> Bool {
        guard let last = answered[request.hub.slot] else { return false }
        return Int32(bitPattern: last &- request.number) >= 0
    }
}

/// What an agent says to the worker; CLEDGER_AGENT_….
enum AgentMessage {
    case listens(slot: UInt32, process: UInt32, request: UInt32, listens: Bool)
    case notification(processID: UInt32, reference: UInt64, body: ArraySlice<UInt8>)
    case unwritable(processID: UInt32, reference: UInt64)
    case read(request: UInt32)

    /// Nil: it is none.
    init?(_ body: ArraySlice<UInt8>) {
        var reader = ByteReader(body.dropFirst())
        switch body.first {
        case UInt8(ascii: "L"):
            guard let slot = reader.int32(), let process = reader.int32(), let request = reader.int32(),
                let listens = body.last
            else { return nil }
            self = .listens(slot: slot, process: process, request: request, listens: listens != 0)
        case UInt8(ascii: "N"), UInt8(ascii: "U"):
            guard let processID = reader.int32(), let high = reader.int32(), let low = reader.int32()
            else { return nil }
            let reference = UInt64(high) << 32 | UInt64(low)
            self =
                body.first == UInt8(ascii: "U")
                ? .unwritable(processID: processID, reference: reference)
                : .notification(processID: processID, reference: reference, body: body.dropFirst(13))
        case UInt8(ascii: "R"):
            guard let request = reader.int32() else { return nil }
            self = .read(request: request)
        default:
            return nil
        }
    }
}
