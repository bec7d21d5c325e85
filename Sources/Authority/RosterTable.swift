import Primitives

/// One node of the mesh as the others must know it.
package struct RosterMember: Hashable, Sendable {
    package let name: Label
    package let node: NodeID
    /// X25519 and Ed25519; `node` is their hash.
    package let exchangeKey: Bytes32
    package let signingKey: Bytes32
    /// May sign records; an edge machine can be stolen.
    package let isCore: Bool

    package init(name: Label, node: NodeID, exchangeKey: Bytes32, signingKey: Bytes32, isCore: Bool) {
        self.name = name
        self.node = node
        self.exchangeKey = exchangeKey
        self.signingKey = signingKey
        self.isCore = isCore
    }
}

/// What every node of a mesh knows without its log: who was there from the beginning. And how signatures are checked, since
/// this module knows no cryptography.
package struct MeshOrigin: Sendable {
    /// Signature, message, signer's key.
    package typealias Check = @Sendable (_ signature: [UInt8], _ message: [UInt8], _ key: [UInt8]) -> Bool

    /// 16 bytes.
    package let cluster: [UInt8]
    package let members: [RosterMember]
    let check: Check

    package init(cluster: [UInt8], members: [RosterMember], check: @escaping Check) {
        self.cluster = cluster
        self.members = members
        self.check = check
    }

    /// Of a log that nobody may change the roster in.
    package static let none = MeshOrigin(cluster: [], members: []) { _, _, _ in false }
}

/// What the log says about the mesh itself. Changed by signed records alone, each for one revision.
package struct RosterTable: Hashable, Sendable {
    /// Grows with every record.
    package private(set) var revision: UInt64 = 0
    package internal(set) var secrets = SecretTable()

    /// Whether the record may be applied now.
    func judge(_ signed: SignedRecord, origin: MeshOrigin) -> Refusal? {
        guard signed.revision == revision else { return .rosterChanged }
        guard let signer = origin.members.first(where: { $0.node == signed.signer }), signer.isCore else {
            return .unsigned
        }
        let message = SignedRecord.message(cluster: origin.cluster, revision: revision, record: signed.record)
        return origin.check(signed.signature, message, signer.signingKey.bytes) ? nil : .unsigned
    }

    mutating func change(_ signed: SignedRecord, origin: MeshOrigin) -> AuthorityReply {
        if let refusal = judge(signed, origin: origin) { return .refused(refusal) }
        let reply: AuthorityReply =
            switch signed.record {
            case .rotateSecret(let rotation): secrets.rotate(rotation)
            }
        if case .done = reply { revision += 1 }
        return reply
    }

    func violation() -> String? { secrets.violation() }

    func encode(into writer: inout ByteWriter) {
        writer.write(revision)
        secrets.encode(into: &writer)
    }

    package init() {}

    init(from reader: inout ByteReader) throws(DecodeError) {
        revision = try reader.readUInt64()
        secrets = try SecretTable(from: &reader)
    }
}
