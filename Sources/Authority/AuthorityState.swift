import Primitives

/// What the log means: users, sessions, keys and values as of one applied index.
///
/// The intuition: consensus gives every node the same entries in the same order; this turns them into the same state
/// and the same replies. It has no clock, no randomness and no disk. Its tables are persistent maps (Bagwell's hash
/// trees), so a copy costs nothing and can be read on other threads while this one goes on.
///
/// Ongaro's thesis §6.3 for exactly-once; `LogClock` for time; `PresentedRefresh` for token rotation.
package struct AuthorityState: Sendable {
    package private(set) var users = UserTable()
    package private(set) var sessions = SessionTable()
    package private(set) var apiKeys = APIKeyTable()
    package private(set) var signingKeys = SigningKeyTable()
    package private(set) var values = KeyValueTable()
    package private(set) var locks = LockTable()
    package private(set) var topics = TopicTable()
    package private(set) var clock = LogClock()
    package private(set) var clients = ClientTable()
    package private(set) var roster = RosterTable()
    /// The last entry that was applied or noted here.
    package private(set) var appliedIndex: LogIndex = .zero

    /// What every voter's program understands: commands that need more have no effect.
    package private(set) var featureLevel: FeatureLevel = .zero

    let limits: AuthorityLimits

    package init(limits: AuthorityLimits = .standard) {
        self.limits = limits
    }

    /// Applies one committed command.
    ///
    /// Deterministic: equal logs give equal states and equal replies on every node. Malformed payloads, repeats and
    /// refused commands change no table (the one exception is `Refusal.refreshReused`); a refusal is remembered like
    /// any reply, so a repeat hears it again.
    ///
    /// - Parameters:
    ///   - envelope: a `CommandEnvelope`, or anything else that was in the log.
    ///   - index: beyond every index applied or noted before.
    ///   - time: the entry's log time; one that runs backwards counts as the previous one.
    ///   - origin: the same on every node.
    package mutating func apply(
        _ envelope: [UInt8], at index: LogIndex, time: LogTime, origin: MeshOrigin = .none
    ) -> AppliedCommand {
        precondition(index > appliedIndex, "entry \(index) applied after \(appliedIndex)")
        appliedIndex = index
        clock.advance(to: time)
        var reader = ByteReader(envelope)
        guard let header = try? CommandEnvelope.Header(from: &reader) else {
            return AppliedCommand(client: 0, sequence: 0, reply: .refused(.malformed), isRepeat: false)
        }
        func applied(_ reply: AuthorityReply, isRepeat: Bool = false) -> AppliedCommand {
            AppliedCommand(client: header.client, sequence: header.sequence, reply: reply, isRepeat: isRepeat)
        }
        switch clients.decide(header, at: index) {
        case .repeat(let reply): return applied(reply, isRepeat: true)
        case .refuse(let refusal): return applied(.refused(refusal))
        case .run:
            guard let command = try? AuthorityCommand(from: &reader) else { return applied(.refused(.malformed)) }
            // As a program that does not know it would: neither an effect nor a memory.
            guard command.requiredLevel <= featureLevel else { return applied(.refused(.malformed)) }
            if command.needsCoreWord, featureLevel >= .coreWords {
                guard reader.remaining == CoreWord.byteCount, let word = CoreWord(endOf: envelope),
                    word.isGenuine(on: envelope, roster: roster, origin: origin)
                else { return applied(.refused(.unsigned)) }
            } else {
                guard reader.remaining == 0 else { return applied(.refused(.malformed)) }
            }
            let reply = run(command, origin: origin)
            clients.record(reply, for: header, at: index, limits: limits)
            return applied(reply)
        }
    }

    /// Moves past an entry that is no command of ours, such as a leader's first or a change of configuration.
    package mutating func noteApplied(_ index: LogIndex) {
        precondition(index > appliedIndex, "entry \(index) noted after \(appliedIndex)")
        appliedIndex = index
    }

    /// The last entry that was noted raised the level. Levels only rise.
    package mutating func raise(to level: FeatureLevel) { featureLevel = max(featureLevel, level) }

    /// What the key may do now; nil if its owner does not exist.
    package func effectiveRole(of key: APIKey) -> Role? {
        users[key.user].map { key.role.capped(by: $0.role) }
    }

    private mutating func run(_ command: AuthorityCommand, origin: MeshOrigin) -> AuthorityReply {
        switch command {
        case .createUser(let name, let verifier, let role):
            users.create(name, verifier: verifier, role: role, at: appliedIndex, limits: limits)
        case .setPassword(let name, let verifier): users.setPassword(name, verifier: verifier, at: appliedIndex)
        case .setRole(let name, let role): users.setRole(name, role: role)
        case .removeUser(let name): removeUser(name)
        case .grantSession(let grant): grantSession(grant)
        case .rotateRefresh(let rotation):
            whenAnchored { state, unixNow in
                state.sessions.rotate(rotation, now: state.clock.now, unixNow: unixNow)
            }
        case .revokeSession(let id): sessions.revoke(id)
        case .revokeAllSessions(let user, let kept):
            users[user] == nil ? .refused(.unknownUser) : sessions.revokeAll(of: user, except: kept)
        case .expireSessions:
            whenAnchored { state, unixNow in state.sessions.expire(now: state.clock.now, unixNow: unixNow) }
        case .createAPIKey(let grant):
            users[grant.user] == nil
                ? .refused(.unknownUser) : apiKeys.create(grant, at: appliedIndex, limits: limits)
        case .revokeAPIKey(let id): apiKeys.revoke(id)
        case .publishSigningKey(let record) where roster.isRevoked(record.node): .refused(.unknownMember)
        case .publishSigningKey(let record): signingKeys.publish(record, at: appliedIndex, limits: limits)
        case .retireSigningKey(let id): signingKeys.retire(id)
        case .putValue(_, _, let condition, _) where !holds(condition) && !planted(.fencingUnchecked):
            .refused(.notHolding)
        case .putSealedValue(_, let epoch, _, _, _) where epoch != roster.secrets.active: .refused(.epochNotActive)
        case .resealValue(_, _, let epoch, _) where epoch != roster.secrets.active: .refused(.epochNotActive)
        case .putSealedValue(_, _, _, let condition, _) where !holds(condition): .refused(.notHolding)
        case .deleteValue(_, let condition) where !holds(condition): .refused(.notHolding)
        case .putValue(let key, let bytes, let condition, let author):
            values.put(
                StoredValue(bytes: bytes, epoch: 0, revision: appliedIndex, changedAt: clock.unixNow, author: author),
                for: key, condition: condition, limits: limits)
        case .deleteValue(let key, let condition): values.delete(key, condition: condition)
        case .putSealedValue(let key, let epoch, let sealed, let condition, let author):
            values.put(
                StoredValue(
                    bytes: sealed, epoch: epoch, revision: appliedIndex, changedAt: clock.unixNow, author: author),
                for: key, condition: condition, limits: limits)
        case .resealValue(let key, let revision, let epoch, let sealed):
            values.reseal(key, of: revision, epoch: epoch, sealed: sealed)
        case .acquireLock(let request):
            locks.acquire(request, at: appliedIndex, now: clock.now, limits: limits)
        case .renewLock(let name, let token, let lifetime):
            locks.renew(name, token: token, lifetime: lifetime, now: clock.now)
        case .releaseLock(let name, let token): locks.release(name, token: token)
        case .expireLocks: locks.expire(now: clock.now)
        case .publishEvent(let topic, let bytes, let author):
            topics.publish(
                TopicEvent(index: appliedIndex, bytes: bytes, publishedAt: clock.unixNow, author: author),
                to: topic, limits: limits)
        case .anchorClock(let time): clock.setAnchor(time)
        case .changeRoster(let signed): change(signed, origin: origin)
        case .activateSecret(let epoch): roster.secrets.activate(epoch)
        case .retireSecrets(let epoch): roster.secrets.retire(before: epoch)
        }
    }

    /// Whether the lock that the condition names is held under its token, by the time of this entry.
    private func holds(_ condition: ValueCondition) -> Bool {
        guard case .ifHolding(let name, let token) = condition else { return true }
        return locks.token(of: name, at: clock.now) == token
    }

    private mutating func removeUser(_ name: UserName) -> AuthorityReply {
        let reply = users.remove(name)
        if case .done = reply {
            _ = sessions.revokeAll(of: name, except: nil)
            apiKeys.revokeAll(of: name)
        }
        return reply
    }

    private mutating func grantSession(_ grant: SessionGrant) -> AuthorityReply {
        guard let user = users[grant.user] else { return .refused(.unknownUser) }
        guard grant.passwordRevision == user.passwordRevision else { return .refused(.passwordChanged) }
        guard sessions[grant.id] == nil else { return .refused(.idTaken) }
        return whenAnchored { state, unixNow in
            let session = Session(
                id: grant.id, user: user.name, grantedBy: grant.node, grantedAt: state.appliedIndex,
                createdAt: unixNow, lastRefreshedAt: unixNow, expiresAt: unixNow + Session.refreshLifetime,
                label: grant.label, refreshHash: grant.refreshHash, lastExchange: nil)
            state.sessions.insert(session, limits: state.limits)
            return .granted(session.terms)
        }
    }

    /// A revoked node takes along what rests on its word: the key that it signs tokens with, and the sessions that it
    /// granted.
    private mutating func change(_ signed: SignedRecord, origin: MeshOrigin) -> AuthorityReply {
        let reply = roster.change(signed, origin: origin, unixNow: clock.unixNow)
        guard case .done = reply, case .revoke(let node) = signed.record else { return reply }
        for key in signingKeys.keys(of: node) { _ = signingKeys.retire(key.record.id) }
        sessions.revokeAll(grantedBy: node)
        return reply
    }

    /// What expires needs a clock that knows Unix time.
    private mutating func whenAnchored(_ body: (inout Self, UnixTime) -> AuthorityReply) -> AuthorityReply {
        guard let unixNow = clock.unixNow else { return .refused(.clockNotSet) }
        return body(&self, unixNow)
    }
}

