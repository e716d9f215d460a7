import TestSupport
import Testing

@testable import Auth

/// Good messages cut short, changed and mixed up: a login fails or goes on, and never traps.
@Suite struct HostileInputTests {
    static let secrets: [Secret] = [
        .none, .password(bytes("pencil")), md5Secret("pencil"), .scram(verifier("pencil", iterations: 1)),
    ]

    /// A hash without its cost: what it computes is no matter here.
    private func quick(_ job: HashJob) -> [UInt8] {
        HashJob(password: job.password, salt: job.salt, iterations: 1).run()
    }

    /// Frames a client sends in good logins, by method.
    private func spoken(_ method: LoginMethod, _ secret: Secret) -> [[UInt8]] {
        var conversation = Conversation(clientLogin(method, secret), serverLogin(.password(bytes("pencil"))))
        conversation.run()
        return conversation.spoken.filter { $0.tag == UInt8(ascii: "p") }.map(\.body)
    }

    /// Feeds frames until the login ends; whether it let the client in.
    private func feed(_ method: LoginMethod, _ secret: Secret, _ bodies: [[UInt8]]) -> Bool {
        var login = clientLogin(method, secret)
        var output: [UInt8] = []
        var step = login.start(&output)
        for body in bodies {
            step = login.received(UInt8(ascii: "p"), ([1, 2, 3] + body).dropFirst(3), &output)
            if case .hash(let job) = step { step = login.hashed(quick(job), &output) }
            #expect(frames(output) != nil)
            guard step == .wait else { break }
        }
        return step == .done
    }

    @Test(arguments: [LoginMethod.password, .md5, .scram])
    func `every truncation of a client's messages is refused`(method: LoginMethod) {
        for secret in Self.secrets {
            let good = spoken(method, secret)
            for (place, body) in good.enumerated() {
                for length in 0..<body.count {
                    let cut =
                        Array(good[..<place]) + [Array(body.prefix(length))] + Array(good[(place + 1)...])
                    #expect(!feed(method, secret, cut), "message \(place), \(length) of \(body.count) bytes")
                }
            }
        }
    }

    private func mutate(_ body: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var body = body
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...body.count, using: &generator)
            switch Int.random(in: 0..<7, using: &generator) {
            case 0 where place < body.count: body[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1 where place < body.count: body[place] = generator.bytes(1)[0]
            case 2 where place < body.count: body.remove(at: place)
            case 3:
                let interesting = bytes(",=\0anrpcmvesi0\u{7f}") + [255]
                body.insert(interesting.randomElement(using: &generator) ?? 0, at: place)
            case 4:
                body.insert(contentsOf: generator.bytes(Int.random(in: 1...20, using: &generator)), at: place)
            case 5: body.removeSubrange(place...)
            default: body.insert(contentsOf: body[..<place], at: place)
            }
        }
        return body
    }

    @Test(arguments: [LoginMethod.password, .md5, .scram], 0..<4 as Range<UInt64>)
    func `a client's changed messages let nobody in`(method: LoginMethod, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let secret = Self.secrets[Int(seed)]
        let good = spoken(method, secret)
        for round in 0..<2_000 {
            var bodies = good
            let place = Int.random(in: 0..<bodies.count, using: &generator)
            bodies[place] = mutate(bodies[place], &generator)
            if bodies == good { continue }
            #expect(!feed(method, secret, bodies), "seed \(seed), round \(round): \(bodies)")
        }
    }

    /// Requests of a server in good logins.
    private func requests(_ method: LoginMethod, keys: SCRAMKeys? = nil) -> [[UInt8]] {
        var conversation = Conversation(
            clientLogin(method, .scram(verifier("pencil", iterations: 1))),
            serverLogin(.password(bytes("pencil"))))
        conversation.run()
        return conversation.spoken.filter { $0.tag == UInt8(ascii: "R") }.map(\.body)
    }

    private func feed(_ bodies: [[UInt8]]) -> Bool {
        var login = serverLogin(.password(bytes("pencil")))
        var output: [UInt8] = []
        var step = ServerLogin.Step.wait
        for body in bodies {
            step = login.received(authentication: ([1, 2, 3] + body).dropFirst(3), &output)
            if case .hash(let job) = step {
                #expect((1...ServerLogin.maxIterations).contains(job.iterations))
                step = login.hashed(quick(job), &output)
            }
            #expect(frames(output) != nil)
            guard step == .wait else { break }
        }
        return step == .done
    }

    @Test func `every truncation of a server's SCRAM messages is refused`() {
        let good = requests(.scram)
        #expect(good.count == 4)
        #expect(feed(good))
        for (place, body) in good.enumerated() {
            for length in 0..<body.count {
                var cut = good
                cut[place] = Array(body.prefix(length))
                #expect(!feed(cut), "message \(place), \(length) of \(body.count) bytes")
            }
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `a server's changed messages never trap`(seed: UInt64) {
        var generator = SeededGenerator(seed: 100 + seed)
        let good = requests(.scram)
        for round in 0..<3_000 {
            var bodies = good
            let place = Int.random(in: 0..<bodies.count, using: &generator)
            bodies[place] = mutate(bodies[place], &generator)
            let done = feed(bodies)
            // an offer may gain names, and an immediate Ok is a server that trusts us
            if place > 0 && bodies != good { #expect(!done, "seed \(seed), round \(round): \(bodies)") }
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `noise never traps`(seed: UInt64) {
        var generator = SeededGenerator(seed: 200 + seed)
        for _ in 0..<2_000 {
            let noise = generator.bytes(Int.random(in: 0...120, using: &generator))
            _ = SCRAMVerifier(parsing: noise)
            _ = SCRAMVerifier(parsing: SCRAMVerifier.prefix + noise)
            _ = Secret(stored: noise)
            _ = Base64.decode(noise)
            _ = SASLPrep.prepare(noise)
            _ = feed(.scram, .scram(verifier("pencil", iterations: 1)), [noise, noise])
            _ = feed([noise, noise])
            for code in 0..<13 as Range<UInt32> { _ = feed([request(code, noise)]) }
        }
    }
}
