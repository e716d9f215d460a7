/// What `--version` prints.
public enum Version {
    public static let number = "1.0"
    public static let line = "pgpool-launch \(number)"
}
