/// What becomes of a PgBouncer setting that we do not have, when its value is not the
/// default.
enum Fate {
    /// Security or meaning would change: refuse to start.
    case refuse
    /// Only tuning, logging, console or statistics: go on without, and say so.
    case warn
    /// Makes no difference here.
    case ignore
}

/// A setting of PgBouncer 1.25 or 1.26 that is not in settings.def.
struct PgBouncerSetting {
    let name: String
    /// PgBouncer's default; several where versions differ or a value comes to the same.
    let defaults: [String]
    let fate: Fate
    /// Why that is its fate, put behind the name.
    let reason: String

    init(_ name: String, _ defaults: [String], _ fate: Fate, _ reason: String) {
        self.name = name
        self.defaults = defaults
        self.fate = fate
        self.reason = reason
    }

    /// Whether value says what the default says.
    func isDefault(_ value: String) -> Bool {
        defaults.contains { standard in
            if let a = Double(standard), let b = Double(Self.spelling(of: value)) { return a == b }
            return standard.lowercased() == value.lowercased()
        }
    }

    /// Booleans as PgBouncer's numbers.
    private static func spelling(of value: String) -> String {
        switch value.lowercased() {
        case "on", "true", "yes": "1"
        case "off", "false", "no": "0"
        default: value
        }
    }

    /// Tells diagnostics about value, where it is not the default.
    func judge(_ value: String, _ origin: Origin, _ diagnostics: inout Diagnostics) {
        guard !isDefault(value) else { return }
        switch fate {
        case .refuse: diagnostics.error(origin, "\(name) = \(value) is not supported yet: \(reason)")
        case .warn: diagnostics.warning(origin, "\(name) is not supported yet and ignored: \(reason)")
        case .ignore: break
        }
    }

    static func named(_ name: String, in list: [PgBouncerSetting]) -> PgBouncerSetting? {
        list.first { $0.name == name }
    }

    /// Defaults: PgBouncer's doc/config.md.
    private static let authQuery = """
        SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END \
        FROM pg_authid WHERE rolname=$1 AND rolcanlogin
        """

    /// Keys of the section [pgbouncer].
    static let global: [PgBouncerSetting] = [
        // logins
        .init("auth_hba_file", [""], .refuse, "its rules would not be followed"),
        .init("auth_ident_file", [""], .refuse, "its user maps would not be followed"),
        .init("auth_user", [""], .refuse, "only users in auth_file can log in"),
        .init("auth_query", [authQuery], .refuse, "only users in auth_file can log in"),
        .init("auth_dbname", [""], .refuse, "only users in auth_file can log in"),
        .init("auth_ldap_options", [""], .refuse, "there is no LDAP login"),
        .init("scram_iterations", ["4096"], .warn, "4096 iterations are used"),
        // TLS
        .init("client_tls_sslmode", ["disable", "allow", "prefer"], .refuse, "clients come in without TLS"),
        .init("client_tls_key_file", [""], .warn, "clients come in without TLS"),
        .init("client_tls_cert_file", [""], .warn, "clients come in without TLS"),
        .init("client_tls_ca_file", [""], .warn, "clients come in without TLS"),
        .init("client_tls_protocols", ["secure"], .warn, "clients come in without TLS"),
        .init("client_tls_ciphers", ["default", "fast"], .warn, "clients come in without TLS"),
        .init("client_tls13_ciphers", [""], .warn, "clients come in without TLS"),
        .init("client_tls_ecdhcurve", ["auto"], .warn, "clients come in without TLS"),
        .init("client_tls_dheparams", ["auto"], .warn, "clients come in without TLS"),
        .init(
            "server_tls_sslmode", ["prefer", "allow", "disable"], .refuse, "servers are reached without TLS"),
        .init("server_tls_ca_file", [""], .warn, "servers are reached without TLS"),
        .init("server_tls_key_file", [""], .warn, "servers are reached without TLS"),
        .init("server_tls_cert_file", [""], .warn, "servers are reached without TLS"),
        .init("server_tls_protocols", ["secure"], .warn, "servers are reached without TLS"),
        .init("server_tls_ciphers", ["default", "fast"], .warn, "servers are reached without TLS"),
        .init("server_tls13_ciphers", [""], .warn, "servers are reached without TLS"),
        // processes and addresses
        .init("peer_id", ["0"], .refuse, "cancel requests would not reach other processes"),
        .init("so_reuseport", ["0"], .refuse, "processes can't share a port; see threads"),
        .init("unix_socket_group", [""], .refuse, "others could open the socket; see unix_socket_mode"),
        .init("resolv_conf", [""], .refuse, "names are resolved as the system does"),
        .init("conffile", [], .ignore, "the file is named on the command line"),
        .init("service_name", [], .ignore, "means something on Windows only"),
        .init("job_name", [], .ignore, "means something on Windows only"),
        // what clients may do and get
        .init("disable_pqexec", ["0"], .refuse, "simple queries would be let through"),
        .init("server_reset_query_always", ["0"], .refuse, "transaction mode sends no reset query"),
        .init("track_extra_parameters", ["IntervalStyle"], .refuse, "parameters are not tracked"),
        .init("query_timeout", ["0"], .refuse, "queries would run on"),
        .init("transaction_timeout", ["0"], .refuse, "transactions would stay open"),
        .init("max_db_client_connections", ["0"], .refuse, "the limit would not hold"),
        .init("max_user_client_connections", ["0"], .refuse, "the limit would not hold"),
        .init("max_prepared_statements", ["200"], .warn, "statements are not tracked"),
        .init("max_packet_size", ["2147483647"], .warn, "messages of any size take bounded memory"),
        .init("application_name_add_host", ["0"], .warn, "names are passed on as they are"),
        .init("login_notify_message", [""], .warn, "no message is sent"),
        .init("query_wait_notify", ["5"], .warn, "no notice is sent"),
        // pools and servers
        .init("reserve_pool_size", ["0"], .warn, "there is no reserve pool"),
        .init("reserve_pool_timeout", ["5"], .warn, "there is no reserve pool"),
        .init("server_round_robin", ["0"], .warn, "the server used last is used first"),
        .init("load_balance_hosts", ["round-robin"], .warn, "an entry has one host"),
        .init("server_check_delay", ["30"], .warn, "servers are watched, not asked"),
        .init("server_check_query", ["<empty>", "select 1", ""], .warn, "servers are watched, not asked"),
        .init("server_fast_close", ["0"], .warn, "servers are closed when released"),
        .init("pool_idle_timeout", ["0"], .warn, "see autodb_idle_timeout"),
        .init("suspend_timeout", ["10"], .warn, "there is no SUSPEND"),
        .init("dns_max_ttl", ["15"], .warn, "names are looked up every 15 seconds"),
        .init("dns_nxdomain_ttl", ["15"], .warn, "names are looked up every 15 seconds"),
        .init("dns_zone_check_period", ["0"], .warn, "names are looked up every 15 seconds"),
        // log, console and statistics
        .init("syslog", ["0"], .warn, "see logfile"),
        .init("syslog_ident", ["pgbouncer"], .warn, "see logfile"),
        .init("syslog_facility", ["daemon"], .warn, "see logfile"),
        .init("log_stats", ["1"], .warn, "no statistics are logged"),
        .init("stats_period", ["60"], .warn, "no statistics are kept"),
        .init("verbose", ["0"], .warn, "the log has one level"),
        .init("admin_users", [""], .warn, "there is no console"),
        .init("stats_users", [""], .warn, "there is no console"),
        // sockets and buffers
        .init("pkt_buf", ["4096"], .warn, "buffers are sized by need"),
        .init("sbuf_loopcnt", ["5"], .warn, "buffers are sized by need"),
        .init("tcp_defer_accept", ["1", "45"], .warn, "the system's default holds"),
        .init("tcp_socket_buffer", ["0"], .warn, "the system's default holds"),
        .init("tcp_keepalive", ["1"], .warn, "keep-alive is always on"),
        .init("tcp_keepcnt", ["0"], .warn, "the system's default holds"),
        .init("tcp_keepidle", ["0"], .warn, "the system's default holds"),
        .init("tcp_keepintvl", ["0"], .warn, "the system's default holds"),
        .init("tcp_user_timeout", ["0"], .warn, "the system's default holds"),
    ]

