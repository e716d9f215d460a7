import TestSupport
import Testing

@testable import Wire

@Suite struct ErrorFieldsTests {
    @Test func `a frame has the fields in their order`() {
        let fields = ErrorFields(.fatal, "08P01", "no", detail: "d", hint: "h")
        let body = bytes("SFATAL\0VFATAL\0C08P01\0Mno\0Dd\0Hh\0\0")
        #expect(fields.frame == [0x45] + number(UInt32(body.count + 4)) + body)
    }

    @Test func `a frame leaves out what there is not`() {
        let body = bytes("SERROR\0VERROR\0C57014\0Mno\0\0")
        #expect(ErrorFields(.error, "57014", "no").frame == [0x45] + number(UInt32(body.count + 4)) + body)
    }

    @Test func `a message with a NUL ends there`() {
        let body = bytes("SERROR\0VERROR\0C57014\0Mno\0\0")
        #expect(
            ErrorFields(.error, "57014", "no\0Hfalse").frame == [0x45] + number(UInt32(body.count + 4)) + body
        )
    }

    @Test(arguments: [ErrorFields.Severity.error, .fatal, .panic])
    func `what is written is read back`(severity: ErrorFields.Severity) {
        for (detail, hint) in [(nil, nil), ("d", nil), (nil, "h"), ("d", "é")] as [(String?, String?)] {
            let fields = ErrorFields(
                severity, "42601", "syntax error at or near \"x\"", detail: detail, hint: hint)
            #expect(ErrorFields(body: fields.frame.dropFirst(5)) == fields)
        }
    }

    @Test func `PostgreSQL's error is read, fields we don't know are passed over`() {
        let body = bytes(
            "SFEHLER\0VERROR\0C42P01\0Mrelation \"x\" does not exist\0P15\0Fparse_relation.c\0L1392\0RparserOpenTable\0\0"
        )
        var expected = ErrorFields(.error, "42P01", "relation \"x\" does not exist")
        expected.routine = "parserOpenTable"
        #expect(ErrorFields(body: body[...]) == expected)
    }

    static let unnamed = ErrorFields(.error, "XX000", "server sent an error without a message")

    @Test func `an empty body is still an error`() {
        #expect(ErrorFields(body: []) == Self.unnamed)
        #expect(ErrorFields(body: [0]) == Self.unnamed)
        #expect(ErrorFields(body: bytes("\0Mhidden\0")[...]) == Self.unnamed)
    }

    @Test(arguments: ["C\0", "C4260\0", "C426011\0", "Cé60\0\0"])
    func `a SQLSTATE has five characters`(field: String) {
        let fields = ErrorFields(body: bytes(field + "Mm\0\0")[...])
        #expect(fields.sqlstate == "XX000" || fields.sqlstate.utf8.count == 5)
    }

    @Test func `an unknown severity is an error`() {
        #expect(ErrorFields(body: bytes("VDOOM\0C57P01\0Mm\0\0")[...]) == ErrorFields(.error, "57P01", "m"))
        // S is translated, V is not
        #expect(ErrorFields(body: bytes("SPANIC\0Mm\0\0")[...]).severity == .error)
    }

    @Test func `bytes that are no UTF-8 don't spoil an error`() {
        let fields = ErrorFields(body: ([0x4d, 0xff, 0x61, 0, 0x43] + bytes("22021") + [0, 0])[...])
        #expect(fields.message == "\u{fffd}a")
        #expect(fields.sqlstate == "22021")
    }

    /// However much of it arrives, what was whole is read.
    @Test func `an error cut off anywhere keeps its whole fields`() {
        let fields = ErrorFields(.fatal, "57P01", "terminating", detail: "by hand", hint: "wait")
        let body = Array(fields.frame.dropFirst(5))
        for count in 0...body.count {
            let read = ErrorFields(body: body[..<count])
            let whole = body[..<count].split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
                String(decoding: $0, as: UTF8.self)
            }
            #expect(read.severity == (whole.contains("VFATAL") ? .fatal : .error))
            #expect(read.sqlstate == (whole.contains("C57P01") ? "57P01" : "XX000"))
            #expect(read.message == (whole.contains("Mterminating") ? "terminating" : Self.unnamed.message))
            #expect(read.detail == (whole.contains("Dby hand") ? "by hand" : nil))
            #expect(read.hint == (whole.contains("Hwait") ? "wait" : nil))
        }
    }

    @Test(arguments: UInt64(0)..<100) func `random bytes are read without a trap`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let body = random.bytes(random.below(80))
        let fields = ErrorFields(body: body[...])
        #expect(ErrorFields(body: fields.frame.dropFirst(5)).severity == fields.severity, "seed \(seed)")
    }
}
