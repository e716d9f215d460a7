/// The `options` startup parameter: command-line switches for the backend, of which the
/// settings (`-c name=value`, `--name=value`) matter here.
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

    /// The settings in their order, names with '-' turned to '_'. Throws what PostgreSQL
    /// would say: 42601 for a switch without a value or name.
    public static func settings(_ options: [UInt8]) throws(ErrorFields) -> [StartupPacket.Parameter] {
        var found: [StartupPacket.Parameter] = []
        let words = split(options)
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            if word == Array("-c".utf8) {
                guard index < words.count else {
                    throw ErrorFields(
                        .fatal, "42601", "invalid command-line argument for server process: -c",
                        detail: "A setting must follow -c.", hint: "Write -c name=value.")
                }
                found.append(try setting(words[index][...], shown: "-c"))
                index += 1
            } else if word.starts(with: "-c".utf8) {
                found.append(try setting(word.dropFirst(2), shown: "-c"))
            } else if word.starts(with: "--".utf8) {
                found.append(try setting(word.dropFirst(2), shown: "--"))
            } else {
                throw ErrorFields(
                    .fatal, "0A000", "unsupported startup option: \(String(decoding: word, as: UTF8.self))",
                    hint: "Only -c name=value and --name=value are supported.")
            }
        }
        return found
    }

    private static func setting(
        _ text: ArraySlice<UInt8>, shown: String
    ) throws(ErrorFields) -> StartupPacket.Parameter {
        let printed = String(decoding: text, as: UTF8.self)
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
            throw ErrorFields(
                .fatal, "42601", "\(shown == "-c" ? "-c " : "--")\(printed) requires a value",
                hint: "Write -c name=value.")
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
