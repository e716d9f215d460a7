/// PostgreSQL's command-line switches of one letter, as a client may use them: what they
/// set (manual page of postgres; process_postgres_switches).
enum StartupSwitch {
    /// Those without a value; what only a server's administrator may use does nothing.
    static let plain: [UInt8: [StartupPacket.Parameter]] = [
        letter("e"): [parameter("datestyle", "euro")],
        letter("F"): [parameter("fsync", "false")],
        letter("i"): [parameter("listen_addresses", "*")],
        letter("l"): [parameter("ssl", "true")],
        letter("O"): [parameter("allow_system_table_mods", "true")],
        letter("P"): [parameter("ignore_system_indexes", "true")],
        letter("s"): [parameter("log_statement_stats", "true")],
        letter("b"): [], letter("E"): [], letter("j"): [], letter("n"): [], letter("T"): [],
    ]

    private static let named: [UInt8: String] = [
        letter("B"): "shared_buffers", letter("h"): "listen_addresses",
        letter("k"): "unix_socket_directories", letter("N"): "max_connections", letter("p"): "port",
        letter("S"): "work_mem", letter("W"): "post_auth_delay",
    ]

    /// What a client may not do, and what does nothing.
    private static let ignored = Set("CDrv".utf8)

    private static let plans: [UInt8: String] = [
        letter("s"): "seqscan", letter("i"): "indexscan", letter("o"): "indexonlyscan",
        letter("b"): "bitmapscan", letter("t"): "tidscan", letter("n"): "nestloop",
        letter("m"): "mergejoin", letter("h"): "hashjoin",
    ]

    static func takesValue(_ letter: UInt8) -> Bool {
        named[letter] != nil || ignored.contains(letter) || "cdft".utf8.contains(letter)
    }

    /// What a switch with a value sets; nil: it can't have this value. Not for -c.
    static func settings(_ letter: UInt8, _ value: [UInt8]) -> [StartupPacket.Parameter]? {
        if let name = named[letter] { return [StartupPacket.Parameter(name: Array(name.utf8), value: value)] }
        switch letter {
        case Self.letter("d"): return debug(Int(String(decoding: value, as: UTF8.self)) ?? 0)
        case Self.letter("f"):
            guard let first = value.first, let plan = plans[first] else { return nil }
            return [parameter("enable_\(plan)", "false")]
        case Self.letter("t"):
            let names = ["pa": "parser", "pl": "planner", "e": "executor"]
            let text = String(decoding: value, as: UTF8.self)
            guard let name = names.first(where: { text.hasPrefix($0.key) })?.value else { return nil }
            return [parameter("log_\(name)_stats", "true")]
        default: return []
        }
    }

    private static func debug(_ level: Int) -> [StartupPacket.Parameter] {
        var settings = [parameter("log_min_messages", level > 0 ? "debug\(level)" : "notice")]
        if level >= 2 { settings.append(parameter("log_statement", "all")) }
        if level >= 3 { settings.append(parameter("debug_print_parse", "true")) }
        if level >= 4 { settings.append(parameter("debug_print_plan", "true")) }
        if level >= 5 { settings.append(parameter("debug_print_rewritten", "true")) }
        return settings
    }

    private static func letter(_ character: Character) -> UInt8 { character.asciiValue ?? 0 }

    private static func parameter(_ name: String, _ value: String) -> StartupPacket.Parameter {
        StartupPacket.Parameter(name: Array(name.utf8), value: Array(value.utf8))
    }
}
