import Primitives

// Which commands need which level. A level is added when a release gives the log a new meaning; what a level includes
// never changes afterwards. HACKING.md, "Add a command", says how.

extension FeatureLevel {
    /// Locks, and changes of values under them.
    package static let locks = FeatureLevel(1)
    /// What this program understands.
    package static let current = locks
}

extension AuthorityCommand {
    var requiredLevel: FeatureLevel {
        switch self {
        case .acquireLock, .renewLock, .releaseLock, .expireLocks: .locks
        case .putValue(_, _, let condition, _), .deleteValue(_, let condition): condition.requiredLevel
        case .createUser, .setPassword, .setRole, .removeUser, .grantSession, .rotateRefresh, .revokeSession,
            .revokeAllSessions, .expireSessions, .createAPIKey, .revokeAPIKey, .publishSigningKey, .retireSigningKey,
            .anchorClock:
            .zero
        }
    }
}

extension ValueCondition {
    fileprivate var requiredLevel: FeatureLevel {
        switch self {
        case .none, .ifMatch, .ifNoneMatchAny: .zero
        case .ifHolding: .locks
        }
    }
}
