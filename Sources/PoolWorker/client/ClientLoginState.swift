import Auth
import CWorker
import Pooling
import Wire

/// What a client's login needs beyond its entry in the table. A class: it is found and changed
/// step by step, and copies would cost more than all else.
final class ClientLoginState {
    enum Phase {
        /// The startup packet is being read.
        case startup
        /// The host is asked.
        case asked
        /// Frames go to and fro.
        case exchange
        /// A hash runs on the hasher's thread.
        case hashing
    }

    var phase = Phase.startup
    var user: [UInt8] = []
    var database: [UInt8] = []
    /// Settings of the startup packet, the later ones overriding the earlier.
    var sent = StartupSettings()
    /// What is wrong with its `options`.
    var optionsFailure: ErrorFields?
    /// The tracked parameters among them; nil where it has none. Where servers have agents
    /// it isn't looked at.
    var wanted: ParameterValues = ParameterSets.noValues
    /// What an agent has reported for `sent`.
    var reported: [PoolRecord.Parameter] = []
    /// Directory.reloads when it was asked.
    var asked = 0
    /// A server has to be asked, though what it once said is known.
    var asksServer = false
    var machine: ClientLogin?
    /// It has proved who it is, and is told so before anything else.
    var isProved = false
    var secret = Secret.none
    var answer: LoginAnswer?
    /// SSLRequest and GSSENCRequest may come once each.
    var sawSSL = false
    var sawGSS = false

    var names: String {
        user.isEmpty
            ? "(nodb)/(nouser)"
            : "\(String(decoding: database, as: UTF8.self))/\(String(decoding: user, as: UTF8.self))"
    }
}

/// The part of a host's answer that is needed once the exchange is over.
struct LoginAnswer {
    let failure: ErrorFields?
    let databaseID: UInt32
    let userID: UInt32
    /// Its pool is the one that roles of its database share.
    let mayShare: Bool
    /// When what such a login takes on for its backend's life has changed last.
    let facts: UInt64
    let settings: CarpoolPoolSettings
    let roleSettings: RoleSettings
}

extension ErrorFields {
    /// A reason for which it is worth to wait: no connection slot free (53300), the server
    /// starting, stopping or recovering (57P0x).
    var passesByItself: Bool { ["53300", "57P01", "57P02", "57P03"].contains(sqlstate) }

    /// The server has no slot left for any role in any database: max_connections, less what is
    /// reserved. Limits of a role or database have the same SQLSTATE.
    var isServerFull: Bool { sqlstate == "53300" && Self.slotRoutines.contains(routine ?? "") }

    /// The server is starting, stopping or recovering.
    var isServerDown: Bool { ["57P01", "57P02", "57P03"].contains(sqlstate) }

    private static let slotRoutines = [
        "ProcessStartupPacket", "InitProcess", "ProcArrayAdd", "InitPostgres", "check_reserved_slots",
    ]

    init(_ failure: LoginFailure) {
        self.init(.fatal, failure.sqlstate, failure.message, detail: failure.detail, hint: failure.hint)
    }
}
