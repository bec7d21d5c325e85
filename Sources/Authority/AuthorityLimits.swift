/// How much the replicated state may hold. Part of what a command means: every node must use the same limits, so they
/// are constants of a release and change only together with the meaning of commands. Tests use smaller ones.
package struct AuthorityLimits: Hashable, Sendable {
    /// Users. When full, a new one is refused.
    package var users = 10_000
    /// Sessions of all users. When full, the oldest session of all ends; about 500 bytes each.
    package var sessions = 100_000
    /// Sessions of one user. When full, that user's oldest ends, so a lost device never locks anybody out.
    package var sessionsPerUser = 50
    /// API keys of all users. When full, a new one is refused, as a program cannot sign in again by itself.
    package var apiKeys = 10_000
    /// API keys of one user. When full, a new one is refused.
    package var apiKeysPerUser = 50
    /// Signing keys of all nodes. When full, a new one is refused until one is retired.
    package var signingKeys = 256
    /// Signing keys of one node: the current one, and those whose tokens may still be out.
    package var signingKeysPerNode = 8
    /// Stored values. When full, a new key is refused; a stored one can still be replaced or deleted.
    package var values = 100_000
    /// Bytes of all keys and values together: what a snapshot must carry.
    package var valueBytesTotal = 64 << 20
    /// Bytes of one value; an entry of the log must hold it.
    package var valueBytes = 256 << 10
    /// Locks that are held or expired and not removed. When full, a new one is refused.
    package var locks = 10_000
    /// Durable topics. When full, the one that has been silent for longest is forgotten.
    package var topics = 1_000
    /// Events kept of one topic. When full, its oldest goes.
    package var eventsPerTopic = 1_000
    /// Bytes of all topics and events together: what a snapshot must carry. When full, the oldest event of all goes.
    package var topicBytesTotal = 16 << 20
    /// Bytes of one event.
    package var eventBytes = 64 << 10
    /// Origins of commands whose replies are remembered: one for each start of a node. The least recently heard goes.
    package var clients = 256
    /// Remembered replies of one origin. When full, the lowest sequence is forgotten and refused from then on.
    package var repliesPerClient = 1_024

    package init() {}

    package static let standard = AuthorityLimits()
}
