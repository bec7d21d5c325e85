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
    /// Values that core nodes seal, and data keys that change with the cluster's secret.
    package static let sealedValues = FeatureLevel(6)
    /// What this program understands.
    package static let current = sealedValues
}

extension AuthorityCommand {
    var requiredLevel: FeatureLevel {
        switch self {
        case .acquireLock, .renewLock, .releaseLock, .expireLocks: .locks
        case .changeRoster(let signed): signed.record.requiredLevel
        case .activateSecret, .retireSecrets: .secrets
        case .publishEvent: .topics
        case .putSealedValue, .resealValue: .sealedValues
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
        case .rotateSecret(let rotation): rotation.dataKey == nil ? .secrets : .sealedValues
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
