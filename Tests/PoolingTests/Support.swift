import FixedStorage
import Wire

@testable import Pooling

/// A seeded generator (SplitMix64), so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ end: Int) -> Int { Int.random(in: 0..<end, using: &self) }

    /// True in so many of a hundred cases.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    /// One of the choices; each stands as often as its weight says.
    mutating func pick<Choice>(_ choices: [(weight: Int, Choice)]) -> Choice {
        var left = below(choices.reduce(0) { $0 + $1.weight })
        for (weight, choice) in choices {
            if left < weight { return choice }
            left -= weight
        }
        return choices[0].1
    }
}

func tag(_ character: Character) -> UInt8 { character.asciiValue ?? 0 }

/// A frame with this tag and body.
func frame(_ tag: UInt8, _ body: [UInt8] = []) -> [UInt8] {
    var writer = FrameWriter()
    writer.frame(tag) { $0.raw(body) }
    return writer.bytes
}

/// ReadyForQuery with this status.
func ready(_ status: UInt8 = TransactionStatus.idle) -> [UInt8] { frame(BackendTag.readyForQuery, [status]) }

/// Zeroed memory for a table; a test never gives it back, as the worker doesn't.
func reserve(_ size: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return memory
}
