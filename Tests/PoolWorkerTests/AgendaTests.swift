import Engine
import Pooling
import TestSupport
import Testing

@testable import PoolWorker

/// What a thread has to do besides its events.
@Suite struct AgendaTests {
    @Test func `jobs are done in the order of their coming, those that come meanwhile too`() {
        var agenda = Agenda()
        var done: [UInt32] = []
        for p in 0..<3 as Range<UInt32> { agenda.post(.openServers(PoolIndex(p))) }
        while case .openServers(let p)? = agenda.nextJob() {
            done.append(p.number)
            if p.number < 6 { agenda.post(.openServers(PoolIndex(p.number + 3))) }
        }
        #expect(done == Array(0...8))
        guard case nil = agenda.nextJob() else { return #expect(Bool(false), "all is done") }
    }

    @Test func `a thread waits as long as it takes when nothing is left, and not at all else`() {
        var agenda = Agenda()
        #expect(agenda.patience == 0 && agenda.needsAttention == true, "it has just begun")
        agenda.rest()
        #expect(agenda.patience == -1 && agenda.needsAttention == false)
        let token = PollToken(.client, index: 4, generation: 2)
        agenda.goOn(token)
        agenda.rest()
        #expect(agenda.patience == 0 && agenda.needsAttention == true)
        #expect(agenda.takeAgain().map(\.rawValue) == [token.rawValue])
        agenda.rest()
        #expect(agenda.patience == -1 && agenda.takeAgain().isEmpty)
    }

    @Test func `housekeeping is due once a tick, and at the beginning`() {
        var agenda = Agenda()
        #expect(agenda.takeTick() == true && agenda.takeTick() == false)
        agenda.tick()
        agenda.tick()
        #expect(agenda.takeTick() == true && agenda.takeTick() == false)
    }
}
