import Engine
import Pooling
import Wire

/// The packets with which a client begins: it may ask for encryption, then it says who it is and what
/// its session is to have. Bytes in, what they come to out.
struct ClientStartup {
    /// What a client's first packets are held against.
    struct Terms {
        /// The host's; see `Host`.
        let hostName: String
        let keepsOIDs: Bool
        /// ignore_startup_parameters, in lower case.
        let ignored: Set<String>
        /// Why no client is let in now; nil: clients are.
        let refusal: ErrorFields?
    }

    /// What a packet comes to.
    enum Step {
        case needMore
        /// The client is told that there is no encryption, and then, if need be, why it is closed.
        case noEncryption(refusal: ErrorFields?)
        case cancel(processID: UInt32, secret: UInt32)
        /// It has said who it is; it is sent this before anything else.
        case identified(negotiation: [UInt8])
        case refused(ErrorFields)
        /// A protocol before 3.0: the error has the form of that.
        case outdated(ErrorFields)
        /// No packet at all, and why; only the log tells.
        case invalid(String)
    }

    private(set) var user: [UInt8] = []
    private(set) var database: [UInt8] = []
    /// Settings of the startup packet, the later ones overriding the earlier.
    private(set) var sent = StartupSettings()
    /// What is wrong with its `options`, which the client hears when it has proved who it is.
    private(set) var optionsFailure: ErrorFields?
    /// SSLRequest and GSSENCRequest may come once each.
    private var sawSSL = false
    private var sawGSS = false

    var names: String {
        user.isEmpty
            ? "(nodb)/(nouser)"
            : "\(String(decoding: database, as: UTF8.self))/\(String(decoding: user, as: UTF8.self))"
    }

    /// Takes the next packet off a client's input, if it is there.
    mutating func read(_ stream: inout Stream, _ terms: Terms) -> Step {
        switch StartupPacket.parse(stream.input.array[...]) {
        case .needMore: return .needMore
        case .malformed(let error): return .refused(error)
        case .invalid(let why): return .invalid(why)
        case .outdated(let error): return .outdated(error)
        case .packet(let packet, let size):
            stream.input.drop(size)
            if stream.input.isEmpty { stream.input.giveBack() }
            return take(packet, isLast: stream.input.isEmpty, terms)
        }
    }

    private mutating func take(_ packet: StartupPacket, isLast: Bool, _ terms: Terms) -> Step {
        switch packet {
        case .sslRequest:
            guard !sawSSL else { return .refused(StartupPacket.unsupported(StartupPacket.sslCode)) }
            sawSSL = true
            return .noEncryption(refusal: isLast ? nil : Self.unencryptedData(after: "SSL"))
        case .gssEncryptionRequest:
            guard !sawGSS else { return .refused(StartupPacket.unsupported(StartupPacket.gssCode)) }
            sawGSS = true
            return .noEncryption(refusal: isLast ? nil : Self.unencryptedData(after: "GSSAPI encryption"))
        case .cancelRequest(let processID, let secret):
            return .cancel(processID: processID, secret: secret)
        case .startup(let minor, let parameters, let options):
            if let refusal = terms.refusal { return .refused(refusal) }
            do {
                try keep(parameters, terms)
            } catch {
                return .refused(error)
            }
            let isNewer = minor > 0 || !options.isEmpty
            return .identified(negotiation: isNewer ? Self.negotiation(options) : [])
        }
    }

    /// Somebody in between may have put it there, for the client to take the answer for the server's.
    private static func unencryptedData(after request: String) -> ErrorFields {
        ErrorFields(
            .fatal, "08P01", "received unencrypted data after \(request) request",
            detail: "This could be either a client-software bug or evidence of an attempted "
                + "man-in-the-middle attack.")
    }

    /// NegotiateProtocolVersion: 3.0 is the newest we speak, and no options.
    private static func negotiation(_ options: [[UInt8]]) -> [UInt8] {
        var writer = FrameWriter()
        writer.frame(BackendTag.negotiateProtocolVersion) { body in
            body.int32(3 << 16)
            body.int32(UInt32(options.count))
            for option in options { body.string(option) }
        }
        return writer.bytes
    }

    /// Names and parameters of the startup packet.
    private mutating func keep(
        _ parameters: [StartupPacket.Parameter], _ terms: Terms
    ) throws(ErrorFields) {
        var options: [StartupPacket.Parameter] = []
        var settings: [StartupPacket.Parameter] = []
        for parameter in parameters {
            switch String(decoding: parameter.name, as: UTF8.self) {
            case "user": user = parameter.value
            case "database": database = parameter.value
            case "options": options += try self.options(parameter.value, terms)
            case "replication": try Self.checkReplication(parameter.value, terms)
            default: settings.append(parameter)
            }
        }
        guard !user.isEmpty else {
            throw ErrorFields(.fatal, "28000", "no PostgreSQL user name specified in startup packet")
        }
        // PostgreSQL cuts names at NAMEDATALEN - 1.
        user = Array(user.prefix(63))
        database = database.isEmpty ? user : Array(database.prefix(63))
        // PostgreSQL takes those of the options first.
        for setting in options + settings { try sent.append(setting) }
    }

    /// Inside the database it takes a server to know whether there are agents.
    private mutating func options(
        _ value: [UInt8], _ terms: Terms
    ) throws(ErrorFields) -> [StartupPacket.Parameter] {
        guard terms.keepsOIDs else { return try StartupOptions.settings(value) }
        do throws(ErrorFields) {
            return try StartupSwitches.settings(value)
        } catch {
            optionsFailure = error
            return []
        }
    }

    private static func checkReplication(_ value: [UInt8], _ terms: Terms) throws(ErrorFields) {
        let text = String(decoding: value, as: UTF8.self)
        let isOn = StartupPacket.boolean(text)
        if text == "database" || isOn == true {
            throw ErrorFields(
                .fatal, "0A000", "replication connections are not supported by \(terms.hostName)",
                hint: "Connect to the server's own port for replication.")
        }
        guard isOn == nil else { return }
        throw ErrorFields(
            .fatal, "22023", "invalid value for parameter \"replication\": \"\(text)\"",
            hint: "Valid values are: \"false\", 0, \"true\", 1, \"database\".")
    }

    /// The parameters that can follow a client without agents; throws 0A000 where there are others.
    func trackedParameters(ignoring ignored: Set<String>) throws(ErrorFields) -> ParameterValues {
        var wanted = ParameterSets.noValues
        for setting in sent {
            let name = String(decoding: setting.name, as: UTF8.self)
            guard let index = TrackedParameter.index(setting.name) else {
                if ignored.contains(name.lowercased()) { continue }
                throw ErrorFields(
                    .fatal, "0A000", "unsupported startup parameter: \(name)",
                    hint: "Add it to ignore_startup_parameters to have it ignored.")
            }
            guard let value = TrackedParameter.taken(index, setting.value) else {
                let shown = String(decoding: setting.value, as: UTF8.self)
                throw ErrorFields(.fatal, "22023", "invalid value for parameter \"\(name)\": \"\(shown)\"")
            }
            wanted[index] = value
        }
        return wanted
    }

    /// The parameters but those to be ignored; tracked ones never are.
    func agentParameters(ignoring ignored: Set<String>) -> [StartupPacket.Parameter] {
        if ignored.isEmpty { return Array(sent) }
        return sent.filter {
            TrackedParameter.index($0.name) != nil
                || !ignored.contains(String(decoding: $0.name, as: UTF8.self).lowercased())
        }
    }
}
