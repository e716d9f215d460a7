import CSys
import FixedStorage

/// Whose descriptor an event is about: 3 bits of kind, 29 of generation, 32 of index, so
/// that an event for a closed and reused descriptor is told by one compare.
@frozen
public struct PollToken: BitwiseCopyable, Sendable {
    @frozen
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
        case client, server, canceller, hub, listener, inbox
    }

    @usableFromInline let bits: UInt64

    @inlinable @_noLocks
    public init(bits: UInt64) { self.bits = bits }

    @inlinable @_noLocks
    public init(_ kind: Kind, index: UInt32, generation: UInt32) {
        bits = UInt64(kind.rawValue) << 61 | UInt64(generation & 0x1fff_ffff) << 32 | UInt64(index)
    }

    @inlinable public var rawValue: UInt64 { @_noLocks get { bits } }
    @inlinable public var index: UInt32 { @_noLocks get { UInt32(truncatingIfNeeded: bits) } }
    @inlinable public var isClient: Bool { @_noLocks get { bits >> 61 == UInt64(Kind.client.rawValue) } }
    @inlinable public var isServer: Bool { @_noLocks get { bits >> 61 == UInt64(Kind.server.rawValue) } }
    @inlinable public var kind: Kind {
        @_noLocks get { Kind(rawValue: UInt8(truncatingIfNeeded: bits >> 61)) ?? .inbox }
    }

    @inlinable @_noLocks
    public func matches(_ generation: UInt32) -> Bool {
        UInt32(truncatingIfNeeded: bits >> 32) & 0x1fff_ffff == generation & 0x1fff_ffff
    }
}

/// What happened to a descriptor.
@frozen
public struct PollEvent: BitwiseCopyable, Sendable {
    public let token: PollToken
    public let mask: UInt32

    @inlinable @_noLocks
    public init(token: PollToken, mask: UInt32) {
        self.token = token
        self.mask = mask
    }

    /// Input, end of stream or an error is there to be received.
    @inlinable public var isReadable: Bool {
        @_noLocks get { mask & 0x2019 != 0 }  // EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP
    }
    /// The stream has ended, at least in this direction.
    @inlinable public var isHungUp: Bool { @_noLocks get { mask & 0x2018 != 0 } }
    /// The stream has failed: nothing can be sent any more.
    @inlinable public var isFailed: Bool { @_noLocks get { mask & 0x8 != 0 } }  // EPOLLERR
    /// Input is there, and nothing else happened.
    @inlinable public var isInputOnly: Bool { @_noLocks get { mask == 0x1 } }
    @inlinable public var isWritable: Bool { @_noLocks get { mask & 0x4 != 0 } }  // EPOLLOUT
}

/// One epoll instance with its array of events, both made once.
@safe
public struct Poller: ~Copyable {
    @usableFromInline let epoll: Int32
    @usableFromInline let events: UnsafeMutablePointer<epoll_event>
    @usableFromInline static var batch: Int32 { @_noLocks get { 256 } }

    /// Nil when the kernel has no descriptor left.
    public init?() {
        let fd = csys_epoll_create()
        guard fd >= 0, let events = unsafe csys_events_new(Self.batch) else { return nil }
        epoll = fd
        unsafe self.events = events
    }

    /// Waits for events; returns how many, at most `milliseconds` later, unless these are -1.
    @inlinable @_noLocks
    public mutating func wait(_ milliseconds: Int32) -> Int {
        unsafe Int(csys_epoll_wait(epoll, events, Self.batch, milliseconds))
    }

    @inlinable @_noLocks
    public func event(_ index: Int) -> PollEvent {
        precondition(UInt(bitPattern: index) < UInt(Self.batch))
        let at = Int32(truncatingIfNeeded: index)
        return unsafe PollEvent(
            token: PollToken(bits: csys_event_data(events, at)), mask: csys_event_mask(events, at))
    }

    /// Watches a socket for input, edge-triggered. 0 or -errno.
    /// - Parameter output: for output, too. A socket that takes bytes is nearly always
    ///   ready for more, and a Unix socket says so each time its peer has read: only who
    ///   has bytes that wait should ask.
    public func watch(_ fd: Int32, _ token: PollToken, output: Bool = false) -> Int32 {
        csys_epoll_add(epoll, fd, token.rawValue, output)
    }

    /// Changes whether a watched socket is watched for output. An event comes at once if
    /// it is ready now.
    public func change(_ fd: Int32, _ token: PollToken, output: Bool) {
        _ = csys_epoll_change(epoll, fd, token.rawValue, output)
    }

    /// Watches for input only, level-triggered: listeners, inboxes, timers.
    public func watchInput(_ fd: Int32, _ token: PollToken) -> Int32 {
        csys_epoll_add_level(epoll, fd, token.rawValue)
    }

    public func forget(_ fd: Int32) { _ = csys_epoll_delete(epoll, fd) }
}
