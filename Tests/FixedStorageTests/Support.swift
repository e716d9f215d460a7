@testable import FixedStorage

/// Zeroed memory for a table; a test never gives it back, as the worker doesn't.
func reserve(_ size: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return memory
}

/// The indices of a list from its first to its last, read by the links forward; nil where
/// the links backward don't tell the same.
func contents(_ list: SlotList, _ links: borrowing Links) -> [UInt32]? {
    var forward: [UInt32] = []
    var index = list.first
    while index != noIndex, forward.count <= list.count {
        forward.append(index)
        index = links[index].next
    }
    var backward: [UInt32] = []
    index = list.last
    while index != noIndex, backward.count <= list.count {
        backward.append(index)
        index = links[index].previous
    }
    return forward == backward.reversed() && forward.count == list.count ? forward : nil
}
