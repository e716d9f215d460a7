/// The fields of an ErrorResponse or NoticeResponse that we read or write
/// (PostgreSQL documentation, "Error and Notice Message Fields").
public struct ErrorFields: Error, Equatable, Sendable {
    public enum Severity: String, Sendable { case error = "ERROR", fatal = "FATAL", panic = "PANIC" }

    public var severity: Severity
    /// Five characters; XX000 where a server sent none.
    public var sqlstate: String
    public var message: String
    public var detail: String?
    public var hint: String?
    /// The function of the server's source that raised it; no language changes that.
    public var routine: String?

    public init(
        _ severity: Severity, _ sqlstate: String, _ message: String, detail: String? = nil,
        hint: String? = nil
    ) {
        self.severity = severity
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// Bytes of a server's text that are read: some errors are kept for clients to come.
    static let longest = 16_384

    /// Reads the body of an ErrorResponse as leniently as it can be: fields may be
    /// missing, cut off or no UTF-8.
    public init(body: ArraySlice<UInt8>) {
        self.init(.error, "XX000", "server sent an error without a message")
        var reader = ByteReader(body)
        while let field = reader.byte(), field != 0, let bytes = reader.string() {
            let text = String(decoding: bytes.prefix(Self.longest), as: UTF8.self)
            switch field {
            case UInt8(ascii: "V"): severity = Severity(rawValue: text) ?? severity
            case UInt8(ascii: "C"): if bytes.count == 5 { sqlstate = text }
            case UInt8(ascii: "M"): message = text
            case UInt8(ascii: "D"): detail = text
            case UInt8(ascii: "H"): hint = text
            case UInt8(ascii: "R"): routine = text
            default: break
            }
        }
    }

    /// ErrorResponse as protocols before 3.0 had it.
    public var oldFrame: [UInt8] {
        var writer = FrameWriter()
        writer.byte(BackendTag.errorResponse)
        writer.string("\(severity.rawValue):  \(message)\n")
        return writer.bytes
    }

    /// The whole ErrorResponse frame.
    public var frame: [UInt8] {
        var writer = FrameWriter()
        writer.frame(BackendTag.errorResponse) { body in
            let fields: [(Character, String?)] = [
                ("S", severity.rawValue), ("V", severity.rawValue), ("C", sqlstate), ("M", message),
                ("D", detail), ("H", hint),
            ]
            for case (let tag, let text?) in fields {
                body.byte(tag.asciiValue ?? 0)
                body.string(text)
            }
            body.byte(0)
        }
        return writer.bytes
    }
}
