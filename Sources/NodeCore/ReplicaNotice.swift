import Gossip
import Primitives

/// What a node says of the replica it runs: which one it is, what its program understands, and since when it runs. A gossip
/// section of its own; only the node itself can publish it.
///
/// ```
/// replica 8 | feature level 2 | log time of the start 1 + 8
/// ```
package struct ReplicaNotice: Hashable, Sendable {
    package let replica: ReplicaID
    package let featureLevel: FeatureLevel
    /// The mesh's log time when this process first heard of a leader; nil before.
    package let bootedAt: LogTime?

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 19)
        writer.write(replica)
        writer.write(featureLevel.value)
        writer.writeOptional(bootedAt) { $0.write($1) }
        return writer.bytes
    }

    package init(replica: ReplicaID, featureLevel: FeatureLevel, bootedAt: LogTime? = nil) {
        self.bootedAt = bootedAt
        self.replica = replica
        self.featureLevel = featureLevel
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        replica = try reader.readReplicaID()
        featureLevel = FeatureLevel(try reader.readUInt16())
        bootedAt = try reader.readOptional { (reader) throws(DecodeError) in try reader.readLogTime() }
        try reader.expectEnd()
    }
}

extension SectionID {
    static let replica = SectionID(value: 5)
}
