import CCrypto

/// The primitives of logins on arrays of bytes. Each throws XX000 where libcrypto refuses
/// (out of memory, or MD5 on a machine that forbids it).
enum Crypto {
    static let sha256Size = Int(CARPOOL_SHA256_SIZE)
    static let md5Size = Int(CARPOOL_MD5_SIZE)

    static func sha256(_ data: [UInt8]) throws(LoginFailure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: sha256Size)
        let good = unsafe data.withUnsafeBufferPointer { data in
            unsafe digest.withUnsafeMutableBufferPointer { digest in
                unsafe carpool_sha256(data.baseAddress, data.count, digest.baseAddress)
            }
        }
        guard good else { throw LoginFailure.crypto("SHA-256") }
        return digest
    }

    static func hmac(key: [UInt8], _ data: [UInt8]) throws(LoginFailure) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: sha256Size)
        let good = unsafe key.withUnsafeBufferPointer { key in
            unsafe data.withUnsafeBufferPointer { data in
                unsafe mac.withUnsafeMutableBufferPointer { mac in
                    unsafe carpool_hmac_sha256(
                        key.baseAddress, key.count, data.baseAddress, data.count, mac.baseAddress)
                }
            }
        }
        guard good else { throw LoginFailure.crypto("HMAC-SHA-256") }
        return mac
    }

    static func md5(_ data: [UInt8]) throws(LoginFailure) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: md5Size)
        let good = unsafe data.withUnsafeBufferPointer { data in
            unsafe digest.withUnsafeMutableBufferPointer { digest in
                unsafe carpool_md5(data.baseAddress, data.count, digest.baseAddress)
            }
        }
        guard good else { throw LoginFailure.crypto("MD5") }
        return digest
    }

    /// Equality in a time that tells nothing but the lengths.
    static func equal(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return unsafe one.withUnsafeBufferPointer { one in
            unsafe other.withUnsafeBufferPointer { other in
                unsafe carpool_equal(one.baseAddress, other.baseAddress, one.count)
            }
        }
    }

    static func xor(_ one: [UInt8], _ other: [UInt8]) -> [UInt8] {
        zip(one, other).map { $0 ^ $1 }
    }
}
