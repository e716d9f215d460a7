import Testing
import Wire

@Suite struct RelayTests {
    @Test(arguments: 0...6) func `a ReadyForQuery may come in two pieces`(length: Int) {
        let world = World()
        let client = world.client()
        client.send(query("hold"))
        world.settle()
        let session = world.backend.live[0]
        session.allowance = 0
        session.finish()
        world.settle()
        session.allowance = session.unsent - length
        world.settle()
        #expect(client.read().status == (length == 0 ? "I" : nil))
        session.allowance = nil
        world.settle()
        #expect(client.read().tags == (length == 0 ? "" : "Z"))
        #expect(client.ask("select 2").status == "I")
        #expect(world.servers("idle") == 1)
    }
}
