/// A backend that reads the notifications of its database for the clients that listen
/// there; by OID, slot in the ledger and process id.
struct HubID: Equatable, BitwiseCopyable {
    let database: UInt32
    let slot: UInt32
    let process: UInt32
}

enum HubState {
    case opening
    case ready(HubID)
    /// It could not be had, or is gone: not to be tried again before this instant.
    case failed(retryAt: UInt64)
}
