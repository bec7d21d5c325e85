import Primitives

/// A node that is out for ever: its keys count for nothing, anywhere.
package struct Revocation: Hashable, Sendable {
    package let node: NodeID
    package let name: Label
    /// The signed record that says so, to show to whom it concerns.
    package let signer: NodeID
    package let revision: UInt64
    package let signature: [UInt8]

    package static let noticeByteCount = 16 + 8 + SignedRecord.signatureByteCount

    /// The proof, for the node that it is about: `signer 16 | revision 8 | signature 64`.
    package var notice: [UInt8] {
        var writer = ByteWriter(capacity: Self.noticeByteCount)
        writer.write(signer)
        writer.write(revision)
        writer.writeRaw(signature)
        return writer.bytes
    }

    package init(notice: [UInt8], of node: NodeID) throws(DecodeError) {
        var reader = ByteReader(notice)
        self.node = node
        name = Label(sanitising: "")
        signer = try reader.readNodeID()
        revision = try reader.readUInt64()
        signature = try reader.readRaw(SignedRecord.signatureByteCount)
        try reader.expectEnd()
    }

    init(node: NodeID, name: Label, signer: NodeID, revision: UInt64, signature: [UInt8]) {
        self.node = node
        self.name = name
        self.signer = signer
        self.revision = revision
        self.signature = signature
    }
}

/// What the log says about the mesh itself: who belongs to it besides those of the beginning, who no longer does, who is
/// invited, and which secret they share. Changed by signed records alone, each for one revision.
package struct RosterTable: Hashable, Sendable {
    /// Nodes that belong to the mesh, at most: as many as one can have sealed copies for.
    package static let membersMax = 64
    /// Revoked ones are remembered for ever; beyond this many, none is revoked or admitted any more.
    package static let revocationsMax = 256

    /// Grows with every record.
    package private(set) var revision: UInt64 = 0
    package internal(set) var secrets = SecretTable()
    /// In the order of their admission; who was revoked since is still among them.
    package private(set) var admitted: [RosterMember] = []
    /// In order.
    package private(set) var revocations: [Revocation] = []
    /// In the order they were made.
    package private(set) var tokens: [JoinToken] = []

    package init() {}

    package func isRevoked(_ node: NodeID) -> Bool { revocations.contains { $0.node == node } }
    package func token(_ id: JoinTokenID) -> JoinToken? { tokens.first { $0.id == id } }
    package func admitted(_ node: NodeID) -> RosterMember? { admitted.first { $0.node == node } }

    /// Everybody who belongs to the mesh now.
    package func members(of origin: MeshOrigin) -> [RosterMember] {
        (origin.members + admitted).filter { !isRevoked($0.node) }
    }

    /// Whether the record may be applied now.
    func judge(_ signed: SignedRecord, origin: MeshOrigin) -> Refusal? {
        guard signed.revision == revision else { return .rosterChanged }
        guard let signer = members(of: origin).first(where: { $0.node == signed.signer }), signer.isCore else {
            return .unsigned
        }
        let message = SignedRecord.message(cluster: origin.cluster, revision: revision, record: signed.record)
        return origin.check(signed.signature, message, signer.signingKey.bytes) ? nil : .unsigned
    }

    mutating func change(_ signed: SignedRecord, origin: MeshOrigin, unixNow: UnixTime?) -> AuthorityReply {
        if let refusal = judge(signed, origin: origin) { return .refused(refusal) }
        let reply: AuthorityReply =
            switch signed.record {
            case .rotateSecret(let rotation): secrets.rotate(rotation)
            case .issueToken(let token): issue(token, by: signed.signer, unixNow: unixNow)
            case .revokeToken(let id): revokeToken(id)
            case .admit(let admission): admit(admission, origin: origin, unixNow: unixNow)
            case .revoke(let node): revoke(node, signed, origin: origin)
            }
        if case .done = reply { revision += 1 }
        return reply
    }

    /// Whether a core node that is known here signed the revocation, whatever has become of that node since.
    package func isGenuine(_ revocation: Revocation, origin: MeshOrigin) -> Bool {
        guard let signer = (origin.members + admitted).first(where: { $0.node == revocation.signer }), signer.isCore
        else {
            return false
        }
        let message = SignedRecord.message(
            cluster: origin.cluster, revision: revocation.revision, record: .revoke(revocation.node))
        return origin.check(revocation.signature, message, signer.signingKey.bytes)
    }

    // MARK: Tokens

    private mutating func issue(_ token: JoinToken, by signer: NodeID, unixNow: UnixTime?) -> AuthorityReply {
        guard let unixNow else { return .refused(.clockNotSet) }
        guard token.issuer == signer, token.usedBy == nil, !token.copies.isEmpty, token.expiresAt > unixNow,
            token.expiresAt <= unixNow + JoinToken.lifetimeMax
        else { return .refused(.malformed) }
        guard self.token(token.id) == nil else { return .refused(.idTaken) }
        tokens.removeAll { $0.expiresAt <= unixNow }
        guard tokens.count < JoinToken.countMax else { return .refused(.limitReached) }
        tokens.append(token)
        return .done
    }

    private mutating func revokeToken(_ id: JoinTokenID) -> AuthorityReply {
        guard tokens.contains(where: { $0.id == id }) else { return .refused(.unknownToken) }
        tokens.removeAll { $0.id == id }
        return .done
    }

    // MARK: Members

    /// Compares and consumes: a token is good for one node, which may ask again.
    private mutating func admit(_ admission: Admission, origin: MeshOrigin, unixNow: UnixTime?) -> AuthorityReply {
        let member = admission.member
        guard let unixNow else { return .refused(.clockNotSet) }
        guard let place = tokens.firstIndex(where: { $0.id == admission.token }), tokens[place].expiresAt > unixNow,
            tokens[place].usedBy == nil
        else { return .refused(.unknownToken) }
        let token = tokens[place]
        guard member.isCore == token.isCore, member.rank == token.rank, member.mayVote == token.mayVote,
            !member.name.utf8.isEmpty
        else { return .refused(.malformed) }
        let known = origin.members + admitted
        let isTaken = known.contains {
            $0.node == member.node || $0.exchangeKey == member.exchangeKey || $0.replica == member.replica
        }
        guard !isTaken, !isRevoked(member.node) else { return .refused(.idTaken) }
        let present = members(of: origin)
        guard !present.contains(where: { $0.name == member.name }) else { return .refused(.nameTaken) }
        guard present.count < Self.membersMax, admitted.count < Self.membersMax + Self.revocationsMax else {
            return .refused(.limitReached)
        }
        tokens[place].usedBy = member.node
        admitted.append(member)
        return .done
    }

    /// For ever. The last core node stays: nobody could sign any more.
    private mutating func revoke(_ node: NodeID, _ signed: SignedRecord, origin: MeshOrigin) -> AuthorityReply {
        let present = members(of: origin)
        guard let member = present.first(where: { $0.node == node }) else { return .refused(.unknownMember) }
        guard present.contains(where: { $0.isCore && $0.node != node }) else { return .refused(.lastCore) }
        guard revocations.count < Self.revocationsMax else { return .refused(.limitReached) }
        revocations.append(
            Revocation(
                node: node, name: member.name, signer: signed.signer, revision: signed.revision,
                signature: signed.signature))
        tokens.removeAll { $0.issuer == node }
        return .done
    }

    func violation() -> String? {
        if let violation = secrets.violation() { return violation }
        guard tokens.count <= JoinToken.countMax else { return "\(tokens.count) join tokens" }
        guard revocations.count <= Self.revocationsMax, admitted.count <= Self.membersMax + Self.revocationsMax else {
            return "\(admitted.count) admitted and \(revocations.count) revoked nodes"
        }
        guard Set(admitted.map(\.node)).count == admitted.count else { return "a node was admitted twice" }
        guard Set(revocations.map(\.node)).count == revocations.count else { return "a node was revoked twice" }
        return tokens.contains { isRevoked($0.issuer) } ? "a token of a revoked node" : nil
    }
}

