import Primitives

/// One byte for the kind, then its fields in the order of their declaration. Tags are never reused; a meaning that
/// changes gets a new one.
extension AuthorityCommand {
    private enum Tag: UInt8 {
        case createUser = 1
        case setPassword = 2
        case setRole = 3
        case removeUser = 4
        case grantSession = 5
        case rotateRefresh = 6
        case revokeSession = 7
        case revokeAllSessions = 8
        case expireSessions = 9
        case createAPIKey = 10
        case revokeAPIKey = 11
        case publishSigningKey = 12
        case retireSigningKey = 13
        case putValue = 14
        case deleteValue = 15
        case anchorClock = 16
        case acquireLock = 17
        case renewLock = 18
        case releaseLock = 19
        case expireLocks = 20
        case changeRoster = 21
        case activateSecret = 22
        case retireSecrets = 23
        case publishEvent = 24
        case putSealedValue = 25
        case resealValue = 26
    }

    private var tag: Tag {
        switch self {
        case .createUser: .createUser
        case .setPassword: .setPassword
        case .setRole: .setRole
        case .removeUser: .removeUser
        case .grantSession: .grantSession
        case .rotateRefresh: .rotateRefresh
        case .revokeSession: .revokeSession
        case .revokeAllSessions: .revokeAllSessions
        case .expireSessions: .expireSessions
        case .createAPIKey: .createAPIKey
        case .revokeAPIKey: .revokeAPIKey
        case .publishSigningKey: .publishSigningKey
        case .retireSigningKey: .retireSigningKey
        case .putValue: .putValue
        case .deleteValue: .deleteValue
        case .anchorClock: .anchorClock
        case .acquireLock: .acquireLock
        case .renewLock: .renewLock
        case .releaseLock: .releaseLock
        case .expireLocks: .expireLocks
        case .changeRoster: .changeRoster
        case .activateSecret: .activateSecret
        case .retireSecrets: .retireSecrets
        case .publishEvent: .publishEvent
        case .putSealedValue: .putSealedValue
        case .resealValue: .resealValue
        }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(tag.rawValue)
        switch self {
        case .createUser(let name, let verifier, let role):
            writer.write(name)
            writer.write(verifier)
            writer.write(role)
        case .setPassword(let name, let verifier):
            writer.write(name)
            writer.write(verifier)
        case .setRole(let name, let role):
            writer.write(name)
            writer.write(role)
        case .removeUser(let name): writer.write(name)
        case .grantSession(let grant): grant.encode(into: &writer)
        case .rotateRefresh(let rotation): rotation.encode(into: &writer)
        case .revokeSession(let id): writer.write(id)
        case .revokeAllSessions(let user, let kept):
            writer.write(user)
            writer.writeOptional(kept) { $0.write($1) }
        case .expireSessions: break
        case .createAPIKey(let grant): grant.encode(into: &writer)
        case .revokeAPIKey(let id): writer.write(id)
        case .publishSigningKey(let record): record.encode(into: &writer)
        case .retireSigningKey(let id): writer.write(id)
        case .putValue(let key, let value, let condition, let author):
            writer.write(key)
            writer.write(value)
            writer.write(condition)
            writer.write(author)
        case .deleteValue(let key, let condition):
            writer.write(key)
            writer.write(condition)
        case .anchorClock(let time): writer.write(time)
        case .acquireLock(let request): request.encode(into: &writer)
        case .renewLock(let name, let token, let lifetime):
            writer.write(name)
            writer.write(token)
            writer.write(lifetime.inMilliseconds)
        case .releaseLock(let name, let token):
            writer.write(name)
            writer.write(token)
        case .expireLocks: break
        case .changeRoster(let signed): signed.encode(into: &writer)
        case .activateSecret(let epoch), .retireSecrets(let epoch): writer.write(epoch)
        case .publishEvent(let topic, let bytes, let author):
            writer.write(topic)
            writer.write(bytes)
            writer.write(author)
        case .putSealedValue(let key, let epoch, let sealed, let condition, let author):
            writer.write(key)
            writer.write(epoch)
            writer.write(sealed)
            writer.write(condition)
            writer.write(author)
        case .resealValue(let key, let revision, let epoch, let sealed):
            writer.write(key)
            writer.write(revision)
            writer.write(epoch)
            writer.write(sealed)
        }
    }

