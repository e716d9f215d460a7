/// What was learnt of a socket, or decided of its connection, that keeps it from the common
/// path; in one byte, so that one compare tells that there is nothing.
struct SocketSigns: BitwiseCopyable {
    private var bits: UInt8 = 0

    var areClear: Bool { @_noLocks get { bits == 0 } }

    /// Input may be there: an event came and no receive has come short since.
    var readable: Bool {
        @_noLocks get { bits & 1 != 0 }
        @_noLocks set { put(1, newValue) }
    }
    /// The stream ended, behind what can still be received.
    var hungUp: Bool {
        @_noLocks get { bits & 2 != 0 }
        @_noLocks set { put(2, newValue) }
    }
    /// A server's: close it instead of releasing it.
    var obsolete: Bool {
        @_noLocks get { bits & 4 != 0 }
        @_noLocks set { put(4, newValue) }
    }

    /// A server's: cancel requests are on their way to it.
    var cancelled: Bool {
        @_noLocks get { bits & 8 != 0 }
        @_noLocks set { put(8, newValue) }
    }
    /// A client's: nothing more is read of it, as its stream has ended in order or as of what it
    /// said (`Client.End`); what it sent before is still done and answered.
    var ended: Bool {
        @_noLocks get { bits & 32 != 0 }
        @_noLocks set { put(32, newValue) }
    }
    /// A client's: it changes its server with each transaction (test_rotate_servers), or ends with it.
    var rotates: Bool {
        @_noLocks get { bits & 16 != 0 }
        @_noLocks set { put(16, newValue) }
    }

    /// A server's: another pool waits for what it is counted for (`SlotQueue`).
    var wanted: Bool {
        @_noLocks get { bits & 64 != 0 }
        @_noLocks set { put(64, newValue) }
    }
    /// A client's: one statement at a time goes to its server (statement mode).
    var inSteps: Bool {
        @_noLocks get { bits & 128 != 0 }
        @_noLocks set { put(128, newValue) }
    }

    @_noLocks @inline(__always)
    private mutating func put(_ bit: UInt8, _ value: Bool) { bits = value ? bits | bit : bits & ~bit }
}

extension Client {
    var readable: Bool {
        @_noLocks get { signs.readable }
        @_noLocks set { signs.readable = newValue }
    }
    var hungUp: Bool {
        @_noLocks get { signs.hungUp }
        @_noLocks set { signs.hungUp = newValue }
    }
    var ended: Bool {
        @_noLocks get { signs.ended }
        @_noLocks set { signs.ended = newValue }
    }
}

extension Server {
    var readable: Bool {
        @_noLocks get { signs.readable }
        @_noLocks set { signs.readable = newValue }
    }
    var hungUp: Bool {
        @_noLocks get { signs.hungUp }
        @_noLocks set { signs.hungUp = newValue }
    }
    var obsolete: Bool {
        @_noLocks get { signs.obsolete }
        @_noLocks set { signs.obsolete = newValue }
    }
}
