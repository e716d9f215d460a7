/// The `options` startup parameter: command-line switches for the backend, of which the
/// settings (`-c name=value`, `--name=value`) and the switches that stand for some matter here.
public enum StartupOptions {
    private static let space: Set<UInt8> = Set(" \t\n\r\u{0B}\u{0C}".utf8)

    /// Splits at white space; a backslash makes the next byte literal, as PostgreSQL's
    /// pg_split_opts does.
    static func split(_ options: [UInt8]) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var word: [UInt8]?
        var escaped = false
        for byte in options {
            if escaped {
                word = (word ?? []) + [byte]
                escaped = false
            } else if byte == UInt8(ascii: "\\") {
                escaped = true
                word = word ?? []
            } else if space.contains(byte) {
                if let word { words.append(word) }
                word = nil
            } else {
                word = (word ?? []) + [byte]
            }
        }
        if let word { words.append(word) }
        return words
    }

    /// The settings in their order, names with '-' turned to '_'; those of switches of one
    /// letter too, by the names of the settings. Throws what PostgreSQL would say: 42601 for
    /// a switch that there is not, or one without a value or name.
    public static func settings(_ options: [UInt8]) throws(ErrorFields) -> [StartupPacket.Parameter] {
        var found: [StartupPacket.Parameter] = []
        var words = split(options)[...]
        while let word = words.popFirst() {
            if word.starts(with: "--".utf8) {
                found.append(try setting(word.dropFirst(2), shown: "--"))
            } else if word.count > 1, word[0] == UInt8(ascii: "-") {
                try switches(word, &words, &found)
            } else {
                throw invalid(word)
            }
        }
        return found
    }

    /// One word of switches: "-e", "-eF", "-S1024", or "-S" and the word behind it.
    private static func switches(
        _ word: [UInt8], _ words: inout ArraySlice<[UInt8]>, _ found: inout [StartupPacket.Parameter]
    ) throws(ErrorFields) {
        var rest = word.dropFirst()
        while let letter = rest.popFirst() {
            if let setting = StartupSwitch.plain[letter] {
                found += setting
                continue
            }
            guard StartupSwitch.takesValue(letter) else { throw invalid(word) }
            // PostgreSQL's getopt: what is left of the word, or the next one.
            guard let value = rest.isEmpty ? words.popFirst() : Array(rest) else { throw invalid(word) }
            if letter == UInt8(ascii: "c") {
                found.append(try setting(value[...], shown: "-c"))
            } else {
                guard let settings = StartupSwitch.settings(letter, value) else { throw invalid(word) }
                found += settings
            }
            return
        }
    }

    private static func invalid(_ word: [UInt8]) -> ErrorFields {
        ErrorFields(
            .fatal, "42601",
            "invalid command-line argument for server process: \(String(decoding: word, as: UTF8.self))",
            hint: "Try \"postgres --help\" for more information.")
    }

    private static func setting(
        _ text: ArraySlice<UInt8>, shown: String
    ) throws(ErrorFields) -> StartupPacket.Parameter {
        let printed = String(decoding: text, as: UTF8.self)
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
            throw ErrorFields(
                .fatal, "42601", "\(shown == "-c" ? "-c " : "--")\(printed) requires a value")
        }
        guard equals > text.startIndex else {
            throw ErrorFields(
                .fatal, "42601", "setting without a name in startup options: \(shown)\(printed)",
                hint: "Write -c name=value.")
        }
        let name = text[..<equals].map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
        return StartupPacket.Parameter(name: name, value: Array(text[(equals + 1)...]))
    }
}
