import CFuzzer
import Wire

/// Any bytes as the body of an ErrorResponse; what was read can be written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzErrors(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let fields = ErrorFields(body: bytes[...])
    precondition(fields.sqlstate.utf8.count >= 5)
    precondition(ErrorFields(body: fields.frame.dropFirst(5)).message == fields.message)
    return 0
}

@_cdecl("fuzz_errors_main")
public func fuzzErrorsMain(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments, { fuzzErrors($0, $1) })
}
