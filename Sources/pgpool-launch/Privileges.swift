import Glibc
import LaunchConfig

/// Who the process runs as.
enum Privileges {
    /// Becomes user, when started as root. Returns a sentence when that is not possible,
    /// or when the process would stay root: PgBouncer does not run as root either.
    static func drop(to user: String) -> String? {
        guard !user.isEmpty else {
            return geteuid() == 0 ? "should not run as root: name a user to become with --user (-u)" : nil
        }
        guard let entry = getpwnam(user)?.pointee else { return "there is no user \(user) on this system" }
        guard entry.pw_uid != 0 else { return "should not run as root: user = \(user) is root" }
        if geteuid() == entry.pw_uid { return nil }
        guard geteuid() == 0 else { return "can't become \(user): not started as root" }
        guard initgroups(user, entry.pw_gid) == 0, setgid(entry.pw_gid) == 0, setuid(entry.pw_uid) == 0 else {
            return "can't become \(user): \(systemText(errno))"
        }
        return nil
    }
}
