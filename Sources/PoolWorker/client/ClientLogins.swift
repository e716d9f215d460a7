import FixedStorage
import Pooling

/// What clients of a thread need beside their entries: the state of those that log in, how the sessions
/// of those start that have had no server yet, and the process ids that clients were told.
struct ClientLogins: ~Copyable {
    private var states: [ClientIndex: ClientLoginState] = [:]
    private var starts: [ClientIndex: [UInt8]] = [:]
    private var numbers: ProcessNumbers

    init(numbers: ProcessNumbers) { self.numbers = numbers }

    /// The state of a client's login; nil: it is over.
    subscript(_ c: ClientIndex) -> ClientLoginState? { states[c] }

    mutating func begin(_ c: ClientIndex) { states[c] = ClientLoginState() }

    mutating func end(_ c: ClientIndex) { states[c] = nil }

    /// A client's first server is to be told this of its startup parameters.
    mutating func keepStart(_ c: ClientIndex, _ packet: [UInt8]) { starts[c] = packet }

    /// Takes that away. Returns nil if there is nothing to tell.
    mutating func takeStart(_ c: ClientIndex) -> [UInt8]? { starts.removeValue(forKey: c) }

    /// Returns a process id for a client.
    mutating func takeNumber(_ c: ClientIndex) -> UInt32 { numbers.take(for: c) }

    mutating func giveBack(number: UInt32) { numbers.giveBack(number) }

    /// The client that was told this process id; nil: none of this thread.
    func client(number: UInt32) -> ClientIndex? { numbers.client(of: number) }
}
