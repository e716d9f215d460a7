import Glibc

/// Reads whole files; a closure so that tests can hand out files of their own.
public struct FileReader: Sendable {
    /// The bytes of the file called path, or a sentence that says why there are none.
    public let read: @Sendable (_ path: String) -> Result<[UInt8], ReadError>

    public init(read: @escaping @Sendable (_ path: String) -> Result<[UInt8], ReadError>) {
        self.read = read
    }

    /// Relative paths are taken from the working directory, as PgBouncer does.
    public static let system = FileReader { path in
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return .failure(ReadError(systemText(errno))) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(fd, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return .failure(ReadError(systemText(errno))) }
            if count == 0 { return .success(bytes) }
            bytes += chunk[..<count]
            // no configuration is that long; /dev/zero is
            guard bytes.count <= 64 << 20 else { return .failure(ReadError("longer than 64 MB")) }
        }
    }
}

public struct ReadError: Error, Equatable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }
}

/// The C library's words for an errno.
public func systemText(_ number: Int32) -> String {
    String(cString: strerror(number))
}

/// A file's bytes cut into lines, numbered from 1.
struct TextLines: Sequence {
    let bytes: [UInt8]

    func makeIterator() -> AnyIterator<(number: Int, bytes: ArraySlice<UInt8>)> {
        var start = 0
        var number = 0
        return AnyIterator {
            guard start < bytes.count else { return nil }
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            defer { start = end + 1 }
            number += 1
            return (number, bytes[start..<end])
        }
    }
}

extension UInt8 {
    /// What isspace() takes in the C locale.
    var isSpace: Bool { self == 32 || (9...13).contains(self) }
    var isBlank: Bool { self == 32 || self == 9 }
    var isAlphanumeric: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}

extension ArraySlice<UInt8> {
    /// Without spaces at both ends.
    var trimmed: ArraySlice<UInt8> {
        var slice = self
        while let first = slice.first, first.isSpace { slice.removeFirst() }
        while let last = slice.last, last.isSpace { slice.removeLast() }
        return slice
    }

    /// As text; nil when it is no UTF-8, or holds a NUL that C would take for its end.
    var text: String? {
        contains(0) ? nil : String(validating: self, as: UTF8.self)
    }
}
