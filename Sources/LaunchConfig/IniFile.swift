/// What a line of an ini file says.
public struct IniItem: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        case section(String)
        /// A key with its value; section is the one it stands in.
        case entry(section: String, key: String, value: String)
        /// A line that could not be read, and why.
        case problem(String)
    }

    public let content: Content
    public let place: Place
}

/// PgBouncer's ini dialect (lib/usual/cfparser.c, doc/config.md): sections in brackets,
/// `key = value` up to the end of the line, comment lines that start with ; or #, and
/// `%include FILE`, with FILE relative to the working directory and ten levels at most.
/// A section goes on across an include, in both directions. Beyond PgBouncer a key may
/// be in double quotes, "" standing for one, as its manual promises for names.
public struct IniFile: Sendable {
    /// In the order of the files' lines; all problems are collected.
    public private(set) var items: [IniItem] = []
    /// Why the file itself could not be read.
    public private(set) var failure: ReadError?

    static let deepestInclude = 10

    private let files: FileReader
    private var section: String?

    /// Reads the file called path and what it includes.
    public init(path: String, files: FileReader) {
        self.files = files
        switch files.read(path) {
        case .success(let bytes): read(bytes, path: path, depth: 0)
        case .failure(let error): failure = error
        }
    }

    private mutating func read(_ bytes: [UInt8], path: String, depth: Int) {
        for (number, line) in TextLines(bytes: bytes) {
            readLine(line, at: Place(file: path, line: number), depth: depth)
        }
    }

    private mutating func readLine(_ line: ArraySlice<UInt8>, at place: Place, depth: Int) {
        let rest = line.trimmed
        guard let first = rest.first, first != UInt8(ascii: ";"), first != UInt8(ascii: "#") else { return }
        if rest.starts(with: Array("%include".utf8)), rest.dropFirst(8).first?.isBlank ?? true {
            include(rest.dropFirst(8).trimmed, at: place, depth: depth)
        } else if first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else {
                return problem("syntax error: section name without ]", at: place)
            }
            guard let name = rest[(rest.startIndex + 1)..<end].text else {
                return problem("section name is not valid UTF-8 text", at: place)
            }
            section = name
            items.append(IniItem(content: .section(name), place: place))
            // an entry may follow on the same line
            readLine(rest[(end + 1)...], at: place, depth: depth)
        } else {
            readEntry(rest, at: place)
        }
    }

    private mutating func include(_ name: ArraySlice<UInt8>, at place: Place, depth: Int) {
        guard let path = name.text, !path.isEmpty else {
            return problem("syntax error: %include without a file name", at: place)
        }
        guard depth < Self.deepestInclude else {
            return problem("include nesting level too deep: \(Self.deepestInclude) files at most", at: place)
        }
        switch files.read(path) {
        case .success(let bytes): read(bytes, path: path, depth: depth + 1)
        case .failure(let error):
            problem("could not read \(path): \(error.message)", at: place)
        }
    }

    private mutating func problem(_ message: String, at place: Place) {
        items.append(IniItem(content: .problem(message), place: place))
    }

    private mutating func readEntry(_ line: ArraySlice<UInt8>, at place: Place) {
        var rest = line
        guard let keyBytes = Self.takeKey(&rest) else {
            return problem("syntax error: quoted name without closing \"", at: place)
        }
        while rest.first?.isBlank ?? false { rest.removeFirst() }
        guard rest.first == UInt8(ascii: "="), !keyBytes.isEmpty else {
            return problem("syntax error: key = value expected", at: place)
        }
        guard let key = keyBytes[...].text, let value = rest.dropFirst().trimmed.text else {
            return problem("not valid UTF-8 text", at: place)
        }
        guard let section else {
            return problem("\(key) stands before any [section]", at: place)
        }
        items.append(IniItem(content: .entry(section: section, key: key, value: value), place: place))
    }

    /// Takes a bare or quoted key off the front; nil when a quote is left open.
    private static func takeKey(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        let quote = UInt8(ascii: "\"")
        if rest.first == quote { return takeQuoted(&rest, by: quote) }
        let key = rest.prefix { $0.isAlphanumeric || Array("_.-*".utf8).contains($0) }
        rest = rest[key.endIndex...]
        return Array(key)
    }
}

/// Takes a quoted string off the front of rest, a doubled quote standing for one; nil
/// when it is not closed.
func takeQuoted(_ rest: inout ArraySlice<UInt8>, by quote: UInt8) -> [UInt8]? {
    var text: [UInt8] = []
    rest.removeFirst()
    while let byte = rest.popFirst() {
        if byte != quote {
            text.append(byte)
        } else if rest.first == quote {
            text.append(quote)
            rest.removeFirst()
        } else {
            return text
        }
    }
    return nil
}
