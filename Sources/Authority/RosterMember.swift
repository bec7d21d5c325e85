import Primitives

/// One node of the mesh as the others must know it.
package struct RosterMember: Hashable, Sendable {
    package let name: Label
    package let node: NodeID
    /// X25519 and Ed25519; `node` is their hash.
    package let exchangeKey: Bytes32
    package let signingKey: Bytes32
    /// The first replica of its data directory.
    package let replica: ReplicaID
    /// May sign records; an edge machine can be stolen.
    package let isCore: Bool
    package let rank: UInt16
    /// The mesh may make it a voter when one is needed.
    package let mayVote: Bool
    /// Its mesh port when it joined: where to look for it until gossip knows better. Nil for who was there from the beginning.
    package let endpoint: Endpoint?

    package init(
        name: Label, node: NodeID, exchangeKey: Bytes32, signingKey: Bytes32, replica: ReplicaID, isCore: Bool,
        rank: UInt16, mayVote: Bool, endpoint: Endpoint?
    ) {
        self.name = name
        self.node = node
        self.exchangeKey = exchangeKey
        self.signingKey = signingKey
        self.replica = replica
        self.isCore = isCore
        self.rank = rank
        self.mayVote = mayVote
        self.endpoint = endpoint
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(node)
        writer.write(exchangeKey)
        writer.write(signingKey)
        writer.write(replica)
        writer.write(isCore)
        writer.write(rank)
        writer.write(mayVote)
        writer.writeOptional(endpoint) { $0.write($1) }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        name = try reader.readText(Label.self)
        node = try reader.readNodeID()
        exchangeKey = try reader.readBytes32()
        signingKey = try reader.readBytes32()
        replica = try reader.readReplicaID()
        isCore = try reader.readBool()
        rank = try reader.readUInt16()
        mayVote = try reader.readBool()
        endpoint = try reader.readOptional { (reader) throws(DecodeError) in try reader.readEndpoint() }
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
    package let check: Check

    package init(cluster: [UInt8], members: [RosterMember], check: @escaping Check) {
        self.cluster = cluster
        self.members = members
        self.check = check
    }

    /// Of a log that nobody may change the roster in.
    package static let none = MeshOrigin(cluster: [], members: []) { _, _, _ in false }
}
