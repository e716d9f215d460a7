import Testing

@testable import Pooling

@Suite struct DescriptorBudgetTests {
    @Test func `with many descriptors servers have all they may need`() {
        let budget = DescriptorBudget(limit: 10_000, own: 100, servers: 200)
        #expect(budget.kept == 200)
        #expect(budget.connections(beside: 0) == 9700)
        #expect(budget.clients(beside: 0) == 9600)
    }

    @Test func `with few descriptors a quarter is kept for servers`() {
        let budget = DescriptorBudget(limit: 256, own: 56, servers: 100)
        #expect(budget.kept == 50)
        #expect(budget.connections(beside: 0) == 150)
        #expect(budget.clients(beside: 50) == 132)
    }

    @Test func `servers beyond those kept back leave less to clients`() {
        let budget = DescriptorBudget(limit: 256, own: 56, servers: 100)
        #expect(budget.connections(beside: 80) == 120)
        #expect(budget.clients(beside: 500) == 0)
    }

    @Test(arguments: 0...3000)
    func `whatever the limit, a server has room when all clients are in`(limit: Int) {
        let budget = DescriptorBudget(limit: limit, own: 64, servers: 100)
        let clients = budget.connections(beside: 0)
        #expect(budget.mayOpenServer(clients: clients, servers: budget.kept - 1))
        #expect(!budget.mayOpenServer(clients: clients, servers: budget.kept))
        #expect(budget.clients(beside: 0) >= 1)
        #expect(limit < 66 || clients + budget.kept + 64 == limit)
    }
}
