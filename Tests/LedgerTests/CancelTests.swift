import CLedger
import Testing

@Suite struct CancelTests {
    private func takes(_ pid: Int32, by server: CledgerServer) -> Bool {
        var server = server
        return unsafe cledger_takes_cancels(&server, pid)
    }

    @Test func `a signal goes only to the process of the entry, while its agent waits for it`() {
        var server = CledgerServer()
        #expect(!takes(0, by: server))
        server.is_cancellable = 1
        #expect(!takes(0, by: server))
        #expect(!takes(71, by: server))
        server.pid = 71
        #expect(takes(71, by: server))
        #expect(!takes(72, by: server))
        server.is_cancellable = 0
        #expect(!takes(71, by: server))
    }
}
