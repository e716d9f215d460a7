import CHost
import CLaunch

/// A row of the table of settings (CHost/include/settings.def).
public struct Setting: Sendable, Equatable {
    /// Static storage of the C table.
    let info: UnsafeInfo
    public let name: String
    public let help: String
    let flags: Int

    /// Points into a constant table, so any thread may have it.
    struct UnsafeInfo: @unchecked Sendable {
        let pointer: UnsafePointer<CarpoolSettingInfo>
    }

    private init(_ pointer: UnsafePointer<CarpoolSettingInfo>) {
        info = UnsafeInfo(pointer: pointer)
        name = String(cString: pointer.pointee.name)
        help = String(cString: pointer.pointee.help)
        flags = Int(pointer.pointee.flags)
    }

    public static func == (a: Setting, b: Setting) -> Bool { a.name == b.name }

    /// All settings, in the table's order.
    public static let all: [Setting] = (0..<carpool_setting_count).map { Setting(claunch_setting($0)) }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    public static func named(_ name: String) -> Setting? { byName[name] }

    public var needsRestart: Bool { flags & Int(CARPOOL_SET_RESTART) != 0 }
    public var isPerDatabase: Bool { flags & Int(CARPOOL_SET_DATABASE) != 0 }
    public var isPerUser: Bool { flags & Int(CARPOOL_SET_USER) != 0 }
    public var isScopedOnly: Bool { flags & Int(CARPOOL_SET_SCOPED_ONLY) != 0 }
    public var isHidden: Bool { flags & Int(CARPOOL_SET_HIDDEN) != 0 }

    /// `--default-pool-size`
    public var option: String { "--" + String(name.map { $0 == "_" ? "-" : $0 }) }
    /// `CARPOOL_DEFAULT_POOL_SIZE`
    public var variable: String { "CARPOOL_" + name.uppercased() }
    /// The default as text.
    public var standard: String { CarpoolSettings.standard.text(of: self) }

    /// What the help shows as the option's value.
    public var valueWord: String {
        switch info.pointer.pointee.kind {
        case CARPOOL_KIND_BOOL: "0|1"
        case CARPOOL_KIND_INT: "NUMBER"
        case CARPOOL_KIND_TIME: "TIME"
        case CARPOOL_KIND_ENUM: choices.joined(separator: "|")
        default: "TEXT"
        }
    }

    private var choices: [String] {
        guard var choice = info.pointer.pointee.choices else { return [] }
        var names: [String] = []
        while let name = choice.pointee {
            names.append(String(cString: name))
            choice += 1
        }
        return names
    }
}

/// Why a value was not taken.
public struct SettingError: Error, Equatable {
    public let message: String
}

extension CarpoolSettings {
    /// All defaults.
    public static let standard: CarpoolSettings = {
        var settings = CarpoolSettings()
        carpool_settings_defaults(&settings)
        return settings
    }()

    /// Reads text into the field of setting; throws the parser's sentence.
    public mutating func set(_ setting: Setting, to text: String) throws(SettingError) {
        var error = [CChar](repeating: 0, count: 512)
        guard carpool_setting_parse(setting.info.pointer, text, &self, &error, error.count) else {
            throw SettingError(message: "\(setting.name): \(string(of: error))")
        }
    }

    /// The field's value as `set` takes it.
    public func text(of setting: Setting) -> String {
        var text = [CChar](repeating: 0, count: 4096)
        withUnsafePointer(to: self) {
            carpool_setting_format(setting.info.pointer, $0, &text, text.count)
        }
        return string(of: text)
    }

    /// Takes the field of setting from other.
    mutating func take(_ setting: Setting, from other: CarpoolSettings) {
        let start = setting.info.pointer.pointee.offset
        let range = start..<(start + setting.info.pointer.pointee.size)
        withUnsafeMutableBytes(of: &self) { mine in
            withUnsafeBytes(of: other) { theirs in
                mine[range].copyBytes(from: theirs[range])
            }
        }
    }
}

/// The text before the NUL.
func string(of characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
