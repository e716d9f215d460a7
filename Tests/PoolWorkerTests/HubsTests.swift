import FixedStorage
import Pooling
import TestSupport
import Testing
import Wire

@testable import Engine
@testable import PoolWorker

/// A thread's hubs, and one of them at the end of a socket.
@Suite struct HubsTests {
    private let pools = Pools()
    private let watcher = TestPoller()
    private let id = HubID(database: 1, slot: 3, process: 40)

    private func make(_ pair: Pair, _ hubs: inout Hubs, now: UInt64 = 0) -> HubIndex {
        #expect(pair.stream.watch(watcher.poller, PollToken(.server, index: 9, generation: 9)) == true)
        return hubs.add(pair.give(), id: id, pool: 2, now: now, watcher.poller)!
    }

    private func tables(_ entries: Int = 4) -> Hubs { Hubs(entries: entries, reserve: reserved) }

    /// All that the events of now bring.
    private func events(_ hubs: inout Hubs) -> [Hubs.Event] {
        var all: [Hubs.Event] = []
        for event in watcher.events() {
            var next = hubs.take(event, watcher.poller)
            while let one = next {
                all.append(one)
                switch one {
                case .gone, .malformed: return all
                default: next = hubs.next(HubIndex(event.token.index))
                }
            }
        }
        return all
    }

    private func agent(_ kind: String, _ numbers: [UInt32], _ rest: String = "") -> [UInt8] {
        written {
            $0.frame(BackendTag.agent) { body in
                body.raw(bytes(kind))
                for number in numbers { body.int32(number) }
                body.raw(bytes(rest))
            }
        }
    }

    @Test func `a hub is told that it is one, and says once that it reads`() {
        let pair = Pair()
        var hubs = tables()
        let h = make(pair, &hubs)
        #expect(hubs.begin(h, watcher.poller) == true && pair.peer.receive() == [0, 0, 0, 4])
        #expect(hubs[h].isReading == false)
        pair.say(message(BackendTag.readyForQuery, "I") + message(BackendTag.readyForQuery, "I"))
        let said = events(&hubs)
        guard said.count == 1, case .isReady = said[0] else { return #expect(Bool(false), "\(said)") }
        #expect(hubs[h].isReading == true)
        hubs.closeAll()
    }

    @Test func `what a hub says comes out in order, with what nobody needs left out`() {
        let pair = Pair()
        var hubs = tables()
        _ = make(pair, &hubs)
        pair.say(
            agent("N", [7, 1, 2], "news") + message(BackendTag.parameterStatus, "a\0b\0")
                + agent("U", [8, 0, 3]) + message(BackendTag.noticeResponse) + agent("R", [5]))
        let said = events(&hubs)
        guard said.count == 3, case .notification(7, 0x1_0000_0002, let frame?) = said[0],
            case .notification(8, 3, nil) = said[1], case .hasRead(5) = said[2]
        else { return #expect(Bool(false), "\(said)") }
        #expect(frame == message(BackendTag.notificationResponse, "news"))
        hubs.closeAll()
    }

    @Test func `a message may come in pieces`() {
        let pair = Pair()
        var hubs = tables()
        _ = make(pair, &hubs)
        var said: [Hubs.Event] = []
        for byte in message(BackendTag.parameterStatus, "a\0b\0") + agent("R", [5]) {
            pair.say([byte])
            said += events(&hubs)
        }
        guard said.count == 1, case .hasRead(5) = said[0] else { return #expect(Bool(false), "\(said)") }
        hubs.closeAll()
    }

    @Test func `a hub may say goodbye before its stream ends`() {
        let pair = Pair()
        var hubs = tables()
        let h = make(pair, &hubs)
        pair.say(ErrorFields(.fatal, "57P01", "stop").frame)
        pair.peer.endOutput()
        let said = events(&hubs)
        guard said.count == 2, case .lastWords(let error) = said[0], case .gone = said[1] else {
            return #expect(Bool(false), "\(said)")
        }
        #expect(error.sqlstate == "57P01")
        #expect(hubs.close(h, watcher.poller).pool == 2)
        #expect(hubs.isEmpty == true && hubs.count == 0)
    }

    @Test(arguments: [
        [UInt8(ascii: "*"), 0, 0, 0, 4], [UInt8(ascii: "*"), 0, 0, 0, 5, UInt8(ascii: "L")],
        [UInt8(ascii: "Z"), 0, 0, 0, 3], [UInt8(ascii: "*"), 0x40, 0, 0, 4],
    ])
    func `what is no message of a hub's is malformed`(bytes: [UInt8]) {
        let pair = Pair()
        var hubs = tables()
        _ = make(pair, &hubs)
        pair.say(bytes)
        let said = events(&hubs)
        guard said.count == 1, case .malformed = said[0] else { return #expect(Bool(false), "\(said)") }
        hubs.closeAll()
    }

    @Test func `an event for a hub that has gone is no one's`() {
        let (old, pair) = (Pair(), Pair())
        var hubs = tables(1)
        let h = make(old, &hubs)
        #expect(hubs.add(pair.stream, id: id, pool: 2, now: 0, watcher.poller) == nil, "there is no room")
        old.say(agent("R", [5]))
        let late = watcher.events()
        _ = hubs.close(h, watcher.poller)
        #expect(make(pair, &hubs) == h)
        pair.say(agent("R", [6]))
        #expect(late.count == 1 && hubs.take(late[0], watcher.poller) == nil)
        guard case .hasRead(6)? = events(&hubs).first else { return #expect(Bool(false), "its own") }
        hubs.closeAll()
    }

    @Test func `a hub is of use while somebody listens, and for a time after`() {
        let pair = Pair()
        var hubs = tables()
        let h = make(pair, &hubs, now: 5)
        pools.directory.countListener(database: 1, 1)
        #expect(hubs.unused(for: 10, 100, pools.directory).isEmpty)
        #expect(hubs.unused(database: 1, pools.directory).isEmpty)
        pools.directory.countListener(database: 1, -1)
        #expect(hubs.unused(for: 10, 109, pools.directory).isEmpty)
        #expect(hubs.unused(for: 10, 110, pools.directory) == [h])
        #expect(hubs.unused(for: 0, .max, pools.directory).isEmpty, "0 is for ever")
        #expect(hubs.unused(database: 1, pools.directory) == [h])
        #expect(hubs.unused(database: 2, pools.directory).isEmpty)
        hubs.closeAll()
    }
}
