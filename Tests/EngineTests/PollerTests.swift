import CSys
import FixedStorage
import TestSupport
import Testing

@testable import Engine

@Suite struct PollerTests {
    private static let kinds: [PollToken.Kind] = [.client, .server, .canceller, .hub, .listener, .inbox]

    @Test(arguments: kinds)
    func `a token says whose event it is`(kind: PollToken.Kind) {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<1000 {
            let (index, generation) = (UInt32(random.below(1 << 32)), UInt32(random.below(1 << 32)))
            let token = PollToken(bits: PollToken(kind, index: index, generation: generation).rawValue)
            #expect(token.kind == kind && token.index == index)
            #expect(token.isClient == (kind == .client) && token.isServer == (kind == .server))
            #expect(token.matches(generation))
            #expect(!token.matches(generation &+ 1))
            // 29 bits of it are kept
            #expect(token.matches(generation &+ 1 << 29))
        }
    }

    @Test func `an event's mask is read as epoll means it`() {
        let token = PollToken(.client, index: 0, generation: 0)
        let (input, output, error, hangUp, end) = (0x1, 0x4, 0x8, 0x10, 0x2000)
        for mask in [0, input, output, error, hangUp, end, input | output, input | end, input | hangUp | end]
        {
            let event = PollEvent(token: token, mask: UInt32(mask))
            #expect(event.isReadable == (mask & (input | error | hangUp | end) != 0))
            #expect(event.isHungUp == (mask & (error | hangUp | end) != 0))
            #expect(event.isFailed == (mask & error != 0))
            #expect(event.isWritable == (mask & output != 0))
            #expect(event.isInputOnly == (mask == input))
        }
    }

    @Test func `a watched stream brings one event for what came, and the next for what comes`() throws {
        var pair = Pair()
        var poller = makePoller()
        let token = PollToken(.server, index: 3, generation: 4)
        #expect(pair.stream.watch(poller, token) == true)
        #expect(poller.wait(0) == 0)
        pair.say([1])
        #expect(poller.wait(0) == 1)
        #expect(poller.event(0).token.rawValue == token.rawValue && poller.event(0).isInputOnly)
        #expect(poller.wait(0) == 0, "nothing new has come")
        pair.say([2])
        #expect(poller.wait(0) == 1)
        pair.endPeersOutput()
        #expect(poller.wait(0) == 1)
        #expect(poller.event(0).isHungUp && poller.event(0).isReadable)
        pair.stream.close(poller)
    }

    @Test func `a stream is watched for output only while some waits`() throws {
        var pair = Pair()
        var poller = makePoller()
        let token = PollToken(.client, index: 0, generation: 0)
        #expect(pair.stream.watch(poller, token) && !pair.stream.watchesOutput)
        #expect(poller.wait(0) == 0)
        pair.stream.watchOutput(true, poller, token)
        #expect(poller.wait(0) == 1)
        #expect(poller.event(0).isWritable && !poller.event(0).isReadable)
        pair.stream.watchOutput(true, poller, token)
        #expect(poller.wait(0) == 0, "it was watched for it before")
        pair.stream.watchOutput(false, poller, token)
        pair.say([1])
        #expect(poller.wait(0) == 1)
        #expect(!poller.event(0).isWritable)
        pair.stream.close(poller)
    }

    @Test func `a stream can have another token`() throws {
        var pair = Pair()
        var poller = makePoller()
        #expect(pair.stream.watch(poller, PollToken(.server, index: 1, generation: 1)) == true)
        pair.say([1])
        #expect(poller.wait(0) == 1)
        let token = PollToken(.hub, index: 2, generation: 2)
        pair.stream.renew(poller, token)
        #expect(poller.wait(0) == 1, "what is there is told once more")
        #expect(poller.event(0).token.rawValue == token.rawValue)
        pair.stream.close(poller)
    }

    @Test func `another poller may take over a stream`() throws {
        var pair = Pair()
        var first = makePoller()
        var second = makePoller()
        let token = PollToken(.server, index: 1, generation: 1)
        #expect(pair.stream.watch(first, token, output: true) == true)
        #expect(pair.stream.watch(first, token) == false, "it is watched")
        pair.stream.unwatch(first)
        #expect(!pair.stream.watchesOutput)
        pair.say([1])
        #expect(first.wait(0) == 0)
        #expect(pair.stream.watch(second, token) == true)
        #expect(second.wait(0) == 1)
        pair.stream.close(second)
    }

    @Test func `listeners and timers bring events for as long as there is input`() throws {
        var pair = Pair()
        var poller = makePoller()
        let token = PollToken(.listener, index: 0, generation: 0)
        #expect(poller.watchInput(pair.stream.descriptor, token) == 0)
        pair.say([1])
        #expect(poller.wait(0) == 1)
        #expect(poller.wait(0) == 1)
        poller.forget(pair.stream.descriptor)
        #expect(poller.wait(0) == 0)
        pair.stream.close()
    }

    @Test func `signs do not touch each other`() {
        for first in 0..<8 {
            for second in 0..<8 where second != first {
                var signs = Signs()
                put(&signs, first, true)
                put(&signs, second, true)
                #expect(!signs.areClear)
                put(&signs, first, false)
                #expect((0..<8).map { isSet(signs, $0) } == (0..<8).map { $0 == second })
                put(&signs, second, false)
                #expect(signs.areClear)
            }
        }
    }

    private func put(_ signs: inout Signs, _ which: Int, _ value: Bool) {
        switch which {
        case 0: signs.readable = value
        case 1: signs.hungUp = value
        default: signs[UInt8(which - 2)] = value
        }
    }

    private func isSet(_ signs: Signs, _ which: Int) -> Bool {
        switch which {
        case 0: signs.readable
        case 1: signs.hungUp
        default: signs[UInt8(which - 2)]
        }
    }
}
