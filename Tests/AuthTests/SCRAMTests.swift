import TestSupport
import Testing

@testable import Auth

/// The exchange of RFC 7677, section 3.
@Suite struct SCRAMTests {
    static let clientNonce = "rOprNGfwEbeRWgbNEkqO"
    static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    static let clientFirst = "n,,n=user,r=\(clientNonce)"
    static let serverFirst = "r=\(clientNonce)\(serverNonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    static let clientFinal =
        "c=biws,r=\(clientNonce)\(serverNonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    static let serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    static let salt: [UInt8] = [
        0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
    ]

    static func saltedPassword() -> [UInt8] {
        HashJob(password: bytes("pencil"), salt: salt, iterations: 4096).run()
    }

    @Test func `the client's side holds the RFC's vector`() throws {
        var exchange = SCRAMClientExchange(nonce: bytes(Self.clientNonce), user: bytes("user"))
        #expect(text(exchange.clientFirst) == Self.clientFirst)
        let offer = try exchange.received(serverFirst: bytes(Self.serverFirst))
        #expect(offer.salt == Self.salt)
        #expect(offer.iterations == 4096)
        let keys = try SCRAMKeys(saltedPassword: Self.saltedPassword())
        #expect(text(try exchange.clientFinal(keys)) == Self.clientFinal)
        guard case .signature(let signature) = try SCRAMServerFinal(parsing: bytes(Self.serverFinal)) else {
            Issue.record("no signature in \(Self.serverFinal)")
            return
        }
        #expect(exchange.isGenuine(signature))
        #expect(!exchange.isGenuine(signature.reversed()))
    }

    @Test func `the server's side holds the RFC's vector`() throws {
        let verifier = try SCRAMVerifier(
            saltedPassword: Self.saltedPassword(), salt: Self.salt, iterations: 4096)
        let exchange = SCRAMServerExchange(
            try SCRAMClientFirst(parsing: bytes(Self.clientFirst)), nonce: bytes(Self.serverNonce),
            verifier: verifier)
        #expect(text(exchange.serverFirst) == Self.serverFirst)
        let proof = try #require(try exchange.finish(bytes(Self.clientFinal)))
        #expect(text(proof.serverFinal) == Self.serverFinal)
        #expect(proof.keys == (try SCRAMKeys(saltedPassword: Self.saltedPassword())))
    }

    @Test func `no bit of the proof can be changed`() throws {
        let verifier = try SCRAMVerifier(
            saltedPassword: Self.saltedPassword(), salt: Self.salt, iterations: 4096)
        let exchange = SCRAMServerExchange(
            try SCRAMClientFirst(parsing: bytes(Self.clientFirst)), nonce: bytes(Self.serverNonce),
            verifier: verifier)
        let start = try #require(Self.clientFinal.range(of: ",p="))
        let before = bytes(String(Self.clientFinal[..<start.upperBound]))
        let proof = try #require(Base64.decode(bytes(String(Self.clientFinal[start.upperBound...]))))
        for bit in 0..<(proof.count * 8) {
            var changed = proof
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(try exchange.finish(before + Base64.encode(changed)) == nil)
        }
    }
}

extension String {
    /// Where another string first stands in this one (Foundation is not needed for that).
    fileprivate func range(of other: String) -> Range<Index>? {
        indices.first { self[$0...].hasPrefix(other) }.map { $0..<index($0, offsetBy: other.count) }
    }
}
