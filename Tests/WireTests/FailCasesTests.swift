import Foundation
import TestSupport
import Testing

@testable import Wire

/// Inputs that a parser once failed on, kept by the fuzzers (Fuzz/README.md).
@Suite struct FailCasesTests {
    static func cases(_ fuzzer: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fuzz/FailCases/\(fuzzer)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            (name, try Array(Data(contentsOf: folder.appending(path: name))))
        }
    }

    @Test func `startup packets`() throws {
        let cases = try Self.cases("startup")
        #expect(!cases.isEmpty)
        for (name, bytes) in cases {
            switch StartupPacket.parse(bytes[...]) {
            case .needMore: #expect(bytes.count < 10_004, "\(name)")
            case .invalid: break
            case .malformed(let fields), .outdated(let fields): #expect(fields.severity == .fatal, "\(name)")
            case .packet(let packet, let size):
                #expect(StartupPacket.parse(bytes[..<size]) == .packet(packet, size: size), "\(name)")
                guard case .startup(_, let parameters, _) = packet else { continue }
                for parameter in parameters { Self.options(parameter.value, name) }
            }
            Self.options(bytes, name)
        }
    }

    static func options(_ bytes: [UInt8], _ name: String) {
        do throws(ErrorFields) {
            for setting in try StartupOptions.settings(bytes) { #expect(!setting.name.isEmpty, "\(name)") }
        } catch {
            #expect(error.severity == .fatal, "\(name)")
        }
        do throws(ErrorFields) {
            for setting in try StartupSwitches.settings(bytes) { #expect(!setting.name.isEmpty, "\(name)") }
        } catch {
            #expect(error.severity == .fatal, "\(name)")
        }
    }

    @Test func `bodies of errors`() throws {
        let cases = try Self.cases("errors")
        #expect(!cases.isEmpty)
        for (name, bytes) in cases {
            let fields = ErrorFields(body: bytes[...])
            let again = ErrorFields(body: fields.frame.dropFirst(5))
            #expect(again.message == fields.message && fields.sqlstate.utf8.count >= 5, "\(name)")
        }
    }
}
