import CFuzzer
import Wire

/// Any bytes as a startup packet, and its `options` (or all bytes) as options.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzStartup(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    switch StartupPacket.parse(bytes[...]) {
    case .needMore:
        precondition(count < 10_004)
    case .invalid:
        break
    case .malformed(let fields), .outdated(let fields):
        precondition(fields.severity == .fatal && fields.frame.count > 5)
    case .packet(let packet, let size):
        precondition(size >= 8 && size <= count)
        // What was read doesn't depend on what follows, nor on where it stood.
        let moved = [0, 0, 0] + bytes[..<size]
        precondition(StartupPacket.parse(moved[3...]) == .packet(packet, size: size))
        for shorter in 0..<min(size, 64) { precondition(StartupPacket.parse(bytes[..<shorter]) == .needMore) }
        if case .startup(let minor, let parameters, let options) = packet, minor == 0, options.isEmpty {
            precondition(StartupPacket.startupPacket(parameters) == Array(bytes[..<size]))
        }
        if case .startup(_, let parameters, _) = packet {
            for parameter in parameters { fuzzOptions(parameter.value) }
        }
    }
    fuzzOptions(bytes)
    return 0
}

private func fuzzOptions(_ bytes: [UInt8]) {
    do throws(ErrorFields) {
        for setting in try StartupOptions.settings(bytes) {
            precondition(!setting.name.isEmpty && !setting.name.contains(UInt8(ascii: "=")))
        }
    } catch {
        precondition(error.severity == .fatal)
    }
}

@_cdecl("fuzz_startup_main")
public func fuzzStartupMain(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments, { fuzzStartup($0, $1) })
}
