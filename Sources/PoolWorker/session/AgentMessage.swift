import Wire

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
                let listens = reader.byte()
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
