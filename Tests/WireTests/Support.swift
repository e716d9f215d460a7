import TestSupport

@testable import Wire

/// The four bytes of a number in network order.
func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

func parameter(_ name: String, _ value: String) -> StartupPacket.Parameter {
    StartupPacket.Parameter(name: bytes(name), value: bytes(value))
}
