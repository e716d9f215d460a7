/// The messages a client sends, parsed as PostgreSQL's auth-scram.c does, with its words.

/// client-first-message: "n,,n=user,r=nonce".
struct SCRAMClientFirst: Equatable {
    /// 'n' or 'y'.
    let bindingFlag: UInt8
    /// Everything after the GS2 header.
    let bare: [UInt8]
    let nonce: [UInt8]

    init(parsing message: [UInt8]) throws(LoginFailure) {
        var reader = try SCRAMReader(message)
        bindingFlag = reader.next
        switch bindingFlag {
        case UInt8(ascii: "n"), UInt8(ascii: "y"):
            reader.skip()
            guard reader.next == UInt8(ascii: ",") else {
                throw .malformedSCRAM("Comma expected, but found character \"\(reader.shownNext)\".")
            }
            reader.skip()
        case UInt8(ascii: "p"):
            throw .malformedSCRAM(
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message "
                    + "includes channel binding data.")
        default:
            throw .malformedSCRAM("Unexpected channel-binding flag \"\(reader.shownNext)\".")
        }
        if reader.next == UInt8(ascii: "a") {
            throw .unsupported("client uses authorization identity, but it is not supported")
        }
        guard reader.next == UInt8(ascii: ",") else {
            throw .malformedSCRAM("Unexpected attribute \"\(reader.shownNext)\" in client-first-message.")
        }
        reader.skip()
        bare = Array(reader.rest)
        if reader.next == UInt8(ascii: "m") {
            throw .unsupported("client requires an unsupported SCRAM extension")
        }
        _ = try reader.value(of: UInt8(ascii: "n"))  // the startup packet has named the user
        nonce = Array(try reader.value(of: UInt8(ascii: "r")))
        guard SCRAM.isPrintable(nonce) else {
            throw .protocolViolation("non-printable characters in SCRAM nonce")
        }
        while !reader.rest.isEmpty { _ = try reader.attribute() }
    }
}

/// client-final-message: "c=biws,r=nonce,p=proof".
struct SCRAMClientFinal: Equatable {
    let nonce: [UInt8]
    /// 32 bytes.
    let proof: [UInt8]
    let withoutProof: [UInt8]

    /// `bindingFlag` is that of the client-first-message, which `c=` must repeat.
    init(parsing message: [UInt8], bindingFlag: UInt8) throws(LoginFailure) {
        var reader = try SCRAMReader(message)
        let binding = try reader.value(of: UInt8(ascii: "c"))
        guard binding.elementsEqual(Base64.encode([bindingFlag] + Array(",,".utf8))) else {
            throw .protocolViolation(
                "unexpected SCRAM channel-binding attribute in client-final-message")
        }
        nonce = Array(try reader.value(of: UInt8(ascii: "r")))
        var before: Int
        var found: (name: UInt8, value: ArraySlice<UInt8>)
        repeat {
            before = reader.rest.startIndex
            found = try reader.attribute()
        } while found.name != UInt8(ascii: "p")
        guard let proof = Base64.decode(found.value), proof.count == SCRAM.keySize else {
            throw .malformedSCRAM("Malformed proof in client-final-message.")
        }
        guard reader.rest.isEmpty else {
            throw .malformedSCRAM("Garbage found at the end of client-final-message.")
        }
        self.proof = proof
        withoutProof = Array(message[..<(before - 1)])  // nor the comma before it
    }
}

/// server-first-message: "r=nonce,s=salt,i=iterations".
struct SCRAMServerFirst: Equatable {
    let nonce: [UInt8]
    let salt: [UInt8]
    let iterations: Int

    init(nonce: [UInt8], salt: [UInt8], iterations: Int) {
        self.nonce = nonce
        self.salt = salt
        self.iterations = iterations
    }

