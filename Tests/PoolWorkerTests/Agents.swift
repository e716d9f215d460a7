import CLedger
import CTestHost
import TestSupport
import Wire

/// Agents in the sessions of a scripted server, as far as the worker can see them: they read the ledger
/// of the test's host, take what stands in front of a client's bytes, and say why a client has to stay.
/// Statements that mean something to them:
///
///     pin, unpin      the session can't be carried; it can again
///     listen          the client listens; a hub takes that over
final class Agents {
    private let world: World
    private let ledger: UnsafeMutablePointer<CledgerHeader>
    private var slots: [UInt32: UInt32] = [:]
    /// By reference of a client: its application_name.
    private var names: [UInt64: String] = [:]
    private var listeners: Set<UInt64> = []
    /// The session that reads notifications.
    private(set) var hub: BackendSession?
    /// Messages in front of clients' bytes, in their order.
    private(set) var messages: [Int] = []
    /// Pins outlive DISCARD ALL.
    var sticks = false
    /// What a backend says that can't become another role; "SQLSTATE message".
    var refusal: String?
    /// New sessions have no agent.
    var areAway = false
    /// The number that the next request to the hub has.
    var request: UInt32 = 1

    init(_ world: World) {
        self.world = world
        ledger = ctest_host_ledger(world.host.pointer).bindMemory(to: CledgerHeader.self, capacity: 1)
        world.backend.prepare = { [unowned self] in meet($0) }
    }

    private func meet(_ session: BackendSession) {
        guard !areAway else { return }
        let slot = UInt32(slots.count + 1)
        slots[session.process] = slot
        world.host.agents[Int32(session.process)] = slot
        session.readsPacket = { [unowned self] in takePacket($0, $1) }
        session.intercept = { [unowned self] in take($0, $1) }
    }

    private func entry(_ session: BackendSession) -> UnsafeMutablePointer<CledgerServer> {
        cledger_server(ledger, slots[session.process] ?? 0)
    }

    /// The reference to the client whose statement a cancel is for.
    func cancelled(_ session: BackendSession) -> UInt64 { entry(session).pointee.cancelled }

    /// The reference to the client that a session serves.
    func attached(_ session: BackendSession) -> UInt64 { entry(session).pointee.client }

    /// What the worker has announced; nil: nothing.
    private func takePacket(_ session: BackendSession, _ input: [UInt8]) -> Int? {
        let server = entry(session)
        let kind = Int(server.pointee.message)
        guard kind != 0, input.count >= 4 else { return nil }
        let length = input[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard input.count >= length else { return nil }
        server.pointee.message = 0
        messages.append(kind)
        let words = input[4..<length].split(separator: 0).map { text($0) }
        if let place = words.firstIndex(of: "application_name") {
            names[server.pointee.client] = words[place + 1]
        }
        if kind == 3 {
            if let refusal { session.refuse(refusal) } else { session.ready() }
        } else if kind == 2 {
            for (name, value) in Backend.usual {
                let told = name == "application_name" ? names[server.pointee.client] ?? value : value
                session.say(written { $0.parameterStatus(bytes(name), bytes(told)) })
            }
            session.ready()
        } else if kind == 4 {
            hub = session
            session.ready()
        }
        return length
    }

    /// The session becomes that of the client which is attached; true: the message is answered.
    private func take(_ session: BackendSession, _ frame: Frame) -> Bool {
        let server = entry(session)
        let client = server.pointee.client
        if let name = names[client] { session.become(name) }
        guard frame.tag == FrontendTag.query else { return false }
        switch text(frame.body.dropLast()) {
        case "pin": server.pointee.pins = UInt32(CLEDGER_PIN_TEMPORARY_OBJECT)
        case "unpin": server.pointee.pins = 0
        case "DISCARD ALL": if !sticks { server.pointee.pins = 0 }
        case "listen":
            listeners.insert(client)
            if hub == nil {
                server.pointee.pins = UInt32(CLEDGER_PIN_LISTEN)
            } else {
                handOver(session)
            }
        case "": return handedOver(session)
        case "commit": if listeners.contains(client) { return commit(session) }
        default: break
        }
        return false
    }

    /// The worker asks whether the hub can have the client now.
    private func handedOver(_ session: BackendSession) -> Bool {
        entry(session).pointee.pins = 0
        handOver(session)
        session.say(message(BackendTag.emptyQueryResponse))
        session.ready()
        return true
    }

    /// At the end of a transaction the client hears first what the hub has for it.
    private func commit(_ session: BackendSession) -> Bool {
        session.commit(saying: listens)
        return true
    }

    private func handOver(_ session: BackendSession) { session.say(listens) }

    private var listens: [UInt8] {
        written {
            $0.frame(BackendTag.agent) {
                $0.byte(UInt8(ascii: "L"))
                $0.int32(slots[hub?.process ?? 0] ?? 0)
                $0.int32(hub?.process ?? 0)
                $0.int32(request)
                $0.byte(1)
            }
        }
    }

    // MARK: the hub

    private func hubSays(_ kind: Character, _ body: (inout FrameWriter) -> Void) {
        hub?.say(
            written {
                $0.frame(BackendTag.agent) {
                    $0.byte(kind.asciiValue ?? 0)
                    body(&$0)
                }
            })
    }

    /// A notification for a client that a session has served.
    func notify(_ client: TestClient, _ reference: UInt64, _ payload: String) {
        hubSays("N") {
            $0.int32(client.process)
            $0.int32(UInt32(reference >> 32))
            $0.int32(UInt32(truncatingIfNeeded: reference))
            $0.int32(71)
            $0.string("channel")
            $0.string(payload)
        }
    }

    /// A notification that the client's encoding has no form for.
    func notifyUnwritable(_ client: TestClient, _ reference: UInt64) {
        hubSays("U") {
            $0.int32(client.process)
            $0.int32(UInt32(reference >> 32))
            $0.int32(UInt32(truncatingIfNeeded: reference))
        }
    }

    /// All is sent that there was at a request.
    func hubHasRead(_ request: UInt32) { hubSays("R") { $0.int32(request) } }
}
