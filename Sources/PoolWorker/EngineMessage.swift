import CSys

/// What other threads tell an engine thread. `a`, `b`, `c` and payload as noted.
enum EngineMessage: UInt32 {
    /// A client was accepted: a = descriptor.
    case accepted
    /// The host's answer: payload = CarpoolAnswer.
    case answered
    /// A hash for a client's (a server's) login: a = index, b = generation, payload = 32 bytes.
    case clientHashed
    case serverHashed
    /// A cancel request for a client of the thread: a = process id, b = secret, payload = CancelRequester.
    case cancel
    /// The cancel request that client a, with generation b, has brought is done.
    case cancelDone
    /// A thread's clients wait in pool a, whose limit is reached: c = thread.
    case wanted
    /// A server of pool a comes over: payload = ServerHandOver.
    case handOver
    /// A server slot of pool a became free.
    case slotFreed
    /// Close the idle servers of database a.
    case evict
    /// A pool has begun to wait for servers that others can do without.
    case makeRoom
    /// Pool a may open a server, which is counted already; b: in a moment, when another has ended.
    case slotGranted
    /// An outage of the place a (`Place`) is over; of pool b, which is `noIndex` else.
    case outageOver
    /// A notification for client a, whose reference is (b, c): payload = 4 bytes of length
    /// and a whole NotificationResponse.
    case notification
    /// The hub of database a, with slot b and process c, reads notifications; has come to an end.
    case hubReady
    case hubGone
    /// The hub in slot a has sent all that there was at request b.
    case hubRead
    /// The servers of pool a report that they are standbys (b = 1), or no longer (0).
    case standbyChanged
    /// Facts of logins in pool a changed at moment (b, c).
    case factsChanged
    /// The servers of database a are elsewhere since moment (b, c).
    case moved
    /// Pools were freed.
    case poolsFreed
    case reload
    /// a = CarpoolDrain
    case drain
    case stop

    func message(
        a: UInt32 = 0, b: UInt32 = 0, c: UInt32 = 0, payload: UnsafeMutableRawPointer? = nil
    ) -> CsysMessage {
        unsafe CsysMessage(kind: rawValue, a: a, b: b, c: c, payload: payload)
    }

    /// A copy of the bytes, for a message's payload.
    static func payload(_ bytes: [UInt8]) -> UnsafeMutableRawPointer? {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return nil }
            return unsafe csys_memory_copy(base, buffer.count)
        }
    }
}
