import CLedger
import CTestHost
import CWorker
import TestSupport
import Testing

@testable import PoolWorker

/// The slots of clients and servers in the ledger.
@Suite struct LedgerTests {
    private let host: MemoryHost
    private let ledger: Ledger
    private static let servers: UInt32 = 4

    init() {
        host = MemoryHost(address: "none", servers: Self.servers)
        ledger = Ledger(Host(host.pointer), most: 1)
    }

    private var header: UnsafeMutablePointer<CledgerHeader> {
        ctest_host_ledger(host.pointer).assumingMemoryBound(to: CledgerHeader.self)
    }

    private func enter(process: UInt32 = 1) -> LedgerClient? {
        ledger.enter(CworkerLedgerClient(process_id: process, database_id: 2, user_id: 3, thread: 0, fd: -1))
    }

    private func slot(_ client: LedgerClient?) -> UInt32 {
        UInt32(truncatingIfNeeded: client?.reference ?? 0)
    }

    @Test func `there is room for each server's last client beside the clients that may come`() {
        // (the host's ledger has room for 256 clients)
        #expect(ledger.capacity == 256 - Int(Self.servers) && ledger.isInDatabase)
        let clients = (0..<256).map { _ in enter() }
        #expect(Set(clients.map { slot($0) }) == Set(1...256))
        #expect(enter() == nil)
        ledger.leave(clients[7]!)
        #expect(slot(enter()) == slot(clients[7]))
        #expect(enter() == nil)
    }

    @Test func `the slot that is free longest goes first, behind those that never were taken`() {
        let clients = (0..<256).map { _ in enter()! }
        for number in [9, 3, 5] { ledger.leave(clients[number]) }
        #expect((0..<3).map { _ in slot(enter()) } == [9, 3, 5].map { slot(clients[$0]) })
    }

    @Test func `the next client in a slot has another reference`() {
        let first = enter(process: 11)!
        #expect(cledger_client(header, slot(first)).pointee.process_id == 11)
        ledger.leave(first)
        let next = enter(process: 12)!
        #expect(slot(next) == slot(first) && next.reference != first.reference)
        ledger.clients.setIdleTimeout(of: next, 500)
        ledger.clients.note(reports: 6, of: next)
        #expect(ledger.clients.idleTimeout(of: next) == 500 && ledger.clients.reports(of: next) == 6)
        ledger.leave(next)
        let third = enter()!
        #expect(ledger.clients.idleTimeout(of: third) == 0 && ledger.clients.reports(of: third) == 0)
    }

    @Test func `a client that was no one's, or has left already, frees no slot`() {
        ledger.leave(.nobody)
        let client = enter()!
        ledger.leave(client)
        let next = enter()!
        ledger.leave(client)
        #expect(slot(enter()) != slot(next), "it is another client's")
    }

    @Test func `no slot is in use twice, however clients come and go`() {
        var random = SeededGenerator(seed: 11)
        var here: [LedgerClient] = []
        for step in 0..<20_000 {
            if here.count < 200, random.below(100) < 52 {
                guard let client = enter() else { return #expect(Bool(false), "step \(step): there is room") }
                here.append(client)
            } else if !here.isEmpty {
                ledger.leave(here.remove(at: random.below(here.count)))
            }
            if step % 97 == 0 { #expect(Set(here.map { slot($0) }).count == here.count, "step \(step)") }
        }
    }

    @Test func `a server's entry is taken by one server at a time`() {
        #expect(ledger.take(server: 2) != nil && ledger.take(server: 3) != nil)
        #expect(ledger.take(server: 2) == nil)
        ledger.giveBack(server: 0)
        ledger.giveBack(server: 2)
        #expect(ledger.take(server: 2) != nil)
    }

    @Test func `what agents write of a server is read there`() throws {
        let server = try #require(ledger.take(server: 2))
        let entry = try #require(cledger_server(header, 2))
        #expect(server.mayRest && server.pins == 0 && !server.isStale)
        entry.pointee.pins = CLEDGER_STALE
        #expect(!server.mayRest && server.pins == 0 && server.isStale)
        entry.pointee.pins = 5 | CLEDGER_STALE
        #expect(server.pins == 5)
        server.cancel(LedgerClient(reference: 77))
        server.announce(.become)
        server.attach(LedgerClient(reference: 78))
        #expect(entry.pointee.cancelled == 77 && entry.pointee.message == 3 && entry.pointee.client == 78)
        server.announce(.none)
        #expect(entry.pointee.message == 0)
    }

    @Test func `a worker frees the slots that an earlier one has left in use`() {
        let old = enter()!
        let next = Ledger(Host(host.pointer), most: 1)
        #expect(cledger_client(header, slot(old)).pointee.generation & 1 == 0)
        let client = next.enter(
            CworkerLedgerClient(process_id: 1, database_id: 2, user_id: 3, thread: 0, fd: -1))
        #expect(slot(client) == slot(old) && client?.reference != old.reference)
    }
}
