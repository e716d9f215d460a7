/// First bytes of the messages a client sends; names as in the protocol manual
/// (PostgreSQL documentation, "Message Formats").
public enum FrontendTag {
    @inlinable public static var bind: UInt8 { @_noLocks get { UInt8(ascii: "B") } }
    @inlinable public static var close: UInt8 { @_noLocks get { UInt8(ascii: "C") } }
    @inlinable public static var copyData: UInt8 { @_noLocks get { UInt8(ascii: "d") } }
    @inlinable public static var copyDone: UInt8 { @_noLocks get { UInt8(ascii: "c") } }
    @inlinable public static var copyFail: UInt8 { @_noLocks get { UInt8(ascii: "f") } }
    @inlinable public static var describe: UInt8 { @_noLocks get { UInt8(ascii: "D") } }
    @inlinable public static var execute: UInt8 { @_noLocks get { UInt8(ascii: "E") } }
    @inlinable public static var flush: UInt8 { @_noLocks get { UInt8(ascii: "H") } }
    @inlinable public static var functionCall: UInt8 { @_noLocks get { UInt8(ascii: "F") } }
    @inlinable public static var parse: UInt8 { @_noLocks get { UInt8(ascii: "P") } }
    @inlinable public static var password: UInt8 { @_noLocks get { UInt8(ascii: "p") } }
    @inlinable public static var query: UInt8 { @_noLocks get { UInt8(ascii: "Q") } }
    @inlinable public static var sync: UInt8 { @_noLocks get { UInt8(ascii: "S") } }
    @inlinable public static var terminate: UInt8 { @_noLocks get { UInt8(ascii: "X") } }
}

/// First bytes of the messages a server sends.
public enum BackendTag {
    /// Not PostgreSQL's: what an agent says to the worker (CLEDGER_AGENT_MESSAGE).
    @inlinable public static var agent: UInt8 { @_noLocks get { UInt8(ascii: "*") } }
    @inlinable public static var authentication: UInt8 { @_noLocks get { UInt8(ascii: "R") } }
    @inlinable public static var backendKeyData: UInt8 { @_noLocks get { UInt8(ascii: "K") } }
    @inlinable public static var bindComplete: UInt8 { @_noLocks get { UInt8(ascii: "2") } }
    @inlinable public static var closeComplete: UInt8 { @_noLocks get { UInt8(ascii: "3") } }
    @inlinable public static var commandComplete: UInt8 { @_noLocks get { UInt8(ascii: "C") } }
    @inlinable public static var copyBothResponse: UInt8 { @_noLocks get { UInt8(ascii: "W") } }
    @inlinable public static var copyData: UInt8 { @_noLocks get { UInt8(ascii: "d") } }
    @inlinable public static var copyDone: UInt8 { @_noLocks get { UInt8(ascii: "c") } }
    @inlinable public static var copyInResponse: UInt8 { @_noLocks get { UInt8(ascii: "G") } }
    @inlinable public static var copyOutResponse: UInt8 { @_noLocks get { UInt8(ascii: "H") } }
    @inlinable public static var dataRow: UInt8 { @_noLocks get { UInt8(ascii: "D") } }
    @inlinable public static var emptyQueryResponse: UInt8 { @_noLocks get { UInt8(ascii: "I") } }
    @inlinable public static var errorResponse: UInt8 { @_noLocks get { UInt8(ascii: "E") } }
    @inlinable public static var functionCallResponse: UInt8 { @_noLocks get { UInt8(ascii: "V") } }
    @inlinable public static var negotiateProtocolVersion: UInt8 { @_noLocks get { UInt8(ascii: "v") } }
    @inlinable public static var noData: UInt8 { @_noLocks get { UInt8(ascii: "n") } }
    @inlinable public static var noticeResponse: UInt8 { @_noLocks get { UInt8(ascii: "N") } }
    @inlinable public static var notificationResponse: UInt8 { @_noLocks get { UInt8(ascii: "A") } }
    @inlinable public static var parameterDescription: UInt8 { @_noLocks get { UInt8(ascii: "t") } }
    @inlinable public static var parameterStatus: UInt8 { @_noLocks get { UInt8(ascii: "S") } }
    @inlinable public static var parseComplete: UInt8 { @_noLocks get { UInt8(ascii: "1") } }
    @inlinable public static var portalSuspended: UInt8 { @_noLocks get { UInt8(ascii: "s") } }
    @inlinable public static var readyForQuery: UInt8 { @_noLocks get { UInt8(ascii: "Z") } }
    @inlinable public static var rowDescription: UInt8 { @_noLocks get { UInt8(ascii: "T") } }
}

/// The status byte of ReadyForQuery.
public enum TransactionStatus {
    @inlinable public static var idle: UInt8 { @_noLocks get { UInt8(ascii: "I") } }
    @inlinable public static var inTransaction: UInt8 { @_noLocks get { UInt8(ascii: "T") } }
    @inlinable public static var failed: UInt8 { @_noLocks get { UInt8(ascii: "E") } }

    @inlinable @_noLocks
    public static func isKnown(_ status: UInt8) -> Bool {
        status == idle || status == inTransaction || status == failed
    }
}
