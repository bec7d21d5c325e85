import HashTreeCollections
import Primitives

/// Every session of the mesh, and which user holds which. A copy shares its storage, so views of it are free to make.
package struct SessionTable: Equatable, Sendable {
    private var sessions: TreeDictionary<SessionID, Session> = [:]
    /// Each user's sessions, oldest grant first. No entry for a user without sessions.
    private var idsByUser: TreeDictionary<UserName, [SessionID]> = [:]

    package init() {}

    package var count: Int { sessions.count }
    /// The session, even if it has expired and was not removed yet: compare `expiresAt`.
    package subscript(id: SessionID) -> Session? { sessions[id] }
    /// Oldest grant first.
    package func sessions(of user: UserName) -> [Session] { (idsByUser[user] ?? []).compactMap { sessions[$0] } }
    /// Whether `AuthorityCommand.expireSessions` would end any. Walks the table.
    package func hasExpired(at unixNow: UnixTime) -> Bool { sessions.values.contains { $0.expiresAt <= unixNow } }
    /// By id.
    package var sorted: [Session] { sessions.values.sorted { $0.id < $1.id } }

    /// Stores a new session; where the user or the table is full, the oldest one ends for it.
    mutating func insert(_ session: Session, limits: AuthorityLimits) {
        if let oldest = idsByUser[session.user]?.first, idsByUser[session.user]!.count >= limits.sessionsPerUser {
            remove(oldest)
        }
        // A walk over all, but only in a table that is full.
        if sessions.count >= limits.sessions,
            let oldest = sessions.values.min(by: { $0.grantedAt < $1.grantedAt })
        {
            remove(oldest.id)
        }
        append(session)
    }

    /// Exchanges a refresh token for its successor. See `PresentedRefresh` for which may be exchanged; a reused one
    /// revokes the session. (Who knows a session's id can thus end it by presenting noise; ids are random and are
    /// shown only to their owner.)
    mutating func rotate(_ rotation: RefreshRotation, now: LogTime, unixNow: UnixTime) -> AuthorityReply {
        guard var session = sessions[rotation.session] else { return .refused(.unknownSession) }
        guard unixNow < session.expiresAt else { return .refused(.sessionExpired) }
        guard rotation.successorHash != rotation.presentedHash else { return .refused(.malformed) }
        switch session.judge(presented: rotation.presentedHash, now: now) {
        case .current:
            session.exchange(rotation, now: now, unixNow: unixNow)
            sessions[session.id] = session
            return .rotated(session.terms, sealedSuccessor: rotation.sealedSuccessor)
        case .retry(let sealedSuccessor):
            return .rotated(
                session.terms, sealedSuccessor: planted(.retryBuysAnother) ? rotation.sealedSuccessor : sealedSuccessor)
        case .reused:
            remove(session.id)
            return .refused(.refreshReused)
        }
    }

    mutating func revoke(_ id: SessionID) -> AuthorityReply {
        planted(.revocationForgotten) || remove(id) ? .sessionsEnded(1) : .refused(.unknownSession)
    }

    mutating func revokeAll(of user: UserName, except kept: SessionID?) -> AuthorityReply {
        let ended = (idsByUser[user] ?? []).filter { $0 != kept }
        for id in ended { remove(id) }
        return .sessionsEnded(ended.count)
    }

    /// Ends what a node granted that counts for nothing any more.
    mutating func revokeAll(grantedBy node: NodeID) {
        let ended = sessions.values.filter { $0.grantedBy == node }.map(\.id)
        for id in ended { remove(id) }
    }

    /// Removes what has expired, and forgets sealed successors that nobody may ask for any more.
    mutating func expire(now: LogTime, unixNow: UnixTime) -> AuthorityReply {
        var expired: [SessionID] = []
        var lapsed: [SessionID] = []
        for session in sessions.values {  // the order does not matter: each is judged by itself
            if session.expiresAt <= unixNow {
                expired.append(session.id)
            } else if let exchange = session.lastExchange, now - exchange.at > Session.retryWindow {
                lapsed.append(session.id)
            }
        }
        for id in expired { remove(id) }
        for id in lapsed { sessions[id]?.lastExchange = nil }
        return .sessionsEnded(expired.count)
    }

    private mutating func append(_ session: Session) {
        sessions[session.id] = session
        idsByUser[session.user, default: []].append(session.id)
    }

    @discardableResult
    private mutating func remove(_ id: SessionID) -> Bool {
        guard let session = sessions.removeValue(forKey: id) else { return false }
        let rest = (idsByUser[session.user] ?? []).filter { $0 != id }
        idsByUser[session.user] = rest.isEmpty ? nil : rest
        return true
    }

    /// What is wrong with the table, or nil.
    func violation(
        users: UserTable, limits: AuthorityLimits, appliedIndex: LogIndex, now: LogTime
    ) -> String? {
        guard sessions.count <= limits.sessions else { return "\(sessions.count) sessions exceed \(limits.sessions)" }
        let grants = sessions.values.map(\.grantedAt).sorted()
        guard zip(grants, grants.dropFirst()).allSatisfy({ $0 < $1 }) else { return "two sessions of one entry" }
        let inTime = sessions.values.allSatisfy { session in
            session.grantedAt <= appliedIndex && session.createdAt <= session.lastRefreshedAt
                && session.lastRefreshedAt < session.expiresAt
                && session.lastExchange.map { .zero <= $0.at && $0.at <= now } ?? true
        }
        guard inTime else { return "a session's times are not in order, or are later than entry \(appliedIndex)" }
        return listViolation(users: users, limits: limits)
    }

    private func listViolation(users: UserTable, limits: AuthorityLimits) -> String? {
        var listed = 0
        for (user, ids) in idsByUser {
            guard users[user] != nil else { return "sessions of \(user), who does not exist" }
            guard !ids.isEmpty, ids.count <= limits.sessionsPerUser else { return "\(ids.count) sessions of \(user)" }
            let held = ids.compactMap { sessions[$0] }
            guard held.count == ids.count, held.allSatisfy({ $0.user == user }) else {
                return "the list of \(user) names sessions that are not theirs"
            }
            guard zip(held, held.dropFirst()).allSatisfy({ $0.grantedAt < $1.grantedAt }) else {
                return "the sessions of \(user) are not in the order of their grants"
            }
            listed += ids.count
        }
        return listed == sessions.count ? nil : "\(sessions.count) sessions, \(listed) of them listed"
    }
}

extension SessionTable {
    func encode(into writer: inout ByteWriter) {
        writer.writeArray(sorted) { writer, session in session.encode(into: &writer) }
    }

    init(from reader: inout ByteReader, limits: AuthorityLimits) throws(DecodeError) {
        self.init()
        var last: SessionID?
        var all: [Session] = []
        for _ in 0..<(try reader.readCount(limit: limits.sessions)) {
            let session = try Session(from: &reader)
            try requireAscending(session.id, after: &last)
            all.append(session)
        }
        for session in all.sorted(by: { $0.grantedAt < $1.grantedAt }) { append(session) }
    }
}