    package init(from reader: inout ByteReader) throws(DecodeError) {
        guard let tag = Tag(rawValue: try reader.readUInt8()) else { throw .invalid("command") }
        switch tag {
        case .createUser:
            self = .createUser(
                name: try reader.readText(UserName.self), verifier: try reader.readVerifier(),
                role: try reader.readRole())
        case .setPassword:
            self = .setPassword(name: try reader.readText(UserName.self), verifier: try reader.readVerifier())
        case .setRole: self = .setRole(name: try reader.readText(UserName.self), role: try reader.readRole())
        case .removeUser: self = .removeUser(name: try reader.readText(UserName.self))
        case .grantSession: self = .grantSession(try SessionGrant(from: &reader))
        case .rotateRefresh: self = .rotateRefresh(try RefreshRotation(from: &reader))
        case .revokeSession: self = .revokeSession(try reader.readIdentifier(of: Session.self))
        case .revokeAllSessions:
            let user = try reader.readText(UserName.self)
            let kept = try reader.readBool() ? try reader.readIdentifier(of: Session.self) : nil
            self = .revokeAllSessions(of: user, except: kept)
        case .expireSessions: self = .expireSessions
        case .createAPIKey: self = .createAPIKey(try APIKeyGrant(from: &reader))
        case .revokeAPIKey: self = .revokeAPIKey(try reader.readIdentifier(of: APIKey.self))
        case .publishSigningKey: self = .publishSigningKey(try SigningKeyRecord(from: &reader))
        case .retireSigningKey: self = .retireSigningKey(try reader.readIdentifier(of: SigningKey.self))
        case .putValue:
            // Twice the limit on values: one somewhat too large is answered as such, not as malformed.
            self = .putValue(
                key: try reader.readText(ValueKey.self),
                value: try reader.readBlob(limit: 2 * AuthorityLimits.standard.valueBytes),
                condition: try reader.readCondition(), author: try reader.readText(UserName.self))
        case .deleteValue:
            self = .deleteValue(key: try reader.readText(ValueKey.self), condition: try reader.readCondition())
        case .anchorClock: self = .anchorClock(UnixTime(milliseconds: try reader.readInt64()))
        case .acquireLock: self = .acquireLock(try LockRequest(from: &reader))
        case .renewLock:
            self = .renewLock(
                name: try reader.readText(LockName.self), token: try reader.readLogIndex(),
                lifetime: try reader.readLifetime())
        case .releaseLock:
            self = .releaseLock(name: try reader.readText(LockName.self), token: try reader.readLogIndex())
        case .expireLocks: self = .expireLocks
        case .changeRoster: self = .changeRoster(try SignedRecord(from: &reader))
        case .activateSecret: self = .activateSecret(epoch: try reader.readUInt32())
        case .retireSecrets: self = .retireSecrets(before: try reader.readUInt32())
        case .publishEvent:
            self = .publishEvent(
                topic: try reader.readText(TopicName.self),
                bytes: try reader.readBlob(limit: 2 * AuthorityLimits.standard.eventBytes),
                author: try reader.readText(UserName.self))
        case .putSealedValue:
            self = .putSealedValue(
                key: try reader.readText(ValueKey.self), epoch: try reader.readUInt32(),
                sealed: try reader.readBlob(limit: 2 * AuthorityLimits.standard.valueBytes),
                condition: try reader.readCondition(), author: try reader.readText(UserName.self))
        case .resealValue:
            self = .resealValue(
                key: try reader.readText(ValueKey.self), revision: try reader.readLogIndex(),
                epoch: try reader.readUInt32(),
                sealed: try reader.readBlob(limit: 2 * AuthorityLimits.standard.valueBytes))
        }
    }
}

extension LockRequest {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(holder)
        writer.write(lifetime.inMilliseconds)
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            name: try reader.readText(LockName.self), holder: try reader.readIdentifier(of: Lock.self),
            lifetime: try reader.readLifetime())
    }
}

extension ByteReader {
    /// Checked against what locks may last when the command is applied; here only against overflow.
    fileprivate mutating func readLifetime() throws(DecodeError) -> Duration {
        let milliseconds = try readInt64()
        guard (0...1 << 40).contains(milliseconds) else { throw .invalid("lifetime") }
        return .milliseconds(milliseconds)
    }
}

extension SessionGrant {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(user)
        writer.write(passwordRevision)
        writer.write(node)
        writer.write(refreshHash)
        writer.write(label)
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            id: try reader.readIdentifier(of: Session.self), user: try reader.readText(UserName.self),
            passwordRevision: try reader.readLogIndex(), node: try reader.readNodeID(),
            refreshHash: try reader.readBytes32(), label: try reader.readText(Label.self))
    }
}

extension RefreshRotation {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(session)
        writer.write(presentedHash)
        writer.write(successorHash)
        writer.write(sealedSuccessor)
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            session: try reader.readIdentifier(of: Session.self), presentedHash: try reader.readBytes32(),
            successorHash: try reader.readBytes32(), sealedSuccessor: try reader.readBlob(limit: Self.sealedBytesMax))
    }
}

extension APIKeyGrant {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(user)
        writer.write(secretHash)
        writer.write(label)
        writer.write(role)
    }

    fileprivate init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            id: try reader.readIdentifier(of: APIKey.self), user: try reader.readText(UserName.self),
            secretHash: try reader.readBytes32(), label: try reader.readText(Label.self), role: try reader.readRole())
    }
}

extension SigningKeyRecord {
    func encode(into writer: inout ByteWriter) {
        writer.write(node)
        writer.write(id)
        writer.write(publicKey)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(
            node: try reader.readNodeID(), id: try reader.readIdentifier(of: SigningKey.self),
            publicKey: try reader.readBytes32())
    }
}
