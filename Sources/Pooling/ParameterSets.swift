import Wire

/// The run-time parameters that follow a client from server to server: those PostgreSQL
/// reports (ParameterStatus) and a client may set, as PgBouncer tracks them.
public enum TrackedParameter {
    /// In the spelling of ParameterStatus.
    public static let names: [String] = [
        "client_encoding", "DateStyle", "TimeZone", "IntervalStyle", "standard_conforming_strings",
        "application_name", "default_transaction_read_only", "scram_iterations",
    ]

    private static let folded = names.map { Array($0.lowercased().utf8) }

    /// Position in `names`, whatever the letters' case; nil for any other parameter.
    public static func index(_ name: [UInt8]) -> Int? {
        let lower = name.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
        return folded.firstIndex(of: lower)
    }

    public static let applicationName = 5

    /// Is this a value whose meaning the worker knows without asking a server?
    public static func isPlain(_ index: Int) -> Bool { index == applicationName }

    /// An application_name as PostgreSQL takes it: at most 63 bytes, no part of a UTF-8
    /// character at their end, all but printable ASCII spelled \xNN; masked: each byte of it a
    /// question mark, as PostgreSQL 15 has it.
    public static func applicationName(_ value: [UInt8], masked: Bool = false) -> [UInt8] {
        var cut = value.prefix(63)
        if value.count > cut.count {
            while let next = value.dropFirst(cut.count).first, next & 0xC0 == 0x80, !cut.isEmpty {
                cut.removeLast()
            }
        }
        if masked { return cut.map { $0 >= 32 && $0 <= 126 ? $0 : UInt8(ascii: "?") } }
        return clean(applicationName, Array(cut)) ?? []
    }

    /// A client's value as a server has it after a SET of what is `clean` of it: of a name
    /// PostgreSQL takes 63 bytes.
    public static func taken(_ index: Int, _ value: [UInt8]) -> [UInt8]? {
        index == applicationName ? Array(applicationName(value).prefix(63)) : clean(index, value)
    }

    /// A value fit for a SET in any client_encoding: printable ASCII. In an
    /// application_name PostgreSQL itself spells other bytes \xNN (pg_clean_ascii); in any
    /// other tracked parameter they can't be right: nil.
    public static func clean(_ index: Int, _ value: [UInt8]) -> [UInt8]? {
        if value.allSatisfy({ $0 >= 32 && $0 <= 126 }) { return value }
        guard index == applicationName else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        return value.flatMap { byte in
            byte >= 32 && byte <= 126
                ? [byte]
                : [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
}

/// Values of the tracked parameters; nil where a server doesn't report one.
public typealias ParameterValues = [[UInt8]?]

/// The distinct combinations of tracked parameters in use, each known by a small number,
/// so that "does this server suit this client?" is one compare.
public struct ParameterSets {
    private struct Entry {
        var values: ParameterValues
        var references: Int
    }

    /// The set of a connection that hasn't told its parameters yet.
    public static let unknown: UInt32 = 0
    /// The set of a client whose parameters its first server is still to be told; no
    /// server has it.
    public static let unstarted: UInt32 = 1
    public static let noValues: ParameterValues = .init(repeating: nil, count: TrackedParameter.names.count)

    private var entries: [Entry]
    private var numbers: [ParameterValues: UInt32]
    private var free: [UInt32] = []

    public init() {
        entries = [Entry](repeating: Entry(values: Self.noValues, references: 1), count: 2)
        numbers = [Self.noValues: Self.unknown]
    }

    /// How many sets are in use.
    public var count: Int { numbers.count }

    /// The number for these values, with one reference for the caller.
    public mutating func number(for values: ParameterValues) -> UInt32 {
        if let known = numbers[values] {
            entries[Int(known)].references += 1
            return known
        }
        let entry = Entry(values: values, references: 1)
        let number: UInt32
        if let reused = free.popLast() {
            number = reused
            entries[Int(number)] = entry
        } else {
            number = UInt32(entries.count)
            entries.append(entry)
        }
        numbers[values] = number
        return number
    }

    public mutating func retain(_ number: UInt32) { entries[Int(number)].references += 1 }

    public mutating func release(_ number: UInt32) {
        guard number > Self.unstarted else { return }
        entries[Int(number)].references -= 1
        guard entries[Int(number)].references == 0 else { return }
        numbers[entries[Int(number)].values] = nil
        entries[Int(number)].values = []
        free.append(number)
    }

    public func values(_ number: UInt32) -> ParameterValues { entries[Int(number)].values }

    /// The query that makes a server with the values `from` suit `to`; nil if it does.
    public static func settingQuery(from: ParameterValues, to: ParameterValues) -> [UInt8]? {
        var query: [UInt8] = []
        for (index, name) in TrackedParameter.names.enumerated() {
            guard let wanted = to[index], from[index] != wanted else { continue }
            query += Array("SET \(name) TO ".utf8) + literal(wanted) + [UInt8(ascii: ";")]
        }
        return query.isEmpty ? nil : query
    }

    /// An escape string literal, right whatever standard_conforming_strings says.
    static func literal(_ value: [UInt8]) -> [UInt8] {
        var text: [UInt8] = Array(" E'".utf8)
        for byte in value {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") { text.append(byte) }
            text.append(byte)
        }
        return text + [UInt8(ascii: "'")]
    }
}
