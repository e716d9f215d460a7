import CHost
import Glibc
import Testing

@testable import LaunchConfig

@Suite struct SmallPartsTests {
    @Test func nearestNames() {
        #expect(nearestName(to: "pol_mode", among: ["pool_mode", "pool_size"]) == "pool_mode")
        #expect(nearestName(to: "xyzzy", among: ["pool_mode"]) == nil)
        #expect(editDistance(Array("ab".utf8), Array("ba".utf8)) == 1)
        #expect(editDistance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
        #expect(editDistance([], Array("abc".utf8)) == 3)
    }

    @Test func logLines() {
        let time = timespec(tv_sec: 1_767_268_800, tv_nsec: 7_999_999)
        let line = String(
            decoding: LogLine.bytes(CARPOOL_LOG_WARNING, "a\nb\u{1b}[1m ü", at: time, pid: 42), as: UTF8.self)
        let shape = #/2026-01-0[12] \d\d:\d\d:00\.007 [-+A-Z0-9]+ \[42\] WARNING a\?b\?\[1m ü\n/#
        #expect(line.wholeMatch(of: shape) != nil, "\(line)")
        for (level, word) in [
            (CARPOOL_LOG_DEBUG, "DEBUG"), (CARPOOL_LOG_INFO, "LOG"), (CARPOOL_LOG_ERROR, "ERROR"),
        ] {
            let text = String(decoding: LogLine.bytes(level, "x", at: time, pid: 1), as: UTF8.self)
            #expect(text.hasSuffix("[1] \(word) x\n"))
        }
    }

    @Test func restartCount() {
        func add(_ time: Int64, to count: inout RestartCount) -> Bool { count.add(time) }
        var count = RestartCount(nil)
        let first = (0..<10).map { add($0, to: &count) }
        #expect(!first.contains(false))
        let oneTooMany = add(10, to: &count)
        #expect(!oneTooMany)
        var next = RestartCount(count.text)
        #expect(next == count)
        // those of a minute ago are forgotten
        let later = add(65, to: &next)
        #expect(later && next.text == "6,7,8,9,10,65")
        // after a reboot the clock starts anew
        let anew = add(1, to: &next)
        #expect(anew && next.text == "1")
        #expect(RestartCount("x,,5").times == [5])
    }

    @Test func settingsAsText() throws {
        for setting in Setting.all {
            var settings = CarpoolSettings.standard
            try settings.set(setting, to: setting.standard)
            #expect(settings.text(of: setting) == setting.standard)
        }
        #expect(Setting.named("unix_socket_mode")?.standard == "0777")
        #expect(Setting.named("pool_mode")?.valueWord == "session|transaction|statement")
        #expect(Setting.named("gone") == nil)
    }

    @Test func textsInC() {
        var error = CarpoolError(sqlstate: "3D000", message: String(repeating: "m", count: 400), hint: "h")
        #expect(text(of: error.sqlstate) == "3D000")
        #expect(text(of: error.message)?.utf8.count == 319)
        #expect(text(of: error.detail) == "" && text(of: error.hint) == "h")
        error.hint.0 = -1
        #expect(text(of: error.hint) == nil)
    }
}
