import FixedStorage
import TestSupport
import Wire

@testable import Pooling

extension SeededGenerator {
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
