import Primitives

/// What a command led to: the same on every node, and the same again when the command is repeated.
package enum AuthorityReply: Hashable, Sendable {
    case done
    case granted(SessionTerms)
    /// The caller opens `sealedSuccessor` with the token that was presented; it may be an earlier proposal's.
    case rotated(SessionTerms, sealedSuccessor: [UInt8])
    /// So many sessions ended.
    case sessionsEnded(Int)
    /// The value's new revision (its `ETag`), and whether the key was new; or the same of an event and its topic.
    case stored(revision: LogIndex, created: Bool)
    /// The lock is the caller's until it expires, under its token.
    case locked(Lock)
    /// State is as before, with one exception: `Refusal.refreshReused`.
    case refused(Refusal)
}

/// What the node that answers a sign-in or a refresh needs for the token it signs.
package struct SessionTerms: Hashable, Sendable {
    package let id: SessionID
    package let user: UserName
    /// The entry that granted the session: a node that has applied less than this waits before it refuses a token.
    package let grantedAt: LogIndex
    package let createdAt: UnixTime
    /// When the session ends unless it is refreshed before.
    package let expiresAt: UnixTime

    package init(id: SessionID, user: UserName, grantedAt: LogIndex, createdAt: UnixTime, expiresAt: UnixTime) {
        self.id = id
        self.user = user
        self.grantedAt = grantedAt
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// Why a command had no effect. All of them leave the state as it was, but for `refreshReused`.
package enum Refusal: Hashable, Sendable {
    /// The bytes are no command, or a field contradicts another. A defect of the proposer.
    case malformed
    /// Choose another name.
    case userExists
    case unknownUser
    /// The first user must be an admin, and the last admin stays.
    case adminRequired
    /// The password changed between its check and the grant. Check again.
    case passwordChanged
    /// The id is taken. Draw another.
    case idTaken
    /// Never granted, signed out, or ended by expiry or by a limit. Sign in again.
    case unknownSession
    /// Expired by log time, though not removed yet. Sign in again.
    case sessionExpired
    /// A refresh token came back that had been replaced: two parties hold it, so the session **was revoked**.
    case refreshReused
    case unknownKey
    /// The stored revision, or nil if there is no value. Read again, then decide.
    case conditionFailed(current: LogIndex?)
    /// There is no such value to delete.
    case unknownValue
    /// Somebody else holds the lock, under this token.
    case lockHeld(token: LogIndex)
    /// The token is not the one under which the lock is held now: it expired, was released, or another was granted.
    case notHolding
    /// The value exceeds `AuthorityLimits.valueBytes`, or the event `AuthorityLimits.eventBytes`.
    case tooLarge
    /// A table is full. Remove something first.
    case limitReached
    /// No Unix anchor has been committed yet. The primary proposes one when its term begins; try again.
    case clockNotSet
    /// The anchor is not ahead of the clock.
    case clockNotAhead
    /// The sequence was acknowledged or forgotten: its outcome is not known here any more, and it is never run again.
    case staleSequence
    /// The origin was forgotten, or may have been. Its commands are never run again: draw a new client id.
    case clientExpired
    /// The record was signed for another revision of the roster: look again, then decide again.
    case rosterChanged
    /// No core node of this mesh signed the record.
    case unsigned
    /// There is no such join token, or it was used, has expired or was withdrawn.
    case unknownToken
    /// Another node has that name.
    case nameTaken
    /// No node of that id belongs to the mesh.
    case unknownMember
    /// Without that node nobody could sign records any more.
    case lastCore
    /// The value was sealed under another data key than the active one. Seal it again.
    case epochNotActive
}