    init(parsing message: [UInt8]) throws(LoginFailure) {
        var reader = try SCRAMReader(message)
        if reader.next == UInt8(ascii: "m") {
            throw .unsupported("server requires an unsupported SCRAM extension")
        }
        nonce = Array(try reader.value(of: UInt8(ascii: "r")))
        let encodedSalt = try reader.value(of: UInt8(ascii: "s"))
        let digits = try reader.value(of: UInt8(ascii: "i"))
        while !reader.rest.isEmpty { _ = try reader.attribute() }
        guard let salt = Base64.decode(encodedSalt), !salt.isEmpty else {
            throw .malformedSCRAM("Invalid salt in server-first-message.")
        }
        guard let iterations = SCRAM.positiveNumber(digits) else {
            throw .malformedSCRAM("Invalid iteration count in server-first-message.")
        }
        self.salt = salt
        self.iterations = iterations
    }

    var bytes: [UInt8] {
        Array("r=".utf8) + nonce + Array(",s=".utf8) + Base64.encode(salt) + Array(",i=\(iterations)".utf8)
    }
}

/// server-final-message: "v=signature" or "e=error".
enum SCRAMServerFinal: Equatable {
    /// 32 bytes.
    case signature([UInt8])
    case error(String)

    init(parsing message: [UInt8]) throws(LoginFailure) {
        var reader = try SCRAMReader(message)
        if reader.next == UInt8(ascii: "e") {
            self = .error(SCRAMReader.shown(try reader.value(of: UInt8(ascii: "e"))))
            return
        }
        let value = try reader.value(of: UInt8(ascii: "v"))
        guard reader.rest.isEmpty else {
            throw .malformedSCRAM("Garbage found at the end of server-final-message.")
        }
        guard let signature = Base64.decode(value), signature.count == SCRAM.keySize else {
            throw .malformedSCRAM("Malformed signature in server-final-message.")
        }
        self = .signature(signature)
    }
}

/// Walks the attributes of a SCRAM message, "x=value" separated by commas.
struct SCRAMReader {
    private(set) var rest: ArraySlice<UInt8>

    /// Refuses what auth-scram.c refuses of every message: nothing at all, and NUL bytes.
    init(_ message: [UInt8]) throws(LoginFailure) {
        guard !message.isEmpty else { throw .malformedSCRAM("The message is empty.") }
        guard !message.contains(0) else {
            throw .malformedSCRAM("Message length does not match input length.")
        }
        rest = message[...]
    }

    /// The next byte, 0 at the end.
    var next: UInt8 { rest.first ?? 0 }

    /// The next byte for a message: "'x'", or in hexadecimal.
    var shownNext: String {
        next >= 0x21 && next <= 0x7E
            ? "'\(Character(Unicode.Scalar(next)))'" : "0x" + (next < 16 ? "0" : "") + String(next, radix: 16)
    }

    /// Foreign text for a message: at most 30 characters, printable ASCII.
    static func shown(_ text: ArraySlice<UInt8>) -> String {
        printable(text.prefix(30).map { $0 >= 0x21 && $0 <= 0x7E ? $0 : UInt8(ascii: "?") })
    }

    mutating func skip() {
        rest = rest.dropFirst()
    }

    /// The value of the attribute that must come next.
    mutating func value(of name: UInt8) throws(LoginFailure) -> ArraySlice<UInt8> {
        guard next == name else {
            throw .malformedSCRAM(
                "Expected attribute \"\(Character(Unicode.Scalar(name)))\" but found \"\(shownNext)\".")
        }
        return try value()
    }

    /// Any attribute.
    mutating func attribute() throws(LoginFailure) -> (name: UInt8, value: ArraySlice<UInt8>) {
        guard !rest.isEmpty else {
            throw .malformedSCRAM("Attribute expected, but found end of string.")
        }
        let name = next
        switch name {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): break
        default:
            throw .malformedSCRAM("Attribute expected, but found invalid character \"\(shownNext)\".")
        }
        return (name, try value())
    }

    /// "=value" after the name, and the comma after it where there is one.
    private mutating func value() throws(LoginFailure) -> ArraySlice<UInt8> {
        let name = Character(Unicode.Scalar(next))
        skip()
        guard next == UInt8(ascii: "=") else {
            throw .malformedSCRAM("Expected character \"=\" for attribute \"\(name)\".")
        }
        skip()
        let value = rest.prefix { $0 != UInt8(ascii: ",") }
        rest = rest[value.endIndex...].dropFirst()
        return value
    }
}
