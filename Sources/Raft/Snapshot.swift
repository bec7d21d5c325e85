import Primitives

/// What a snapshot stands for: everything the log did up to and including `position` (Raft §7).
package struct SnapshotMetadata: Hashable, Sendable {
    /// The last entry that it covers.
    package let position: LogPosition
    /// That entry's log time: the log's clock goes on from here.
    package let time: LogTime
    /// The members as of that entry.
    package let configuration: Configuration

    package init(position: LogPosition, time: LogTime, configuration: Configuration) {
        self.position = position
        self.time = time
        self.configuration = configuration
    }
}

/// A snapshot with the state itself, opaque here. What it covers is committed, so equal positions mean equal states, on
/// whatever replica they were taken.
package struct Snapshot: Hashable, Sendable {
    /// More is neither sent nor received. The replicated state is bounded well below.
    package static let bytesMax = 256 << 20

    package let metadata: SnapshotMetadata
    package let bytes: [UInt8]
    /// CRC-32C of `bytes`.
    package let checksum: UInt32

    package init(_ metadata: SnapshotMetadata, bytes: [UInt8]) {
        precondition(bytes.count <= Self.bytesMax, "a snapshot of \(bytes.count) bytes exceeds \(Self.bytesMax)")
        self.metadata = metadata
        self.bytes = bytes
        checksum = WALChecksum.crc32c(bytes)
    }

    package var position: LogPosition { metadata.position }

    /// What tells one snapshot from another while pieces of it travel.
    package var id: SnapshotID { SnapshotID(position: position, total: bytes.count, checksum: checksum) }
}

/// Names the content of a snapshot. A stream of pieces may go on under another leader exactly if the id is the same.
package struct SnapshotID: Hashable, Sendable {
    package let position: LogPosition
    /// Bytes of the whole.
    package let total: Int
    /// CRC-32C of the whole.
    package let checksum: UInt32

    package init(position: LogPosition, total: Int, checksum: UInt32) {
        self.position = position
        self.total = total
        self.checksum = checksum
    }
}

/// A step towards a snapshot on disk. Slices keep every single write short, so that commits go on in between.
package enum SnapshotStep: Hashable, Sendable {
    /// Bytes of the state from this offset on, in order. Offset 0 begins, and abandons what was unfinished.
    case slice(offset: Int, [UInt8])
    /// All bytes are durable: make it the newest snapshot. If the log ends before it or contradicts it, the log is void
    /// and goes on after it.
    indirect case publish(SnapshotMetadata, SnapshotID, voidsLog: Bool)
}
