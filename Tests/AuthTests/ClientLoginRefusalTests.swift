import TestSupport
import Testing

@testable import Auth

/// What a client may not say: SQLSTATEs and words are those of PostgreSQL 16.
@Suite struct ClientLoginRefusalTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        var message: String
        var sqlstate: String
        var says: String
        var detail: String?
        var testDescription: String { message }

        init(_ message: String, _ sqlstate: String, _ says: String, _ detail: String? = nil) {
            self.message = message
            self.sqlstate = sqlstate
            self.says = says
            self.detail = detail
        }
    }

    static let malformed = "malformed SCRAM message"

    static let first: [Refusal] = [
        Refusal("", "08P01", malformed, "The message is empty."),
        Refusal("n,,n=,r=a\0b", "08P01", malformed, "Message length does not match input length."),
        Refusal("x,,n=,r=abc", "08P01", malformed, "Unexpected channel-binding flag \"'x'\"."),
        Refusal("\u{1},,n=,r=abc", "08P01", malformed, "Unexpected channel-binding flag \"0x01\"."),
        Refusal(
            "p=tls-server-end-point,,n=,r=abc", "08P01", malformed,
            "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes "
                + "channel binding data."),
        Refusal("n", "08P01", malformed, "Comma expected, but found character \"0x00\"."),
        Refusal("nn,,n=,r=abc", "08P01", malformed, "Comma expected, but found character \"'n'\"."),
        Refusal(
            "n,a=other,n=,r=abc", "0A000", "client uses authorization identity, but it is not supported"),
        Refusal("n,b=x,n=", "08P01", malformed, "Unexpected attribute \"'b'\" in client-first-message."),
        Refusal("n,", "08P01", malformed, "Unexpected attribute \"0x00\" in client-first-message."),
        Refusal("n,,m=ext,n=,r=abc", "0A000", "client requires an unsupported SCRAM extension"),
        Refusal("n,,", "08P01", malformed, "Expected attribute \"n\" but found \"0x00\"."),
        Refusal("n,,r=abc", "08P01", malformed, "Expected attribute \"n\" but found \"'r'\"."),
        Refusal("n,,n", "08P01", malformed, "Expected character \"=\" for attribute \"n\"."),
        Refusal("n,,n=", "08P01", malformed, "Expected attribute \"r\" but found \"0x00\"."),
        Refusal("n,,n=,x=abc", "08P01", malformed, "Expected attribute \"r\" but found \"'x'\"."),
        Refusal("n,,n=,r=a\u{7}b", "08P01", "non-printable characters in SCRAM nonce"),
        Refusal("n,,n=,r=gr\u{fc}n", "08P01", "non-printable characters in SCRAM nonce"),
        Refusal(
            "n,,n=,r=abc,1=x", "08P01", malformed,
            "Attribute expected, but found invalid character \"'1'\"."),
        Refusal("n,,n=,r=abc,x", "08P01", malformed, "Expected character \"=\" for attribute \"x\"."),
    ]

    @Test(arguments: first, [Secret.scram(verifier("pencil")), .none, .password(bytes("pencil"))])
    func `bad first messages`(refusal: Refusal, secret: Secret) {
        var login = clientLogin(.scram, secret)
        var output: [UInt8] = []
        _ = login.start(&output)
        expect(ClientLoginTests.answer(&login, initialResponse(refusal.message)), refusal)
    }

    /// `R` stands for the nonce, `P` for a proof of the right length.
    static let final: [Refusal] = [
        Refusal("", "08P01", malformed, "The message is empty."),
        Refusal("c=biws,r=R,p=P\0", "08P01", malformed, "Message length does not match input length."),
        Refusal("r=R,p=P", "08P01", malformed, "Expected attribute \"c\" but found \"'r'\"."),
        Refusal(
            "c=eSws,r=R,p=P", "08P01", "unexpected SCRAM channel-binding attribute in client-final-message"),
        Refusal("c=,r=R,p=P", "08P01", "unexpected SCRAM channel-binding attribute in client-final-message"),
        Refusal(
            "c=biws=,r=R,p=P", "08P01", "unexpected SCRAM channel-binding attribute in client-final-message"),
        Refusal("c=biws", "08P01", malformed, "Expected attribute \"r\" but found \"0x00\"."),
        Refusal("c=biws,p=P", "08P01", malformed, "Expected attribute \"r\" but found \"'p'\"."),
        Refusal("c=biws,r=R", "08P01", malformed, "Attribute expected, but found end of string."),
        Refusal("c=biws,r=R,", "08P01", malformed, "Attribute expected, but found end of string."),
        Refusal("c=biws,r=R,x=1", "08P01", malformed, "Attribute expected, but found end of string."),
        Refusal("c=biws,r=R,p=", "08P01", malformed, "Malformed proof in client-final-message."),
        Refusal("c=biws,r=R,p=!!!!", "08P01", malformed, "Malformed proof in client-final-message."),
        Refusal("c=biws,r=R,p=c2hvcnQ=", "08P01", malformed, "Malformed proof in client-final-message."),
        Refusal("c=biws,r=R,p=PP", "08P01", malformed, "Malformed proof in client-final-message."),
        Refusal(
            "c=biws,r=R,p=P,x=1", "08P01", malformed,
            "Garbage found at the end of client-final-message."),
        Refusal("c=biws,r=Rx,p=P", "08P01", "invalid SCRAM response", "Nonce does not match."),
        Refusal("c=biws,r=abc,p=P", "08P01", "invalid SCRAM response", "Nonce does not match."),
        Refusal("c=biws,r=,p=P", "08P01", "invalid SCRAM response", "Nonce does not match."),
        Refusal("c=biws,r=R,p=P", "28P01", "password authentication failed for user \"user\""),
    ]

    @Test(arguments: final, [Secret.scram(verifier("pencil")), .none, .password(bytes("pencil"))])
    func `bad final messages`(refusal: Refusal, secret: Secret) throws {
        var login = clientLogin(.scram, secret)
        var output: [UInt8] = []
        _ = login.start(&output)
        let said = ClientLoginTests.answer(&login, initialResponse("n,,n=,r=abc")).said
        let nonce = try SCRAMServerFirst(parsing: Array(said.dropFirst(9))).nonce
        let proof = text(Base64.encode([UInt8](repeating: 1, count: 32)))
        var message = ""
        for character in refusal.message {
            message += character == "R" ? text(nonce) : character == "P" ? proof : String(character)
        }
        expect(ClientLoginTests.answer(&login, bytes(message)), refusal)
    }

    static let initial: [(body: [UInt8], says: String)] = [
        ([], "invalid string in message"),
        (bytes("SCRAM-SHA-256"), "invalid string in message"),
        (
            bytes("SCRAM-SHA-256-PLUS") + [0, 0, 0, 0, 0],
            "client selected an invalid SASL authentication mechanism"
        ),
        ([0, 0, 0, 0, 0], "client selected an invalid SASL authentication mechanism"),
        (bytes("SCRAM-SHA-256") + [0], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 0, 0, 0], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 0, 0, 0, 1], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 127, 255, 255, 255, 65], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 128, 0, 0, 0, 65], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 255, 255, 255, 254, 65], "insufficient data left in message"),
        (bytes("SCRAM-SHA-256") + [0, 255, 255, 255, 255, 65], "invalid message format"),
        (bytes("SCRAM-SHA-256") + [0, 0, 0, 0, 0, 65], "invalid message format"),
        ([UInt8](repeating: 65, count: 1021), "invalid message length"),
    ]

    @Test(arguments: initial)
    func `bad initial responses`(body: [UInt8], says: String) {
        var login = clientLogin(.scram, .scram(verifier("pencil")))
        var output: [UInt8] = []
        _ = login.start(&output)
        expect(ClientLoginTests.answer(&login, body), Refusal("", "08P01", says))
    }

    static let passwords: [(body: [UInt8], refusal: Refusal)] = [
        ([], Refusal("", "08P01", "invalid password packet size")),
        (bytes("pencil"), Refusal("", "08P01", "invalid password packet size")),
        (bytes("pen\0cil\0"), Refusal("", "08P01", "invalid password packet size")),
        ([0, 0], Refusal("", "08P01", "invalid password packet size")),
        ([0], Refusal("", "28P01", "empty password returned by client")),
        ([UInt8](repeating: 65, count: 65_532), Refusal("", "08P01", "invalid message length")),
    ]

    @Test(arguments: passwords, [LoginMethod.password, .md5])
    func `bad password messages`(password: (body: [UInt8], refusal: Refusal), method: LoginMethod) {
        var login = clientLogin(method, .password(bytes("pencil")))
        var output: [UInt8] = []
        _ = login.start(&output)
        expect(ClientLoginTests.answer(&login, password.body), password.refusal)
    }

    @Test func `any other message type is refused in every state`() {
        for tag in UInt8.min...UInt8.max where tag != UInt8(ascii: "p") {
            for (method, kind) in [(LoginMethod.password, "password"), (.md5, "password"), (.scram, "SASL")] {
                var login = clientLogin(method, .password(bytes("pencil")))
                var output: [UInt8] = []
                _ = login.start(&output)
                expect(
                    ClientLoginTests.answer(&login, bytes("pencil\0"), tag: tag),
                    Refusal("", "08P01", "expected \(kind) response, got message type \(tag)"))
            }
        }
    }

    @Test func `nothing is taken before the start, while hashing, or after the end`() {
        var output: [UInt8] = []
        func refused(_ step: ClientLogin.Step) {
            #expect(ClientLoginTests.failure(step)?.sqlstate == "08P01")
        }
        var login = clientLogin(.password, .scram(verifier("pencil")))
        refused(login.received(UInt8(ascii: "p"), bytes("pencil\0")[...], &output))
        login = clientLogin(.password, .scram(verifier("pencil")))
        _ = login.start(&output)
        refused(login.hashed([UInt8](repeating: 0, count: 32), &output))
        login = clientLogin(.password, .scram(verifier("pencil")))
        _ = login.start(&output)
        _ = login.received(UInt8(ascii: "p"), bytes("pencil\0")[...], &output)
        var hashing = login
        refused(hashing.received(UInt8(ascii: "p"), bytes("pencil\0")[...], &output))
        #expect(ClientLoginTests.failure(login.hashed([], &output))?.sqlstate == "XX000")
        refused(login.hashed([], &output))
        refused(login.received(UInt8(ascii: "p"), bytes("pencil\0")[...], &output))
    }

    private func expect(_ answer: (step: ClientLogin.Step, said: [UInt8]), _ refusal: Refusal) {
        let failure = ClientLoginTests.failure(answer.step)
        #expect(failure?.sqlstate == refusal.sqlstate)
        #expect(failure?.message == refusal.says)
        #expect(failure?.detail == refusal.detail)
    }
}