// MARK: - Coding

extension RosterTable {
    /// For the file in which a node keeps what it knows of the roster.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 512)
        encode(into: &writer)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        try self.init(from: &reader)
        try reader.expectEnd()
        if let violation = violation() { throw .invalid(violation) }
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(revision)
        secrets.encode(into: &writer)
        writer.writeArray(admitted) { writer, member in member.encode(into: &writer) }
        writer.writeArray(revocations) { writer, revocation in
            writer.write(revocation.node)
            writer.write(revocation.name)
            writer.write(revocation.signer)
            writer.write(revocation.revision)
            writer.writeRaw(revocation.signature)
        }
        writer.writeArray(tokens) { writer, token in
            token.encode(into: &writer)
            writer.writeOptional(token.usedBy) { $0.write($1) }
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        revision = try reader.readUInt64()
        secrets = try SecretTable(from: &reader)
        admitted = try reader.readArray(limit: Self.membersMax + Self.revocationsMax) {
            (reader) throws(DecodeError) in try RosterMember(from: &reader)
        }
        revocations = try reader.readArray(limit: Self.revocationsMax) { (reader) throws(DecodeError) in
            Revocation(
                node: try reader.readNodeID(), name: try reader.readText(Label.self),
                signer: try reader.readNodeID(), revision: try reader.readUInt64(),
                signature: try reader.readRaw(SignedRecord.signatureByteCount))
        }
        tokens = try reader.readArray(limit: JoinToken.countMax) { (reader) throws(DecodeError) in
            var token = try JoinToken(from: &reader)
            token.usedBy = try reader.readOptional { (reader) throws(DecodeError) in try reader.readNodeID() }
            return token
        }
    }
}
