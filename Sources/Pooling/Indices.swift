import FixedStorage

public enum ClientKind {}
public enum ServerKind {}
public enum PoolKind {}

/// A client in its engine thread's table.
public typealias ClientIndex = Index<ClientKind>
/// A server in its engine thread's table.
public typealias ServerIndex = Index<ServerKind>
/// A pool, by the number that all threads know it by.
public typealias PoolIndex = Index<PoolKind>

public typealias ClientLinks = Links<ClientKind>
public typealias ServerLinks = Links<ServerKind>
