import Testing

@testable import Wire

@Suite struct StartupSettingsTests {
    private func setting(_ name: String, _ value: String) -> StartupPacket.Parameter {
        .init(name: Array(name.utf8), value: Array(value.utf8))
    }

    @Test func `settings come back in their order`() throws {
        var settings = StartupSettings()
        let all = [setting("a", "1"), setting("b", ""), setting("a", "2")]
        for each in all { try settings.append(each) }
        #expect(Array(settings) == all)
        #expect(settings.bytes.count == 11)
    }

    @Test func `none are none`() {
        #expect(Array(StartupSettings()).isEmpty)
    }

    @Test func `too many are refused with 54000`() throws {
        var settings = StartupSettings()
        var refusal: ErrorFields?
        for _ in 0..<StartupSettings.most {
            do { try settings.append(setting("fsync", "false")) } catch { refusal = error }
        }
        #expect(refusal?.sqlstate == "54000")
        #expect(settings.bytes.count <= StartupSettings.most)
    }
}
