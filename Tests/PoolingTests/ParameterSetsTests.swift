import TestSupport
import Testing

@testable import Pooling

/// Values in the order of `TrackedParameter.names`, nil for those not given.
private func values(_ given: [String: String]) -> ParameterValues {
    TrackedParameter.names.map { given[$0].map(bytes) }
}

@Suite struct ParameterSetsTests {
    @Test func `equal values have one number`() {
        var sets = ParameterSets()
        let first = sets.number(for: values(["TimeZone": "UTC"]))
        let second = sets.number(for: values(["TimeZone": "UTC"]))
        let other = sets.number(for: values(["TimeZone": "Europe/Rome"]))
        #expect(first == second)
        #expect(first != other)
        #expect(sets.count == 3)
        #expect(sets.values(first) == values(["TimeZone": "UTC"]))
        #expect(sets.values(other) == values(["TimeZone": "Europe/Rome"]))
    }

    @Test func `no values that a server can have are the set of those not yet told`() {
        var sets = ParameterSets()
        #expect(sets.number(for: ParameterSets.noValues) != ParameterSets.unstarted)
        #expect(sets.number(for: values(["TimeZone": "UTC"])) != ParameterSets.unstarted)
        for _ in 0..<3 { sets.release(ParameterSets.unstarted) }
        #expect(sets.number(for: values(["TimeZone": "Europe/Rome"])) != ParameterSets.unstarted)
    }

    /// As check_application_name and truncate_identifier of PostgreSQL.
    @Test func `an application_name is cut and spelled as PostgreSQL does`() {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 70)
        #expect(TrackedParameter.applicationName(Array("psql".utf8)) == Array("psql".utf8))
        #expect(TrackedParameter.applicationName(long) == Array(long.prefix(63)))
        #expect(TrackedParameter.applicationName(Array("é".utf8)) == Array(#"\xc3\xa9"#.utf8))
        let cut = TrackedParameter.applicationName(Array(long.prefix(62)) + Array("é".utf8))
        #expect(cut == Array(long.prefix(62)))
        let whole = TrackedParameter.applicationName(Array(long.prefix(61)) + Array("éx".utf8))
        #expect(whole == Array(long.prefix(61)) + Array(#"\xc3\xa9"#.utf8))
        #expect(TrackedParameter.applicationName([]) == [])
        let masked = TrackedParameter.applicationName(Array("é\n".utf8), masked: true)
        #expect(masked == Array("???".utf8))
    }

    @Test func `no values are the unknown set, which never goes`() {
        var sets = ParameterSets()
        #expect(sets.number(for: ParameterSets.noValues) == ParameterSets.unknown)
        for _ in 0..<5 { sets.release(ParameterSets.unknown) }
        #expect(sets.values(ParameterSets.unknown) == ParameterSets.noValues)
        #expect(sets.number(for: ParameterSets.noValues) == ParameterSets.unknown)
        #expect(sets.count == 1)
    }

    @Test func `a number stays until its last reference goes, then serves others`() {
        var sets = ParameterSets()
        let number = sets.number(for: values(["DateStyle": "ISO, DMY"]))
        sets.retain(number)
        sets.release(number)
        #expect(sets.number(for: values(["DateStyle": "ISO, DMY"])) == number)
        sets.release(number)
        sets.release(number)
        #expect(sets.count == 1)
        let next = sets.number(for: values(["DateStyle": "German"]))
        #expect(next == number)
        #expect(sets.values(next) == values(["DateStyle": "German"]))
        #expect(sets.number(for: values(["DateStyle": "ISO, DMY"])) != next)
    }

    @Test(arguments: UInt64(0)..<10)
    func `random references leave the sets as a model has them`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var sets = ParameterSets()
        var held: [(number: UInt32, values: ParameterValues)] = []
        for step in 0..<1_000 {
            switch random.below(3) {
            case 0:
                let wanted = values(["TimeZone": "zone \(random.below(9))"])
                held.append((sets.number(for: wanted), wanted))
            case 1:
                guard let one = held.randomElement(using: &random) else { break }
                sets.retain(one.number)
                held.append(one)
            default:
                guard !held.isEmpty else { break }
                sets.release(held.remove(at: random.below(held.count)).number)
            }
            #expect(sets.count == Set(held.map(\.number)).count + 1, "seed \(seed), step \(step)")
            #expect(held.allSatisfy { sets.values($0.number) == $0.values }, "seed \(seed), step \(step)")
        }
    }

    @Test func `a server is told only what differs`() {
        let server = values(["TimeZone": "UTC", "application_name": "a", "client_encoding": "UTF8"])
        let client = values(["TimeZone": "UTC", "application_name": "b", "client_encoding": "LATIN1"])
        #expect(
            ParameterSets.settingQuery(from: server, to: client)
                == bytes("SET client_encoding TO  E'LATIN1';SET application_name TO  E'b';"))
    }

    @Test func `a server that suits is told nothing`() {
        let both = values(["TimeZone": "UTC"])
        #expect(ParameterSets.settingQuery(from: both, to: both) == nil)
        #expect(ParameterSets.settingQuery(from: both, to: ParameterSets.noValues) == nil)
    }

    @Test func `a value the server has not told is set`() {
        #expect(
            ParameterSets.settingQuery(from: ParameterSets.noValues, to: values(["TimeZone": "UTC"]))
                == bytes("SET TimeZone TO  E'UTC';"))
    }

    @Test func `quotes and backslashes stay inside the literal`() {
        let hostile = values(["application_name": #"a';DROP TABLE t;--\'\\"#])
        #expect(
            ParameterSets.settingQuery(from: ParameterSets.noValues, to: hostile)
                == bytes(#"SET application_name TO  E'a'';DROP TABLE t;--\\''\\\\';"#))
        #expect(ParameterSets.literal([]) == bytes(" E''"))
    }
}

@Suite struct TrackedParameterTests {
    @Test func `a name is known whatever the letters' case`() {
        for (index, name) in TrackedParameter.names.enumerated() {
            #expect(TrackedParameter.index(bytes(name)) == index)
            #expect(TrackedParameter.index(bytes(name.uppercased())) == index)
            #expect(TrackedParameter.index(bytes(name.lowercased())) == index)
            #expect(TrackedParameter.index(bytes(name + "s")) == nil)
        }
        #expect(TrackedParameter.index(bytes("work_mem")) == nil)
        #expect(TrackedParameter.index([]) == nil)
    }

    @Test func `only an application name means the same without a server`() {
        let plain = TrackedParameter.names.indices.filter(TrackedParameter.isPlain)
        #expect(plain.map { TrackedParameter.names[$0] } == ["application_name"])
    }

    @Test func `printable ASCII is clean as it is`() {
        let all = Array(UInt8(32)...126)
        for index in TrackedParameter.names.indices {
            #expect(TrackedParameter.clean(index, all) == all)
            #expect(TrackedParameter.clean(index, []) == [])
        }
    }

    @Test func `other bytes are spelled out in an application name and refused elsewhere`() {
        for byte in Array(UInt8(0)...31) + Array(UInt8(127)...255) {
            for (index, name) in TrackedParameter.names.enumerated() {
                let cleaned = TrackedParameter.clean(index, [0x61, byte])
                let digits = String(byte, radix: 16)
                let spelled = "a\\x" + (digits.count == 1 ? "0" : "") + digits
                #expect(cleaned == (name == "application_name" ? bytes(spelled) : nil), "byte \(byte)")
            }
        }
    }
}
