import Wire

/// What a client is told when it has proved who it is; with what comes next.
let authenticationOk: [UInt8] = {
    var writer = FrameWriter()
    writer.frame(BackendTag.authentication) { $0.int32(0) }
    return writer.bytes
}()

/// All that a client is told at the end of its login.
/// - Parameter told: the ParameterStatus messages of its session.
func welcomeMessages(_ told: [UInt8], processID: UInt32, secret: UInt32) -> [UInt8] {
    var writer = FrameWriter()
    writer.raw(authenticationOk)
    writer.raw(told)
    writer.frame(BackendTag.backendKeyData) {
        $0.int32(processID)
        $0.int32(secret)
    }
    writer.readyForQuery()
    return writer.bytes
}
