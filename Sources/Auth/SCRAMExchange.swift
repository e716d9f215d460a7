/// One exchange from our first answer on, where we are the server.
struct SCRAMServerExchange {
    private let clientFirst: SCRAMClientFirst
    private let verifier: SCRAMVerifier
    private let nonce: [UInt8]
    let serverFirst: [UInt8]

    /// `nonce` is our part of it, printable.
    init(_ clientFirst: SCRAMClientFirst, nonce: [UInt8], verifier: SCRAMVerifier) {
        self.clientFirst = clientFirst
        self.verifier = verifier
        self.nonce = clientFirst.nonce + nonce
        serverFirst =
            SCRAMServerFirst(
                nonce: self.nonce, salt: verifier.salt, iterations: verifier.iterations
            ).bytes
    }

    /// Checks the client-final-message: the server-final-message and the keys that the proof
    /// revealed, or nil where the proof is wrong. Throws for a message that is no proof at all.
    func finish(_ message: [UInt8]) throws(LoginFailure) -> (serverFinal: [UInt8], keys: SCRAMKeys)? {
        let final = try SCRAMClientFinal(parsing: message, bindingFlag: clientFirst.bindingFlag)
        guard Crypto.equal(final.nonce, nonce) else {
            throw .protocolViolation("invalid SCRAM response", detail: "Nonce does not match.")
        }
        let text = SCRAM.authMessage(
            firstBare: clientFirst.bare, serverFirst: serverFirst, finalWithoutProof: final.withoutProof)
        let clientKey = Crypto.xor(final.proof, try Crypto.hmac(key: verifier.storedKey, text))
        guard Crypto.equal(try Crypto.sha256(clientKey), verifier.storedKey) else { return nil }
        let signature = try Crypto.hmac(key: verifier.serverKey, text)
        let keys = SCRAMKeys(
            clientKey: clientKey, serverKey: verifier.serverKey, storedKey: verifier.storedKey)
        return (Array("v=".utf8) + Base64.encode(signature), keys)
    }
}

/// One exchange where we are the client.
struct SCRAMClientExchange {
    private let nonce: [UInt8]
    private let firstBare: [UInt8]
    private var serverFirst: [UInt8] = []
    private var offer: SCRAMServerFirst?
    private var serverSignature: [UInt8] = []

    private static let header = Array("n,,".utf8)
    private static let maxNonce = 1024
    private static let maxSalt = 1024

    /// `nonce` is our part of it, printable. PostgreSQL ignores the name; libpq sends none.
    init(nonce: [UInt8], user: [UInt8] = []) {
        self.nonce = nonce
        firstBare = Array("n=".utf8) + user + Array(",r=".utf8) + nonce
    }

    var clientFirst: [UInt8] { Self.header + firstBare }

    /// Takes the server-first-message: what to hash the password with. A hostile server's
    /// nonce and salt are bounded here, its iterations by the caller.
    mutating func received(serverFirst message: [UInt8]) throws(LoginFailure) -> SCRAMServerFirst {
        let offer = try SCRAMServerFirst(parsing: message)
        guard offer.nonce.count <= Self.maxNonce, offer.salt.count <= Self.maxSalt else {
            throw .malformedSCRAM(
                "Nonce and salt of the server-first-message may have \(Self.maxNonce) bytes each.")
        }
        guard offer.nonce.count > nonce.count, offer.nonce.starts(with: nonce), SCRAM.isPrintable(offer.nonce)
        else { throw .protocolViolation("invalid SCRAM response", detail: "Nonce does not match.") }
        serverFirst = message
        self.offer = offer
        return offer
    }

    /// The client-final-message, once the server-first-message was taken.
    mutating func clientFinal(_ keys: SCRAMKeys) throws(LoginFailure) -> [UInt8] {
        let withoutProof =
            Array("c=".utf8) + Base64.encode(Self.header) + Array(",r=".utf8) + (offer?.nonce ?? [])
        let text = SCRAM.authMessage(
            firstBare: firstBare, serverFirst: serverFirst, finalWithoutProof: withoutProof)
        serverSignature = try Crypto.hmac(key: keys.serverKey, text)
        let proof = Crypto.xor(keys.clientKey, try Crypto.hmac(key: keys.storedKey, text))
        return withoutProof + Array(",p=".utf8) + Base64.encode(proof)
    }

    /// Whether the server knows the verifier too.
    func isGenuine(_ signature: [UInt8]) -> Bool {
        !serverSignature.isEmpty && Crypto.equal(signature, serverSignature)
    }
}
