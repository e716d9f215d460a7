/// The value of an entry in [databases], [users] or [peers]: `key=value` pairs with
/// spaces between them, values in single quotes where they hold spaces, '' standing for
/// one quote (PgBouncer's src/loader.c). Empty values are errors, as there.
/// Two things PgBouncer takes in silence and misreads are told here: text that touches
/// a closing quote is an error, and a tab separates pairs like a space.
public struct ConnectionString: Equatable, Sendable {
    public struct Pair: Equatable, Sendable {
        public let key: String
        public let value: String
    }

    public let pairs: [Pair]

    public struct SyntaxError: Error, Equatable {
        public let message: String
    }

    public init(_ text: String) throws(SyntaxError) {
        var rest = Array(text.utf8)[...]
        var pairs: [Pair] = []
        Self.skipBlanks(&rest)
        while !rest.isEmpty {
            let key = rest.prefix { $0 != UInt8(ascii: "=") && !$0.isBlank }
            rest = rest[key.endIndex...]
            Self.skipBlanks(&rest)
            let name = String(decoding: key, as: UTF8.self)
            guard rest.popFirst() == UInt8(ascii: "="), !key.isEmpty else {
                throw SyntaxError(message: "syntax error in connection string: = expected after \"\(name)\"")
            }
            Self.skipBlanks(&rest)
            pairs.append(Pair(key: name, value: try Self.takeValue(&rest, of: name)))
            Self.skipBlanks(&rest)
        }
        self.pairs = pairs
    }

    private static func takeValue(_ rest: inout ArraySlice<UInt8>, of name: String) throws(SyntaxError)
        -> String
    {
        let quote = UInt8(ascii: "'")
        var value: [UInt8]
        if rest.first == quote {
            guard let text = takeQuoted(&rest, by: quote) else {
                throw SyntaxError(message: "syntax error in connection string: \(name) has no closing quote")
            }
            value = text
            guard rest.first?.isBlank ?? true else {
                throw SyntaxError(
                    message: "syntax error in connection string: space expected after the value of \(name)")
            }
        } else {
            let bare = rest.prefix { !$0.isBlank }
            rest = rest[bare.endIndex...]
            value = Array(bare)
        }
        guard !value.isEmpty else {
            throw SyntaxError(message: "syntax error in connection string: \(name) has an empty value")
        }
        return String(decoding: value, as: UTF8.self)
    }

    private static func skipBlanks(_ rest: inout ArraySlice<UInt8>) {
        while rest.first?.isBlank ?? false { rest.removeFirst() }
    }
}
