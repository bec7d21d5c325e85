import Primitives

/// One sign-in, and the family of refresh tokens that goes with it. A token counts only while its session is here.
package struct Session: Hashable, Sendable {
    /// A session ends this long after its last refresh.
    package static let refreshLifetime = Duration.seconds(7 * 24 * 3600)
    /// How long a refresh whose reply was lost may be repeated, in log time.
    package static let retryWindow = Duration.seconds(60)

    package let id: SessionID
    package let user: UserName
    /// Where the person signed in. A core node checked the password, this one or another; it ends with that node's revocation.
    package let grantedBy: NodeID
    /// The entry that made the session; also its age among the user's sessions.
    package let grantedAt: LogIndex
    package let createdAt: UnixTime
    package internal(set) var lastRefreshedAt: UnixTime
    package internal(set) var expiresAt: UnixTime
    package let label: Label
    /// The hash of the one refresh token that may be exchanged.
    var refreshHash: Bytes32
    /// The last exchange, kept until its successor is used.
    var lastExchange: RefreshExchange?

    var terms: SessionTerms {
        SessionTerms(id: id, user: user, grantedAt: grantedAt, createdAt: createdAt, expiresAt: expiresAt)
    }
}

/// A refresh token that was exchanged, and what was given for it.
struct RefreshExchange: Hashable, Sendable {
    let predecessorHash: Bytes32
    let sealedSuccessor: [UInt8]
    let at: LogTime
}

/// What a presented refresh token is to its session.
///
/// ```
///            presented            repeated within 60 s
///   T1 (current) ------> T2 (current), T1 answered with sealed T2 again
///                         | presented: T1's answer is forgotten
///                         v
///                        T3 (current), T2 answered with sealed T3 again;  T1 or any other: revoke
/// ```
/// Sealed under a key derived from its predecessor, the successor can be handed out again without being stored in the
/// clear, so a lost reply signs nobody out. Who presents anything older had it copied, or copied it (RFC 9700 §4.14.2).
enum PresentedRefresh {
    case current
    case retry(sealedSuccessor: [UInt8])
    case reused
}

extension Session {
    func judge(presented hash: Bytes32, now: LogTime) -> PresentedRefresh {
        if hash == refreshHash { return .current }
        if !planted(.retryTakenForTheft), let lastExchange, hash == lastExchange.predecessorHash,
            now - lastExchange.at <= Self.retryWindow
        {
            return .retry(sealedSuccessor: lastExchange.sealedSuccessor)
        }
        return .reused
    }

    /// Whether presenting this refresh token now would be answered; any other ends the session.
    package func accepts(_ hash: Bytes32, now: LogTime) -> Bool {
        if case .reused = judge(presented: hash, now: now) { false } else { true }
    }

    mutating func exchange(_ rotation: RefreshRotation, now: LogTime, unixNow: UnixTime) {
        lastExchange = RefreshExchange(
            predecessorHash: refreshHash, sealedSuccessor: rotation.sealedSuccessor, at: now)
        refreshHash = rotation.successorHash
        lastRefreshedAt = unixNow
        expiresAt = unixNow + Self.refreshLifetime
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(user)
        writer.write(grantedBy)
        writer.write(grantedAt)
        writer.write(createdAt)
        writer.write(lastRefreshedAt)
        writer.write(expiresAt)
        writer.write(label)
        writer.write(refreshHash)
        writer.writeOptional(lastExchange) { writer, exchange in
            writer.write(exchange.predecessorHash)
            writer.write(exchange.sealedSuccessor)
            writer.write(exchange.at)
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        id = try reader.readIdentifier(of: Session.self)
        user = try reader.readText(UserName.self)
        grantedBy = try reader.readNodeID()
        grantedAt = try reader.readLogIndex()
        createdAt = try reader.readUnixTime()
        lastRefreshedAt = try reader.readUnixTime()
        expiresAt = try reader.readUnixTime()
        label = try reader.readText(Label.self)
        refreshHash = try reader.readBytes32()
        guard try reader.readBool() else {
            lastExchange = nil
            return
        }
        lastExchange = RefreshExchange(
            predecessorHash: try reader.readBytes32(),
            sealedSuccessor: try reader.readBlob(limit: RefreshRotation.sealedBytesMax), at: try reader.readLogTime())
    }
}
