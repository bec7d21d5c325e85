import Gossip
import Primitives

/// What a node says of the replica it runs: which one it is, and what its program understands. A gossip section of its
/// own; only the node itself can publish it.
///
/// ```
/// replica 8 | feature level 2
/// ```
package struct ReplicaNotice: Hashable, Sendable {
    package let replica: ReplicaID
    package let featureLevel: FeatureLevel

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 10)
        writer.write(replica)
        writer.write(featureLevel.value)
        return writer.bytes
    }

    package init(replica: ReplicaID, featureLevel: FeatureLevel) {
        self.replica = replica
        self.featureLevel = featureLevel
    }

    init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        replica = try reader.readReplicaID()
        featureLevel = FeatureLevel(try reader.readUInt16())
        try reader.expectEnd()
    }
}

extension SectionID {
    static let replica = SectionID(value: 5)
}
