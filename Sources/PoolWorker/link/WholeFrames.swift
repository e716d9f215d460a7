import Engine
import FixedStorage
import Wire

/// Reads a stream frame by frame, where no client gets the bytes: whole frames are collected in the
/// stream's input block; bodies that are not needed are skipped as they come.
enum WholeFrames {
    enum Next {
        /// More bytes have to come.
        case needMore
        /// Something was skipped.
        case skipped
        /// The length is impossible, or beyond what is taken.
        case malformed
        case frame(tag: UInt8, body: ArraySlice<UInt8>)
    }

    /// Takes the next frame, or a piece of one to be skipped, off a stream's input.
    /// - Parameters:
    ///   - bodyLeft: bytes of the frame last begun that are still to be skipped.
    ///   - limit: the longest frame taken as one.
    ///   - isNeeded: whether frames with this tag are to be read whole.
    static func take(
        _ stream: inout Stream, _ bodyLeft: inout Int, limit: Int, isNeeded: (UInt8) -> Bool
    ) -> Next {
        if bodyLeft > 0 {
            let step = min(bodyLeft, stream.input.count)
            guard step > 0 else { return .needMore }
            stream.input.drop(step)
            bodyLeft -= step
            return .skipped
        }
        switch FrameHeader.read(stream.input.bytes, at: 0, limit: limit) {
        case .needMore: return .needMore
        case .malformed: return .malformed
        case .header(let tag, let body):
            guard isNeeded(tag) else {
                stream.input.drop(FrameHeader.size)
                bodyLeft = body
                return .skipped
            }
            guard body <= Block.size - 64 else { return .malformed }
            guard stream.input.count >= FrameHeader.size + body else { return .needMore }
            let frame = stream.input.array
            stream.input.drop(FrameHeader.size + body)
            return .frame(tag: tag, body: frame[FrameHeader.size..<FrameHeader.size + body])
        }
    }

    /// What is first in a link's input block.
    enum First {
        case frame([UInt8])
        /// Nothing, or a frame with another tag.
        case other
        /// More of it has to come.
        case needMore
        case malformed
        /// The stream has ended, in order or not.
        case ended
    }

    /// The frame that is first in a stream's input block, if it has this tag. What is missing of it is
    /// received behind it; it stays there.
    static func first(_ stream: inout Stream, _ tag: UInt8) -> First {
        while stream.input.hasMemory {
            let bytes = stream.input.array
            guard bytes.count >= FrameHeader.size, bytes[0] == tag else { return .other }
            let length = bytes[1...4].reduce(0) { $0 << 8 | Int($1) }
            if bytes.count > length { return .frame(Array(bytes[...length])) }
            guard length < Block.size - 16 else { return .malformed }
            let n = stream.receive()
            if n <= 0 { return n == Stream.wouldBlock ? .needMore : .ended }
        }
        return .other
    }
}
