import Primitives

/// What a log entry may ask of the replicated state. Everything random (ids, hashes, sealed tokens) was made by the
/// proposer; applying only compares and stores.
///
/// Who may propose what is decided before proposing, by the node that authenticated the request. What must still hold
/// when the entry is applied is checked there, and refused in the reply.
package enum AuthorityCommand: Hashable, Sendable {
    /// The very first user must be an admin: the mesh is never without one.
    case createUser(name: UserName, verifier: PasswordVerifier, role: Role)
    /// Sessions go on; end them with `revokeAllSessions` after it. A sign-in that checked the old password is refused
    /// from here on.
    case setPassword(name: UserName, verifier: PasswordVerifier)
    case setRole(name: UserName, role: Role)
    /// Ends the user's sessions and API keys in the same step.
    case removeUser(name: UserName)

    case grantSession(SessionGrant)
    case rotateRefresh(RefreshRotation)
    case revokeSession(SessionID)
    case revokeAllSessions(of: UserName, except: SessionID?)
    /// Removes every session that has expired by the time of this entry; proposed by the primary now and then.
    case expireSessions

    case createAPIKey(APIKeyGrant)
    case revokeAPIKey(APIKeyID)

    /// Adds a node's token-signing key to the published set. Repeating it is harmless.
    case publishSigningKey(SigningKeyRecord)
    /// Removes a key at once: tokens signed by it stop counting.
    case retireSigningKey(SigningKeyID)

    case putValue(key: ValueKey, value: [UInt8], condition: ValueCondition, author: UserName)
    case deleteValue(key: ValueKey, condition: ValueCondition)
    /// As `putValue`, sealed by a core node under the data key of this epoch; refused unless that is the active one, so that
    /// no value comes under a key that is on its way out. Needs `FeatureLevel.sealedValues`.
    case putSealedValue(key: ValueKey, epoch: UInt32, sealed: [UInt8], condition: ValueCondition, author: UserName)
    /// The same value under the active epoch, if it is still of this revision, which it keeps. `FeatureLevel.sealedValues`.
    case resealValue(key: ValueKey, revision: LogIndex, epoch: UInt32, sealed: [UInt8])

    /// Grants a lock if it is free or has expired; see `LockTable`. Locks need `FeatureLevel.locks`.
    case acquireLock(LockRequest)
    /// Prolongs a lock that is held under this token.
    case renewLock(name: LockName, token: LogIndex, lifetime: Duration)
    /// Frees a lock that was granted under this token, expired or not.
    case releaseLock(name: LockName, token: LogIndex)
    /// Removes every lock that has expired by the time of this entry; proposed by the primary now and then.
    case expireLocks

    /// Appends to a durable topic; see `TopicTable`. Needs `FeatureLevel.topics`.
    case publishEvent(topic: TopicName, bytes: [UInt8], author: UserName)

    /// Ties log time to Unix time, forward only; see `LogClock`. No session is granted before the first one.
    case anchorClock(UnixTime)

    /// A record about the mesh itself, signed by a core node; see `RosterTable`.
    case changeRoster(SignedRecord)
    /// Every reachable node holds the secret of this epoch; proposed by the primary. See `SecretTable`.
    case activateSecret(epoch: UInt32)
    /// Every reachable node begins with the secret of this epoch: older ones are past. Proposed by the primary.
    case retireSecrets(before: UInt32)
}

/// An attempt to take a lock.
package struct LockRequest: Hashable, Sendable {
    package let name: LockName
    /// Drawn anew for each attempt; kept when it is repeated.
    package let holder: LockHolder
    /// Whole milliseconds, within `Lock.lifetimes`.
    package let lifetime: Duration

    package init(name: LockName, holder: LockHolder, lifetime: Duration) {
        self.name = name
        self.holder = holder
        self.lifetime = lifetime
    }
}

/// A sign-in whose password was right.
package struct SessionGrant: Hashable, Sendable {
    package let id: SessionID
    package let user: UserName
    /// `User.passwordRevision` of the verifier that was checked. If the password has changed since, it is refused.
    package let passwordRevision: LogIndex
    /// Where the person signed in. A core node checked the password, this one or another.
    package let node: NodeID
    package let refreshHash: Bytes32
    package let label: Label

    package init(
        id: SessionID, user: UserName, passwordRevision: LogIndex, node: NodeID, refreshHash: Bytes32, label: Label
    ) {
        self.id = id
        self.user = user
        self.passwordRevision = passwordRevision
        self.node = node
        self.refreshHash = refreshHash
        self.label = label
    }
}

/// A refresh token was presented; its successor is proposed along with it. See `SessionTable.rotate`.
package struct RefreshRotation: Hashable, Sendable {
    package static let sealedBytesMax = 256

    package let session: SessionID
    package let presentedHash: Bytes32
    package let successorHash: Bytes32
    /// The successor, sealed under a key derived from the presented token: only who holds that can read it.
    package let sealedSuccessor: [UInt8]

    package init(session: SessionID, presentedHash: Bytes32, successorHash: Bytes32, sealedSuccessor: [UInt8]) {
        self.session = session
        self.presentedHash = presentedHash
        self.successorHash = successorHash
        self.sealedSuccessor = sealedSuccessor
    }
}

/// A key for programs. Its secret is shown once, to who asked for it; only the hash is stored.
package struct APIKeyGrant: Hashable, Sendable {
    package let id: APIKeyID
    package let user: UserName
    package let secretHash: Bytes32
    package let label: Label
    package let role: Role

    package init(id: APIKeyID, user: UserName, secretHash: Bytes32, label: Label, role: Role) {
        self.id = id
        self.user = user
        self.secretHash = secretHash
        self.label = label
        self.role = role
    }
}

/// One public key of one node.
package struct SigningKeyRecord: Hashable, Sendable {
    package let node: NodeID
    package let id: SigningKeyID
    /// Ed25519.
    package let publicKey: Bytes32

    package init(node: NodeID, id: SigningKeyID, publicKey: Bytes32) {
        self.node = node
        self.id = id
        self.publicKey = publicKey
    }
}

/// What must hold of the stored value for a change to take place (RFC 9110 §13.1).
package enum ValueCondition: Hashable, Sendable {
    case none
    /// `If-Match`: the value exists, and its revision is this one.
    case ifMatch(LogIndex)
    /// `If-None-Match: *`: there is no value.
    case ifNoneMatchAny
    /// The lock is held under this token when the change is applied. Needs `FeatureLevel.locks`.
    case ifHolding(LockName, token: LogIndex)
}
