import CCrypto

/// SASLprep (RFC 4013) as PostgreSQL's saslprep.c does it on both ends of a connection, for
/// the password that goes into PBKDF2.
///
/// Bytes that are not UTF-8 or that SASLprep refuses are taken as they are, for passwords
/// have no declared encoding. Like PostgreSQL, prohibited characters and writing direction
/// are looked up before the normalisation, not after it.
enum SASLPrep {
    static func prepare(_ password: [UInt8]) -> [UInt8] {
        if password.allSatisfy({ $0 < 0x80 }) { return password }
        guard let text = String(validating: password, as: UTF8.self) else { return password }
        var mapped: [UInt32] = []
        for scalar in text.unicodeScalars {
            let kind = carpool_prep_class(scalar.value)
            if kind & UInt32(CARPOOL_PREP_SPACE) != 0 {
                mapped.append(0x20)
            } else if kind & UInt32(CARPOOL_PREP_NOTHING) == 0 {
                mapped.append(scalar.value)
            }
        }
        guard isAllowed(mapped) else { return password }
        var prepared: [UInt8] = []
        for code in Normalization.nfkc(mapped) {
            // surrogates can't come up: none is in the input or in a mapping
            guard let scalar = Unicode.Scalar(code) else { return password }
            prepared.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
        return prepared
    }

    /// RFC 3454's steps 3 and 4 with SASLprep's tables.
    private static func isAllowed(_ codes: [UInt32]) -> Bool {
        let kinds = codes.map(carpool_prep_class)
        guard let first = kinds.first, let last = kinds.last else { return false }
        func any(_ bits: Int32) -> Bool { kinds.contains { $0 & UInt32(bits) != 0 } }
        if any(CARPOOL_PREP_PROHIBITED | CARPOOL_PREP_UNASSIGNED) { return false }
        guard any(CARPOOL_PREP_RIGHT) else { return true }
        return !any(CARPOOL_PREP_LEFT) && first & last & UInt32(CARPOOL_PREP_RIGHT) != 0
    }
}

/// Unicode's normal form KC of code points that Unicode 3.2 assigns (UAX #15).
enum Normalization {
    static func nfkc(_ codes: [UInt32]) -> [UInt32] {
        var decomposed = codes.flatMap(decompose).map { code in
            (code: code, order: Unicode.Scalar(code)?.properties.canonicalCombiningClass.rawValue ?? 0)
        }
        sortMarks(&decomposed)
        return compose(decomposed)
    }

    /// Puts each run of marks in the order of their class, equal ones as they came.
    private static func sortMarks(_ codes: inout [(code: UInt32, order: UInt8)]) {
        var start = 0
        while start < codes.count {
            let end = codes[start...].firstIndex { $0.order == 0 } ?? codes.count
            if end - start > 1 {
                let sorted = codes[start..<end].enumerated().sorted {
                    ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
                }
                codes.replaceSubrange(start..<end, with: sorted.map(\.element))
            }
            start = end + 1
        }
    }

    private static func decompose(_ code: UInt32) -> [UInt32] {
        if let parts = Hangul.decompose(code) { return parts }
        var result = [UInt32](repeating: 0, count: Int(CARPOOL_DECOMPOSITION_MAX))
        let count = unsafe result.withUnsafeMutableBufferPointer { result in
            unsafe carpool_decompose(code, result.baseAddress)
        }
        return Array(result.prefix(Int(count)))
    }

    private static func compose(_ codes: [(code: UInt32, order: UInt8)]) -> [UInt32] {
        var result: [UInt32] = []
        var starter: Int?
        /// Class of what stands between starter and here; nil where nothing does.
        var between: UInt8?
        for (code, order) in codes {
            if let starter, between == nil || between! < order, let composed = pair(result[starter], code) {
                result[starter] = composed
                continue
            }
            if order == 0 {
                starter = result.count
                between = nil
            } else {
                between = order
            }
            result.append(code)
        }
        return result
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if let syllable = Hangul.compose(first, second) { return syllable }
        let composed = carpool_compose(first, second)
        return composed == 0 ? nil : composed
    }
}

/// Korean syllables are computed, not listed (The Unicode Standard, section 3.12).
private enum Hangul {
    static let syllables: UInt32 = 0xAC00
    static let leads: UInt32 = 0x1100
    static let vowels: UInt32 = 0x1161
    static let trails: UInt32 = 0x11A7
    static let leadCount: UInt32 = 19
    static let vowelCount: UInt32 = 21
    static let trailCount: UInt32 = 28

    static func decompose(_ code: UInt32) -> [UInt32]? {
        let count = leadCount * vowelCount * trailCount
        guard code >= syllables, code < syllables + count else { return nil }
        let index = code - syllables
        let trail = index % trailCount
        let pair = index / trailCount
        return [leads + pair / vowelCount, vowels + pair % vowelCount] + (trail == 0 ? [] : [trails + trail])
    }

    static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= leads, first < leads + leadCount, second >= vowels, second < vowels + vowelCount {
            return syllables + ((first - leads) * vowelCount + second - vowels) * trailCount
        }
        if first >= syllables, first < syllables + leadCount * vowelCount * trailCount,
            (first - syllables) % trailCount == 0, second > trails, second < trails + trailCount
        {
            return first + second - trails
        }
        return nil
    }
}
