import Wire

extension ErrorFields {
    /// A reason for which it is worth to wait: no connection slot free (53300), the server
    /// starting, stopping or recovering (57P0x).
    public var passesByItself: Bool { ["53300", "57P01", "57P02", "57P03"].contains(sqlstate) }

    /// The server has no slot left for any role in any database: max_connections, less what is
    /// reserved. Limits of a role or database have the same SQLSTATE.
    public var isServerFull: Bool { sqlstate == "53300" && Self.slotRoutines.contains(routine ?? "") }

    /// The server is starting, stopping or recovering.
    public var isServerDown: Bool { ["57P01", "57P02", "57P03"].contains(sqlstate) }

    private static let slotRoutines = [
        "ProcessStartupPacket", "InitProcess", "ProcArrayAdd", "InitPostgres", "check_reserved_slots",
    ]

    public init(_ failure: LoginFailure) {
        self.init(.fatal, failure.sqlstate, failure.message, detail: failure.detail, hint: failure.hint)
    }
}