// MARK: - Snapshots

extension AuthorityState {
    /// Every part in a fixed order; equal states give equal bytes.
    func encode(into writer: inout ByteWriter) {
        writer.write(appliedIndex)
        clock.encode(into: &writer)
        users.encode(into: &writer)
        sessions.encode(into: &writer)
        apiKeys.encode(into: &writer)
        signingKeys.encode(into: &writer)
        values.encode(into: &writer)
        locks.encode(into: &writer)
        writer.write(featureLevel.value)
        clients.encode(into: &writer)
        if hasRoster || hasTopics || hasSealedValues { roster.encode(into: &writer) }
        if hasTopics || hasSealedValues { topics.encode(into: &writer) }
        if hasSealedValues { values.encodeEpochs(into: &writer) }
    }

    /// What no program before `FeatureLevel.secrets` can read is written only once it means something.
    var hasRoster: Bool { roster != RosterTable() }
    var hasTopics: Bool { topics != TopicTable() }
    var hasSealedValues: Bool { values.sealedCount > 0 }

    init(from reader: inout ByteReader, limits: AuthorityLimits, version: UInt8) throws(DecodeError) {
        self.init(limits: limits)
        appliedIndex = try reader.readLogIndex()
        clock = try LogClock(from: &reader)
        users = try UserTable(from: &reader, limits: limits)
        sessions = try SessionTable(from: &reader, limits: limits)
        apiKeys = try APIKeyTable(from: &reader, limits: limits)
        signingKeys = try SigningKeyTable(from: &reader, limits: limits)
        values = try KeyValueTable(from: &reader, limits: limits)
        locks = try LockTable(from: &reader, limits: limits)
        featureLevel = FeatureLevel(try reader.readUInt16())
        clients = try ClientTable(from: &reader, limits: limits)
        if version >= AuthoritySnapshot.rosterVersion { roster = try RosterTable(from: &reader) }
        if version >= AuthoritySnapshot.topicsVersion { topics = try TopicTable(from: &reader, limits: limits) }
        if version >= AuthoritySnapshot.sealedVersion { try values.readEpochs(from: &reader) }
        if planted(.snapshotForgetsClients) { clients = ClientTable() }
        if planted(.snapshotForgetsLocks) { locks = LockTable() }
        if planted(.snapshotForgetsSessions) { sessions = SessionTable() }
    }
}
