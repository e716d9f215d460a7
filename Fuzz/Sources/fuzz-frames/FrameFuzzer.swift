import CFuzzer
import FixedStorage
import Pooling
import Wire

/// Any bytes as a client's and as a server's stream. The first byte says where it is cut in
/// two and which mode the pool is in; whole and cut it must come to the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    let cut = min(Int(start[0] >> 2), bytes.count)
    let mode: PoolMode = start[0] & 1 == 0 ? .session : start[0] & 2 == 0 ? .transaction : .statement
    precondition(scan(bytes, cut: 0, fromClient) == scan(bytes, cut: cut, fromClient))
    let fromServer: (ByteView, inout Int, inout Traffic) -> Scan = { view, bodyLeft, traffic in
        FrameScan.backend(view, bodyLeft: &bodyLeft, traffic: &traffic, mode: mode)
    }
    precondition(scan(bytes, cut: 0, fromServer) == scan(bytes, cut: cut, fromServer))
    return 0
}

private struct Outcome: Equatable {
    var taken = 0
    var stop = Scan.Stop.end
    var bodyLeft = 0
    var isReleasable = false
    var isUncertain = false
}

private func fromClient(_ view: ByteView, _ bodyLeft: inout Int, _ traffic: inout Traffic) -> Scan {
    FrameScan.frontend(view, bodyLeft: &bodyLeft, traffic: &traffic)
}

/// Scans the bytes up to the cut, then what is left with the rest; some requests are under way.
private func scan(
    _ bytes: [UInt8], cut: Int, _ step: (ByteView, inout Int, inout Traffic) -> Scan
) -> Outcome {
    var traffic = Traffic()
    for tag in [FrontendTag.query, FrontendTag.query] { _ = traffic.frontend(tag) }
    var outcome = Outcome()
    for end in cut == 0 ? [bytes.count] : [cut, bytes.count] where outcome.stop == .end {
        let part = Array(bytes[outcome.taken..<end])
        let scan = part.withByteView { step($0, &outcome.bodyLeft, &traffic) }
        precondition(scan.taken >= 0 && scan.taken <= part.count && outcome.bodyLeft >= 0)
        // All is taken but a header that is not whole yet, or ReadyForQuery without its byte.
        precondition(scan.stop != .end || part.count - scan.taken <= 5)
        outcome.taken += scan.taken
        outcome.stop = scan.stop
    }
    (outcome.isReleasable, outcome.isUncertain) = (traffic.isReleasable, traffic.isUncertain)
    return outcome
}

@_cdecl("fuzz_frames_main")
public func fuzzFramesMain(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments, { fuzzFrames($0, $1) })
}
