import CLedger
import CSys
import CWorker
import Wire

/// A server's entry in the ledger: whom it serves, and what keeps that client on it. Of a
/// server without an agent it is one that means nothing. Safe for good, as the ledger is
/// never given back.
@safe
struct LedgerServer: BitwiseCopyable {
    private let entry: UnsafeMutablePointer<CledgerServer>

    @unsafe
    init(_ entry: UnsafeMutablePointer<CledgerServer>) { unsafe self.entry = unsafe entry }

    /// An entry of no ledger.
    static func ofNobody() -> LedgerServer {
        let memory = unsafe csys_reserve(MemoryLayout<CledgerServer>.stride)!
        return unsafe LedgerServer(memory.bindMemory(to: CledgerServer.self, capacity: 1))
    }

    /// Before the client's first byte goes to the server.
    @_noLocks @inline(__always)
    func attach(_ client: LedgerClient) { unsafe cledger_attach(entry, client.reference) }

    /// Before the signal: whose statement it is that a cancel ends.
    func cancel(_ client: LedgerClient) { unsafe cledger_cancel(entry, client.reference) }

    /// In which environment its caches were made; 0: in several.
    var environment: UInt64 {
        @_noLocks @inline(__always) get { unsafe cledger_server_environment(entry) }
    }

    /// What will stand in front of the bytes of the client that is attached next.
    func announce(_ message: LedgerMessage) { unsafe cledger_announce(entry, message.rawValue) }

    /// CLEDGER_PIN_…; as of the last ReadyForQuery outside a transaction.
    var pins: UInt32 { @_noLocks @inline(__always) get { unsafe cledger_pins(entry) } }

    /// It has no pins, and may have other clients.
    var mayRest: Bool { @_noLocks @inline(__always) get { unsafe cledger_may_rest(entry) } }

    /// Nobody may have it after its client: a login of its role would get other facts now.
    var isStale: Bool { unsafe cledger_is_stale(entry) }
}

/// A client's slot in the ledger, with its generation there.
struct LedgerClient: BitwiseCopyable {
    let reference: UInt64

    static var nobody: LedgerClient { LedgerClient(reference: 0) }
}

/// The clients' entries, as the threads write them while they run.
@safe
struct LedgerClients: BitwiseCopyable, @unchecked Sendable {
    private let header: UnsafeMutablePointer<CledgerHeader>

    @unsafe
    init(_ header: UnsafeMutablePointer<CledgerHeader>) { unsafe self.header = unsafe header }

    /// PostgreSQL puts question marks into application names, see `TrackedParameter.applicationName`.
    var masksNames: Bool { unsafe header.pointee.masks_names != 0 }

    /// The server that a client has (had last).
    @_noLocks
    func note(server: UInt32, of client: LedgerClient) {
        unsafe cledger_client_served(header, client.reference, server)
    }

    /// After so many milliseconds idle the client's session is to end; 0: never.
    func idleTimeout(of client: LedgerClient) -> UInt32 {
        unsafe cledger_client_idle_timeout(header, client.reference)
    }

    /// Known before the client's session has begun on a server.
    func setIdleTimeout(of client: LedgerClient, _ milliseconds: UInt32) {
        unsafe cledger_client_may_idle(header, client.reference, milliseconds)
    }

    /// The environment of a client's session; 0: not known.
    @_noLocks
    func environment(of client: LedgerClient) -> UInt64 {
        unsafe cledger_client_environment(header, client.reference)
    }

    /// Which values of what PostgreSQL reports a client has been told; 0: not known.
    func reports(of client: LedgerClient) -> UInt32 {
        unsafe cledger_client_reports(header, client.reference)
    }

    /// A client is told what an agent has reported to another one.
    func note(reports: UInt32, of client: LedgerClient) {
        unsafe cledger_client_knows(header, client.reference, reports)
    }
}

/// CLEDGER_START…
enum LedgerMessage: UInt32 { case none, start, startAndAnswer, become, hub }

/// The ledger's slots, for all threads. The lock is taken when clients enter and leave
/// their pools, and when servers come and go.
@safe
final class Ledger: @unchecked Sendable {
    private let header: UnsafeMutablePointer<CledgerHeader>
    private let monitor = Monitor()
    /// Clients' slots that were given back, from `firstFree` on: the one that is free longest
    /// comes first, so that no agent is still busy with its last client.
    private var free: [UInt32] = []
    private var firstFree = 0
    /// From this one on no client's slot has been taken yet.
    private var untouched: UInt32 = 1
    private var serversTaken: Set<UInt32> = []

    /// - Parameter most: as many clients as there can ever be, for a ledger of our own.
    init(_ host: Host, most: Int) {
        if let shared = unsafe host.ledger {
            unsafe header = unsafe shared
        } else {
            let clients = UInt32(most)
            let memory = unsafe csys_reserve(cledger_size(clients, 0))!
            unsafe cledger_init(memory, clients, 0)
            unsafe header = memory.bindMemory(to: CledgerHeader.self, capacity: 1)
        }
        unsafe cworker_ledger_take_over(header)
    }

    var clients: LedgerClients { unsafe LedgerClients(header) }

    /// The startup parameter by which agents know the worker over TCP; nil where there are none.
    var token: StartupPacket.Parameter? {
        let value = unsafe String(cString: cledger_token(header))
        guard !value.isEmpty else { return nil }
        return StartupPacket.Parameter(name: Array(CLEDGER_TOKEN_PARAMETER.utf8), value: Array(value.utf8))
    }

    private var clientSlots: Int { unsafe Int(header.pointee.client_slots) - 1 }
    private var serverSlots: Int { unsafe Int(header.pointee.server_slots) - 1 }

    /// Clients it has room for; beside each server's last one, whose slot stays taken while its
    /// statement still runs.
    var capacity: Int { clientSlots - serverSlots }

    /// It is PostgreSQL's own, to which all servers belong: ours has no slots for them.
    var isInDatabase: Bool { serverSlots > 0 }

    /// A slot for a client that enters its pool; nil: there is none left.
    func enter(_ client: CworkerLedgerClient) -> LedgerClient? {
        monitor.locked {
            var slot = untouched
            if firstFree < free.count {
                slot = free[firstFree]
                firstFree += 1
                if firstFree == 1024 {
                    free.removeFirst(firstFree)
                    firstFree = 0
                }
            } else {
                guard Int(slot) <= clientSlots else { return nil }
                untouched += 1
            }
            var client = client
            return unsafe LedgerClient(reference: cworker_ledger_enter(header, slot, &client))
        }
    }

    /// The client has gone, and no server is attached to it any more.
    func leave(_ client: LedgerClient) {
        let slot = UInt32(truncatingIfNeeded: client.reference)
        guard slot != 0 else { return }
        monitor.locked {
            if unsafe cworker_ledger_leave(header, client.reference) { free.append(slot) }
        }
    }

    /// The entry of a server's agent. Nil: a server that had it, and whose end hasn't been
    /// noticed yet, would still write there.
    func take(server slot: UInt32) -> LedgerServer? {
        guard monitor.locked({ serversTaken.insert(slot).inserted }) else { return nil }
        return unsafe LedgerServer(cledger_server(header, slot))
    }

    /// The server is gone.
    func giveBack(server slot: UInt32) {
        guard slot != 0 else { return }
        _ = monitor.locked { serversTaken.remove(slot) }
    }
}
