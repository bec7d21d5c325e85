import Primitives

/// The id of a join token; public, unlike its secret.
package typealias JoinTokenID = Identifier<JoinToken>

/// An invitation for one machine. What it will be was decided by who made the token; the machine has no say.
///
/// The secret is not here: each core node has a copy sealed to itself, so that any of them can let the machine in, and a
/// stolen edge machine finds nothing to join with.
package struct JoinToken: Hashable, Sendable {
    package static let lifetimeMax: Duration = .seconds(7 * 24 * 3600)
    package static let countMax = 64

    package let id: JoinTokenID
    /// The class and rank of who joins with it, and whether the mesh may let it vote.
    package let isCore: Bool
    package let rank: UInt16
    package let mayVote: Bool
    package let expiresAt: UnixTime
    /// The core node that made it: when that is revoked, its tokens end.
    package let issuer: NodeID
    /// The person who asked for it.
    package let author: UserName
    package let label: Label
    /// Sealed to core nodes; ascending by node.
    package let copies: [SecretRotation.Copy]
    /// Who joined with it.
    package internal(set) var usedBy: NodeID?

    package init(
        id: JoinTokenID, isCore: Bool, rank: UInt16, mayVote: Bool, expiresAt: UnixTime, issuer: NodeID,
        author: UserName, label: Label, copies: [SecretRotation.Copy]
    ) {
        self.id = id
        self.isCore = isCore
        self.rank = rank
        self.mayVote = mayVote
        self.expiresAt = expiresAt
        self.issuer = issuer
        self.author = author
        self.label = label
        self.copies = copies.sorted { $0.node < $1.node }
    }

    package func copy(for node: NodeID) -> SecretRotation.Copy? { copies.first { $0.node == node } }
}

/// A machine that showed a token's secret, and its own keys.
package struct Admission: Hashable, Sendable {
    package let token: JoinTokenID
    package let member: RosterMember

    package init(token: JoinTokenID, member: RosterMember) {
        self.token = token
        self.member = member
    }
}

// MARK: - Coding

extension JoinToken {
    func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(isCore)
        writer.write(rank)
        writer.write(mayVote)
        writer.write(expiresAt)
        writer.write(issuer)
        writer.write(author)
        writer.write(label)
        writer.write(copies)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        id = try reader.readIdentifier(of: JoinToken.self)
        isCore = try reader.readBool()
        rank = try reader.readUInt16()
        mayVote = try reader.readBool()
        expiresAt = try reader.readUnixTime()
        issuer = try reader.readNodeID()
        author = try reader.readText(UserName.self)
        label = try reader.readText(Label.self)
        copies = try reader.readCopies()
    }
}

extension Admission {
    func encode(into writer: inout ByteWriter) {
        writer.write(token)
        member.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        token = try reader.readIdentifier(of: JoinToken.self)
        member = try RosterMember(from: &reader)
    }
}

extension ByteWriter {
    mutating func write(_ copies: [SecretRotation.Copy]) {
        writeArray(copies) { writer, copy in
            writer.write(copy.node)
            writer.write(copy.sealed)
        }
    }
}

extension ByteReader {
    /// Ascending by node.
    mutating func readCopies() throws(DecodeError) -> [SecretRotation.Copy] {
        let copies = try readArray(limit: SecretRotation.copiesMax) { (reader) throws(DecodeError) in
            SecretRotation.Copy(
                node: try reader.readNodeID(), sealed: try reader.readBlob(limit: SecretRotation.sealedBytesMax))
        }
        guard zip(copies, copies.dropFirst()).allSatisfy({ $0.node < $1.node }) else { throw .invalid("copies") }
        return copies
    }
}
