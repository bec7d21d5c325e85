import Primitives

// Which commands need which level. A level is added when a release gives the log a new meaning; what a level includes
// never changes afterwards. HACKING.md, "Add a command", says how.

extension FeatureLevel {
    /// Locks, and changes of values under them.
    package static let locks = FeatureLevel(1)
    /// Secrets of the cluster that change.
    package static let secrets = FeatureLevel(2)
    /// Nodes that join by token and are revoked.
    package static let roster = FeatureLevel(3)
    /// Topics whose events are kept.
    package static let topics = FeatureLevel(4)
    /// What makes people able to sign in counts only with a core node's word (`CoreWord`).
    package static let coreWords = FeatureLevel(5)
    /// What this program understands.
    package static let current = coreWords
}

extension AuthorityCommand {
    var requiredLevel: FeatureLevel {
        switch self {
        case .acquireLock, .renewLock, .releaseLock, .expireLocks: .locks
        case .changeRoster(let signed): signed.record.requiredLevel
        case .activateSecret, .retireSecrets: .secrets
        case .publishEvent: .topics
        case .putValue(_, _, let condition, _), .deleteValue(_, let condition): condition.requiredLevel
        case .createUser, .setPassword, .setRole, .removeUser, .grantSession, .rotateRefresh, .revokeSession,
            .revokeAllSessions, .expireSessions, .createAPIKey, .revokeAPIKey, .publishSigningKey, .retireSigningKey,
            .anchorClock:
            .zero
        }
    }
}

extension RosterRecord {
    fileprivate var requiredLevel: FeatureLevel {
        switch self {
        case .rotateSecret: .secrets
        case .issueToken, .revokeToken, .admit, .revoke: .roster
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
