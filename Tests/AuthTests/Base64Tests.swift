import TestSupport
import Testing

@testable import Auth

@Suite struct Base64Tests {
    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func `the RFC's vectors hold both ways`(plain: String, encoded: String) {
        #expect(text(Base64.encode(bytes(plain))) == encoded)
        #expect(Base64.decode(bytes(encoded)) == bytes(plain))
    }

    @Test func `all bytes come back at every length`() {
        var generator = SeededGenerator(seed: 1)
        for length in 0..<200 {
            let data = generator.bytes(length)
            #expect(Base64.decode(Base64.encode(data)) == data)
        }
        let all = Array(UInt8.min...UInt8.max)
        #expect(Base64.decode(Base64.encode(all)) == all)
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "=", "====", "===", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zm-_", "Zg=a",
        "Z=g=",
        "Zm9v=", "Zm9vZ", "Zm\u{e9}9",
    ])
    func `anything else is refused`(encoded: String) {
        #expect(Base64.decode(bytes(encoded)) == nil)
    }
}
