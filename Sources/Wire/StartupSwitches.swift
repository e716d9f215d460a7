/// Switches in the `options` startup parameter that `postgres` takes from a client, as
/// settings (PostgreSQL documentation, "postgres": "Options"; read as getopt(3) reads them).
public enum StartupSwitches {
    private typealias Word = [UInt8]

    /// Switches with an argument, and the setting whose value that is; "": none that a
    /// client could set.
    private static let valued: [Character: String] = [
        "B": "shared_buffers", "C": "", "D": "", "N": "max_connections", "S": "work_mem",
        "W": "post_auth_delay", "h": "listen_addresses", "k": "unix_socket_directories", "p": "port",
        "r": "", "v": "",
    ]
    private static let plain: [Character: (name: String, value: String)?] = [
        "E": nil, "F": ("fsync", "false"), "O": ("allow_system_table_mods", "true"),
        "P": ("ignore_system_indexes", "true"), "T": nil, "b": nil,
        "e": ("datestyle", "euro"), "i": ("listen_addresses", "*"), "j": nil, "l": ("ssl", "true"), "n": nil,
        "s": ("log_statement_stats", "true"),
    ]
    private static let plans: [Character: String] = [
        "b": "enable_bitmapscan", "h": "enable_hashjoin", "i": "enable_indexscan", "m": "enable_mergejoin",
        "n": "enable_nestloop", "o": "enable_indexonlyscan", "s": "enable_seqscan", "t": "enable_tidscan",
    ]
    private static let statistics = [
        "pa": "log_parser_stats", "pl": "log_planner_stats", "e": "log_executor_stats",
    ]

    /// The settings in their order. Throws what PostgreSQL says: 42601 for what is no switch,
    /// or has no value; 42704 for a setting without a name.
    public static func settings(_ options: [UInt8]) throws(ErrorFields) -> [StartupPacket.Parameter] {
        let words = StartupOptions.split(options)
        var found: [StartupPacket.Parameter] = []
        var stray: Word?
        var next = 0
        while next < words.count {
            let word = words[next]
            next += 1
            if word == Array("--".utf8) {
                if stray == nil, next < words.count { stray = words[next] }
                break
            }
            guard word.count > 1, word[0] == UInt8(ascii: "-") else {
                stray = stray ?? word
                continue
            }
            var at = 1
            while at < word.count {
                let letter = Character(Unicode.Scalar(word[at]))
                at += 1
                if let setting = plain[letter] {
                    if let setting { found.append(parameter(setting.name, Array(setting.value.utf8))) }
                    continue
                }
                guard takesArgument(letter) else {
                    // getopt has gone on to the next word only at the end of this one
                    throw invalid(
                        at == word.count ? word : next >= 2 ? words[next - 2] : Array("postgres".utf8))
                }
                var argument = Array(word[at...])
                at = word.count
                if argument.isEmpty {
                    guard next < words.count else { throw invalid(word) }
                    argument = words[next]
                    next += 1
                }
                found += try settings(letter, argument, last: words[next - 1])
            }
        }
        if let stray { throw invalid(stray) }
        return found
    }

    private static func takesArgument(_ letter: Character) -> Bool {
        valued[letter] != nil || "-cdft".contains(letter)
    }

    /// What a switch with an argument sets.
    /// - Parameter last: the word that the argument is, or is the end of.
    private static func settings(
        _ letter: Character, _ argument: Word, last: Word
    ) throws(ErrorFields) -> [StartupPacket.Parameter] {
        switch letter {
        case "c", "-":
            return [try assignment(argument, shown: letter == "c" ? "-c " : "--")]
        case "d":
            return debugging(argument)
        case "f":
            guard let first = argument.first, let name = plans[Character(Unicode.Scalar(first))] else {
                throw invalid(last)
            }
            return [parameter(name, Array("false".utf8))]
        case "t":
            let text = String(decoding: argument, as: UTF8.self)
            guard let name = statistics.first(where: { text.hasPrefix($0.key) })?.value else {
                throw invalid(last)
            }
            return [parameter(name, Array("true".utf8))]
        default:
            guard let name = valued[letter], !name.isEmpty else { return [] }
            return [parameter(name, argument)]
        }
    }

    /// -d: a level, and what is logged from it on.
    private static func debugging(_ argument: Word) -> [StartupPacket.Parameter] {
        let level = Int(String(decoding: argument.prefix { (0x30...0x39).contains($0) }, as: UTF8.self)) ?? 0
        var found = [parameter("log_min_messages", Array((level > 0 ? "debug\(level)" : "notice").utf8))]
        if level >= 2 { found.append(parameter("log_statement", Array("all".utf8))) }
        for (least, name) in [
            (3, "debug_print_parse"), (4, "debug_print_plan"), (5, "debug_print_rewritten"),
        ]
        where level >= least {
            found.append(parameter(name, Array("true".utf8)))
        }
        return found
    }

    private static func assignment(
        _ text: Word, shown: String
    ) throws(ErrorFields) -> StartupPacket.Parameter {
        let name = text.prefix { $0 != UInt8(ascii: "=") }
            .map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
            throw ErrorFields(
                .fatal, "42601", "\(shown)\(String(decoding: text, as: UTF8.self)) requires a value")
        }
        guard !name.isEmpty else {
            throw ErrorFields(.fatal, "42704", "unrecognized configuration parameter \"\"")
        }
        return StartupPacket.Parameter(name: name, value: Array(text[(equals + 1)...]))
    }

    private static func parameter(_ name: String, _ value: [UInt8]) -> StartupPacket.Parameter {
        StartupPacket.Parameter(name: Array(name.utf8), value: value)
    }

    private static func invalid(_ word: Word) -> ErrorFields {
        ErrorFields(
            .fatal, "42601",
            "invalid command-line argument for server process: \(String(decoding: word, as: UTF8.self))",
            hint: "Try \"postgres --help\" for more information.")
    }
}
