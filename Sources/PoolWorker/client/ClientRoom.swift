import Wire

/// How many clients there may be, and what a client hears for which there is no room.
struct ClientRoom {
    /// max_client_conn
    private let limit: Int
    private let servers: Int
    /// Clients for which there are descriptors, beside the servers.
    private let descriptors: Int

    init(limit: Int32, _ shared: Shared) {
        self.limit = Int(limit)
        servers = shared.servers
        descriptors = shared.descriptors.clients(beside: servers)
    }

    func holds(_ clients: Int) -> Bool { clients <= min(limit, descriptors) }

    /// What there is too little of for one more.
    var refusal: ErrorFields {
        guard descriptors < limit else {
            return ErrorFields(
                .fatal, "53300", "no more connections allowed (max_client_conn)",
                detail: "\(limit) clients are connected.", hint: "Raise max_client_conn.")
        }
        return ErrorFields(
            .fatal, "53300", "no more connections allowed (limit of open files)",
            detail: "It leaves room for \(descriptors) clients beside \(servers) servers.",
            hint: "Raise the limit of open files (ulimit -n, LimitNOFILE).")
    }
}
