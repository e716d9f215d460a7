import Glibc

extension Configuration {
    /// Checks what the settings say against the system: that users and directories are
    /// there. Nothing is changed.
    public func systemDiagnostics() -> Diagnostics {
        var diagnostics = Diagnostics()
        let user = text("user")
        if !user.isEmpty, getpwnam(user) == nil {
            diagnostics.error(origins["user"] ?? .standard, "user: there is no user \(user) on this system")
        }
        let socketDirectory = text("unix_socket_dir")
        // @ stands for the abstract namespace, where there are no directories
        if !socketDirectory.isEmpty, !socketDirectory.hasPrefix("@"), !Self.isDirectory(socketDirectory) {
            diagnostics.error(
                origins["unix_socket_dir"] ?? .standard,
                "unix_socket_dir: \(socketDirectory) is not a directory")
        }
        for name in ["logfile", "pidfile"] {
            let path = text(name)
            guard !path.isEmpty else { continue }
            let origin = origins[name] ?? .standard
            if Self.isDirectory(path) {
                diagnostics.error(origin, "\(name): \(path) is a directory")
            } else if !Self.isDirectory(Self.parent(of: path)) {
                diagnostics.error(origin, "\(name): \(Self.parent(of: path)) is not a directory")
            }
        }
        return diagnostics
    }

    /// Servers there may be at a time, with one user a database.
    public var mostServers: Int {
        (databases.count + (fallback == nil ? 0 : 1)) * Int(settings.default_pool_size)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
