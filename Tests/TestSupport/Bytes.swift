/// The UTF-8 bytes of a text.
public func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The text of UTF-8 bytes.
public func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }

/// Zeroed memory for a table; a test never gives it back, as the worker doesn't.
public func reserve(_ size: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return memory
}
