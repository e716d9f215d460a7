import FixedStorage
import Foundation
import Testing
import Wire

@testable import Pooling

/// Streams that a scan once failed on, kept by the fuzzers (Fuzz/README.md); the first byte is
/// where the stream is cut and how the pool runs, as the fuzzer reads it.
@Suite struct FailCasesTests {
    @Test func `streams of frames`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fuzz/FailCases/frames")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(!names.isEmpty)
        for name in names {
            let bytes = try Array(Data(contentsOf: folder.appending(path: name)))
            guard let flags = bytes.first else { continue }
            let stream = Array(bytes.dropFirst())
            for fromClient in [true, false] {
                let whole = Self.scan(stream, cuts: [], flags, fromClient: fromClient)
                let bytewise = Self.scan(stream, cuts: Array(0..<stream.count), flags, fromClient: fromClient)
                #expect(whole == bytewise, "\(name)")
            }
        }
    }

    /// What came of a stream that arrived in pieces.
    static func scan(_ stream: [UInt8], cuts: [Int], _ flags: UInt8, fromClient: Bool) -> String {
        var (traffic, bodyLeft, taken) = (Traffic(), 0, 0)
        let mode: PoolMode = flags & 1 == 0 ? .session : flags & 2 == 0 ? .transaction : .statement
        for tag in [FrontendTag.query, FrontendTag.query] { _ = traffic.frontend(tag) }
        var stop = Scan.Stop.end
        for end in cuts + [stream.count] where stop == .end && end >= taken {
            let scan = Array(stream[taken..<end]).withByteView { view in
                fromClient
                    ? FrameScan.frontend(view, bodyLeft: &bodyLeft, traffic: &traffic)
                    : FrameScan.backend(view, bodyLeft: &bodyLeft, traffic: &traffic, mode: mode)
            }
            taken += scan.taken
            stop = scan.stop
        }
        return "\(taken) \(stop) \(bodyLeft) \(traffic.isReleasable) \(traffic.isUncertain)"
    }
}
