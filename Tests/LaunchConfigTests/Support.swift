import CHost
import Glibc

@testable import LaunchConfig

/// A reader of files that stand in the test.
func memory(_ files: [String: String]) -> FileReader {
    FileReader { path in
        files[path].map { .success(Array($0.utf8)) } ?? .failure(ReadError("No such file or directory"))
    }
}

/// Loads a configuration from a command line, with files and variables of the test.
func load(
    _ arguments: [String], files: [String: String] = [:], environment: [String: String] = [:]
) throws -> ConfigurationLoader {
    ConfigurationLoader(
        arguments: try LaunchArguments(arguments), environment: environment, files: memory(files))
}

/// Loads one ini file called t.ini; auth_type any, so that no auth_file is needed.
func loadIni(_ text: String, environment: [String: String] = [:]) throws -> ConfigurationLoader {
    try load(["t.ini", "--auth-type", "any"], files: ["t.ini": text], environment: environment)
}

extension ConfigurationLoader {
    /// All that was told, as printed.
    var told: [String] { diagnostics.all.map(\.description) }
}

/// Files beside this one: fixtures and golden texts.
enum Fixture {
    private static let folder =
        String(#filePath.prefix(through: #filePath.lastIndex(of: "/")!)) + "Fixtures/"

    static func text(_ name: String) throws -> String {
        String(decoding: try FileReader.system.read(folder + name).get(), as: UTF8.self)
    }

    /// The golden text; written anew when UPDATE_GOLDEN is set.
    static func golden(_ name: String, now text: String) throws -> String {
        if getenv("UPDATE_GOLDEN") != nil {
            let fd = open(folder + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            _ = Array(text.utf8).withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
            close(fd)
        }
        return try self.text(name)
    }
}

/// What the directory answers, as Swift values.
struct Answer {
    let raw: CarpoolAnswer
    var method: CarpoolMethod { CarpoolMethod(rawValue: UInt32(raw.numbers.method)) }
    var secret: String { text(of: raw.secret)! }
    var failure: String { "\(text(of: raw.failure.sqlstate)!) \(text(of: raw.failure.message)!)" }
    var detail: String { text(of: raw.failure.detail)! }
    var hasFailure: Bool { failure != " " }
    var hasRefusal: Bool { text(of: raw.refusal.message)! != "" }
    var user: String { text(of: raw.server_user)! }
    var database: String { text(of: raw.server_database)! }
    /// The address as text: `127.0.0.1:5432` or a path.
    var server: String {
        withUnsafeBytes(of: raw.server) { bytes in
            let port = Int(bytes[2]) << 8 | Int(bytes[3])
            switch Int32(raw.server.ss_family) {
            case AF_INET: return bytes[4..<8].map(String.init).joined(separator: ".") + ":\(port)"
            case AF_INET6: return "v6:\(port)"
            case AF_UNIX: return String(decoding: bytes[2...].prefix { $0 != 0 }, as: UTF8.self)
            default: return ""
            }
        }
    }
}

extension HostDirectory {
    func login(_ user: String, _ database: String) -> Answer {
        var question = CarpoolQuestion()
        question.ticket = CarpoolTicket(
            thread: 1, slot: 2, generation: 3, kind: UInt32(CARPOOL_ASK_LOGIN.rawValue))
        copy(user, to: &question.user)
        copy(database, to: &question.database)
        return ask(&question)
    }

    func route(_ login: Answer) -> Answer {
        var question = CarpoolQuestion()
        question.ticket.kind = UInt32(CARPOOL_ASK_ROUTE.rawValue)
        question.numbers.database_id = login.raw.numbers.database_id
        question.numbers.user_id = login.raw.numbers.user_id
        return ask(&question)
    }

    func ask(_ question: inout CarpoolQuestion) -> Answer {
        var answer = CarpoolAnswer()
        self.answer(&question, into: &answer)
        return Answer(raw: answer)
    }
}

/// A resolver that knows literals, and names as 10.0.0.N; and no Unix sockets but those given.
func resolver(_ names: [String: [UInt8]] = [:], sockets: Set<String> = []) -> Resolver {
    Resolver(
        resolve: { name, port in
            if let last = names[name] {
                return .success(last.flatMap { try! Resolver.system.resolve("10.0.0.\($0)", port).get() })
            }
            return Resolver.isLiteral(name)
                ? Resolver.system.resolve(name, port) : .failure(ReadError("Name or service not known"))
        },
        socketExists: { sockets.contains($0) })
}
