import CHost

// Texts in and out of the C structs of chost.h.

extension CarpoolQuestion {
    var userText: String? { text(of: user) }
    var databaseText: String? { text(of: database) }
}

extension CarpoolError {
    init(sqlstate: String, message: String, detail: String = "", hint: String = "") {
        self.init()
        copy(sqlstate, to: &self.sqlstate)
        copy(message, to: &self.message)
        copy(detail, to: &self.detail)
        copy(hint, to: &self.hint)
    }
}

/// Text before the NUL of a char array; nil when it is no UTF-8.
func text<CharArray>(of array: CharArray) -> String? {
    withUnsafeBytes(of: array) { bytes in
        String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Copies text and its NUL into a char array, cut at its size.
func copy<CharArray>(_ text: String, to array: inout CharArray) {
    withUnsafeMutableBytes(of: &array) { bytes in
        let source = Array(text.utf8.prefix(bytes.count - 1))
        bytes.copyBytes(from: source)
        bytes[source.count] = 0
    }
}