    /// Keys of an entry of the section [databases].
    static let perDatabase: [PgBouncerSetting] = [
        .init("auth_user", [], .refuse, "only users in auth_file can log in"),
        .init("auth_query", [], .refuse, "only users in auth_file can log in"),
        .init("auth_dbname", [], .refuse, "only users in auth_file can log in"),
        .init("connect_query", [], .refuse, "nothing is run on connecting"),
        .init("client_encoding", [], .refuse, "servers start with their own"),
        .init("datestyle", [], .refuse, "servers start with their own"),
        .init("timezone", [], .refuse, "servers start with their own"),
        .init("application_name", [], .warn, "servers start with their own"),
        .init("target_session_attrs", ["any"], .refuse, "any server would be taken"),
        .init("max_db_client_connections", ["0", "-1"], .refuse, "the limit would not hold"),
        .init("query_wait_timeout", ["-1"], .refuse, "one for all is in [pgbouncer]"),
        .init("load_balance_hosts", ["round-robin"], .warn, "an entry has one host"),
        .init("reserve_pool", ["0", "-1"], .warn, "there is no reserve pool"),
        .init("reserve_pool_size", ["0", "-1"], .warn, "there is no reserve pool"),
    ]

    /// Keys of an entry of the section [users].
    static let perUser: [PgBouncerSetting] = [
        .init("query_timeout", ["0", "-1"], .refuse, "queries would run on"),
        .init("transaction_timeout", ["0", "-1"], .refuse, "transactions would stay open"),
        .init("max_user_client_connections", ["0", "-1"], .refuse, "the limit would not hold"),
        .init("query_wait_timeout", ["-1"], .refuse, "one for all is in [pgbouncer]"),
        .init("reserve_pool_size", ["0", "-1"], .warn, "there is no reserve pool"),
    ]

    /// Values of auth_type that we do not have, and why they can't pass for another.
    static let authTypes: [String: String] = [
        "cert": "clients come in without TLS",
        "hba": "its rules would not be followed",
        "ldap": "there is no LDAP login",
        "pam": "there is no PAM login",
    ]
}
