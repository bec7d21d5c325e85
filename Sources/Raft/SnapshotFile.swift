import Primitives

/// A snapshot on disk: `snapshot-` and the sixteen digits of its index. Written as `snapshot.new`, slice by slice, each
/// synced; then the header, synced; then renamed, and the directory synced. A file with the final name is therefore
/// whole, or rotten.
///
///     0                4096
///     +--------+-------+-----------------------------+
///     | header | zeros | state, opaque bytes         |
///     +--------+-------+-----------------------------+
///
///     header, little-endian
///     | magic "MNSNAPSH" | version 4 | fields 4 | cluster 16 | replica 8 | state bytes 8 | state crc 4 |
///     | position, time, configuration (as in messages) | header crc 4 |
///
/// The two newest are kept, and the log reaches back to the older one: if the newest rots, nothing is lost.
enum SnapshotFile {
    static let newName = "snapshot.new"
    static let headerBytes = 4096
    /// Snapshots that stay on disk.
    static let keptCount = 2
    private static let magic: UInt64 = 0x4853_5041_4E53_4E4D
    private static let prefixBytes = 8 + 4 + 4

    static func name(_ index: LogIndex) -> String {
        let digits = String(index.value)
        return "snapshot-" + String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }

    /// The inverse of `name`; nil for another file.
    static func index(ofFile name: String) -> LogIndex? {
        guard name.hasPrefix("snapshot-"), let value = UInt64(name.dropFirst(9)), value < WALRecord.numberLimit,
            Self.name(LogIndex(value)) == name
        else { return nil }
        return LogIndex(value)
    }

    // MARK: Plans

    static func planSlice(offset: Int, _ bytes: [UInt8]) -> [DiskOperation] {
        let begin: [DiskOperation] = offset == 0 ? [.remove(file: newName)] : []
        return begin + [.write(file: newName, offset: headerBytes + offset, bytes: bytes), .sync(file: newName)]
    }

    static func planPublication(
        _ metadata: SnapshotMetadata, _ id: SnapshotID, owner: WALOwner
    ) -> [DiskOperation] {
        [
            .write(file: newName, offset: 0, bytes: encodeHeader(metadata, id, owner: owner)),
            .sync(file: newName),
            .rename(file: newName, to: name(metadata.position.index)),
            .syncDirectory,
        ]
    }

    // MARK: Coding

    static func encodeHeader(_ metadata: SnapshotMetadata, _ id: SnapshotID, owner: WALOwner) -> [UInt8] {
        var fields = ByteWriter(capacity: 256)
        fields.writeRaw(owner.cluster)
        fields.write(owner.replica)
        fields.write(UInt64(id.total))
        fields.write(id.checksum)
        fields.write(metadata)
        var writer = ByteWriter(capacity: headerBytes)
        writer.write(magic)
        writer.write(WALFormat.version)
        writer.write(UInt32(fields.count))
        writer.writeRaw(fields.bytes)
        writer.write(WALChecksum.crc32c(writer.bytes))
        precondition(writer.count <= headerBytes, "a snapshot header of \(writer.count) bytes does not fit")
        return writer.bytes + [UInt8](repeating: 0, count: headerBytes - writer.count)
    }

    /// The snapshot in a file, or nil if it is damaged. Throws if it is intact and not ours. Never traps.
    static func decode(_ file: [UInt8], name: String, owner: WALOwner) throws(WALError) -> Snapshot? {
        guard let (fields, version) = checkedFields(of: file) else { return nil }
        guard version == WALFormat.version else { throw .unknownVersion(file: name, found: version) }
        var reader = ByteReader(file, in: fields)
        guard let cluster = try? reader.readRaw(16), let replica = try? reader.readReplicaID() else { return nil }
        try WALOwner(cluster: cluster, replica: replica).expect(owner, file: name)
        guard let total = try? reader.readUInt64(), total <= UInt64(Snapshot.bytesMax),
            let checksum = try? reader.readUInt32(), let metadata = try? reader.readSnapshotMetadata(),
            (try? reader.expectEnd()) != nil, metadata.position.index == index(ofFile: name),
            file.count >= headerBytes + Int(total)
        else { return nil }
        let snapshot = Snapshot(metadata, bytes: Array(file[headerBytes..<headerBytes + Int(total)]))
        return snapshot.checksum == checksum ? snapshot : nil
    }

    private static func checkedFields(of file: [UInt8]) -> (fields: Range<Int>, version: UInt32)? {
        guard file.count > headerBytes else { return nil }
        var reader = ByteReader(file, in: 0..<prefixBytes)
        guard (try? reader.readUInt64()) == magic, let version = try? reader.readUInt32(),
            let count = try? reader.readUInt32(), Int(count) <= headerBytes - prefixBytes - 4
        else { return nil }
        let end = prefixBytes + Int(count)
        var tail = ByteReader(file, in: end..<end + 4)
        guard (try? tail.readUInt32()) == WALChecksum.crc32c(file, 0..<end) else { return nil }
        return (prefixBytes..<end, version)
    }
}
