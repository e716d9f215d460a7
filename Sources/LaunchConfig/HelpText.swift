/// What `--help` prints; the options come from the table of settings.
public enum HelpText {
    private static let usage = """
        Usage: pgpool-launch FILE.ini [OPTION VALUE]...
               pgpool-launch --server HOST:PORT [--listen ADDR:PORT] [OPTION VALUE]...

        Pools connections to PostgreSQL servers. FILE.ini is a pgbouncer.ini.
        Options go before environment variables, those before FILE.ini, that before defaults.
        The variable of --some-option is CARPOOL_SOME_OPTION.

        Where to
          --server ADDRESS
              Server of all databases that FILE.ini does not name: HOST, HOST:PORT,
              [IPV6]:PORT, or the directory of a Unix socket, /DIR or /DIR:PORT.
          --listen ADDR:PORT
              Same as --listen-addr ADDR --listen-port PORT.

        What to do
          --check
              Check the configuration, print what holds and where it came from.
          --version, -V
              Print the version.
          --help, -h
              Print this text.

        Settings (times are seconds, or have a unit: ms, s, min, h, d)

        """

    private static let end = """

        Signals
          SIGHUP   read FILE.ini and auth_file again, open logfile again
          SIGTERM  stop listening, leave when all clients have left; a second one: leave now
          SIGINT   stop listening, let clients go after their transactions; a second one: leave now
          SIGQUIT  leave now

        Exit status
          0   all is well
          1   the configuration has errors, which are on standard error
          2   can't start: port taken, pidfile held by a running process
          64  the command line makes no sense

        """

    public static let text: String = {
        var text = usage
        for setting in Setting.all where !setting.isScopedOnly && !setting.isHidden {
            let short = setting.name == "user" ? ", -u" : ""
            text += "  \(setting.option)\(short) \(setting.valueWord)\n"
            text += wrapped(setting.help, end: setting.standard, indent: 6, width: 90)
        }
        return text + end
    }()

    /// Lines of at most width columns; the default at the end is not cut in two.
    static func wrapped(_ text: String, end: String, indent: Int, width: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = margin
        let words = text.split(separator: " ").map(String.init)
        for word in words + (end.isEmpty ? [] : ["Default: \(end)"]) {
            if line.count > indent, line.count + 1 + word.count > width {
                lines.append(line)
                line = margin
            }
            line += (line.count > indent ? " " : "") + word
        }
        return (lines + [line]).map { $0 + "\n" }.joined()
    }
}
