import Primitives

/// Limits and version of the log's files.
package enum WALFormat {
    static let version: UInt32 = 1
    /// The longest payload of an entry.
    package static let payloadMax = 1 << 20
}

/// How large segment files are. Smaller ones suit tests and simulated disks; recovery reads the sizes from the files.
package struct WALGeometry: Hashable, Sendable {
    /// The log goes on in a new file beyond this many bytes.
    package let segmentBytes: Int
    /// Records of a file, each with a place in its identity table.
    package let recordMax: Int
    /// Zeros are written ahead in steps of this many bytes, so that a sync in between changes no file length: it costs
    /// one write instead of two on a journalling file system.
    package let growthBytes: Int

    package init(segmentBytes: Int, recordMax: Int, growthBytes: Int) {
        precondition(recordMax >= 2 && recordMax <= 1 << 20, "\(recordMax) records are no sensible file")
        precondition(growthBytes >= 8, "cannot grow by \(growthBytes) bytes")
        let minimum = WALSegmentHeader.blockBytes + recordMax * WALSegmentHeader.identityBytes + WALFormat.payloadMax
        precondition(
            segmentBytes >= minimum + 4 * WALRecord.headerBytes && segmentBytes <= 1 << 30,
            "\(segmentBytes) bytes do not hold one entry, or exceed a file")
        self.segmentBytes = segmentBytes
        self.recordMax = recordMax
        self.growthBytes = growthBytes
    }

    package static let standard = WALGeometry(segmentBytes: 8 << 20, recordMax: 8192, growthBytes: 256 << 10)
    /// A few kilobytes a file until entries are large.
    package static let small = WALGeometry(segmentBytes: 2 << 20, recordMax: 256, growthBytes: 4096)
}

/// Whose log it is. Checksums are seeded with it, so that a record of another node, or of a recycled disk block, is
/// never taken for one of ours.
struct WALOwner: Hashable, Sendable {
    let cluster: [UInt8]
    let replica: ReplicaID

    init(cluster: [UInt8], replica: ReplicaID) {
        precondition(cluster.count == 16, "a cluster id has 16 bytes, not \(cluster.count)")
        self.cluster = cluster
        self.replica = replica
    }

    /// The checksum seed of segment `number`.
    func seed(segment number: UInt64) -> UInt32 {
        var writer = ByteWriter()
        writer.writeRaw(cluster)
        writer.write(replica)
        writer.write(number)
        return WALChecksum.crc32c(writer.bytes)
    }
}

/// The head of a segment file: one file of the log, `wal-00000001.log` and on.
///
///     0        2048      4096                     4096 + 32 r                                 file end
///     +--------+---------+------------------------+-------------------------------------------+
///     | header | same    | identity 0 ... r - 1   | records ...                    zeros      |
///     +--------+---------+------------------------+-------------------------------------------+
///
///     header (112 bytes)
///     | magic "MNWALSEG" | version 4 | 0 4 | cluster 16 | replica 8 | segment 8 | first record 8 | base index 8 |
///     | base term 8 | records r 4 | doubt kind 4 | doubt first 8 | doubt index 8 | doubt term 8 | crc 4 | 0 4 |
///
///     identity (32 bytes) of record `first + slot`
///     | index 8 | term 8 | offset 4 | place in its group 4 | type 1, 0 3 | crc 4 |
///
/// The identities lie far from the records yet in the same file, so that one fdatasync covers both and rot rarely hits
/// both ("Protocol-Aware Recovery", FAST'18, §3.3.1). A segment whose first record is not beyond what earlier segments
/// hold voids the rest of them: that is how recovery leaves a damaged tail behind without overwriting it.
struct WALSegmentHeader: Hashable, Sendable {
    static let magic: UInt64 = 0x4745_534C_4157_4E4D
    static let bytes = 112
    static let blockBytes = 4096
    static let copyOffset = 2048
    static let identityBytes = 32

    let owner: WALOwner
    let segment: UInt64
    let firstNumber: UInt64
    /// The log's end just before the first record.
    let base: LogPosition
    let recordMax: Int
    let doubt: WALDoubt?

    /// Where records begin.
    var recordsOffset: Int { Self.blockBytes + recordMax * Self.identityBytes }

    static func fileName(_ segment: UInt64) -> String {
        let digits = String(segment)
        return "wal-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".log"
    }

    /// The inverse of `fileName`; nil for a file that is not a segment.
    static func segment(ofFile name: String) -> UInt64? {
        guard name.hasPrefix("wal-"), name.hasSuffix(".log") else { return nil }
        guard let segment = UInt64(name.dropFirst(4).dropLast(4)), segment < WALRecord.numberLimit,
            segment >= 1, fileName(segment) == name
        else { return nil }
        return segment
    }

    // MARK: Coding

    /// The first 4096 bytes of the file: the header twice, in different sectors.
    func encodeBlock() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.bytes)
        writer.write(Self.magic)
        writer.write(WALFormat.version)
        writer.write(UInt32(0))
        writer.writeRaw(owner.cluster)
        writer.write(owner.replica)
        writer.write(segment)
        writer.write(firstNumber)
        writer.write(base.index.value)
        writer.write(base.term.value)
        writer.write(UInt32(recordMax))
        writer.write(UInt32(doubt?.kind.rawValue ?? 0))
        writer.write(doubt?.first.value ?? 0)
        writer.write(doubt?.last.index.value ?? 0)
        writer.write(doubt?.last.term.value ?? 0)
        writer.write(WALChecksum.crc32c(writer.bytes))
        writer.write(UInt32(0))
        precondition(writer.count == Self.bytes, "a header has \(Self.bytes) bytes, not \(writer.count)")
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        block.replaceSubrange(0..<Self.bytes, with: writer.bytes)
        block.replaceSubrange(Self.copyOffset..<Self.copyOffset + Self.bytes, with: writer.bytes)
        return block
    }

    /// The header of a segment file, from whichever copy is intact; nil if neither is. Throws if it is intact and not
    /// ours. Never traps.
    static func decode(_ file: [UInt8], name: String, owner: WALOwner) throws(WALError) -> WALSegmentHeader? {
        for offset in [0, copyOffset] where file.count >= offset + bytes {
            let end = offset + bytes - 8
            var reader = ByteReader(file, in: offset..<offset + bytes)
            guard (try? reader.readUInt64()) == magic, let version = try? reader.readUInt32() else { continue }
            var tail = ByteReader(file, in: end..<end + 4)
            guard (try? tail.readUInt32()) == WALChecksum.crc32c(file, offset..<end) else { continue }
            guard version == WALFormat.version else { throw .unknownVersion(file: name, found: version) }
            guard let header = try? decodeFields(&reader) else { continue }
            try header.owner.expect(owner, file: name)
            if fileName(header.segment) == name { return header }
        }
        return nil
    }

    private static func decodeFields(_ reader: inout ByteReader) throws(DecodeError) -> WALSegmentHeader {
        _ = try reader.readUInt32()
        let owner = WALOwner(cluster: try reader.readRaw(16), replica: try reader.readReplicaID())
        let segment = try reader.readUInt64()
        let firstNumber = try reader.readUInt64()
        let baseIndex = try reader.readUInt64()
        let baseTerm = try reader.readUInt64()
        let recordMax = try reader.readUInt32()
        let doubtKind = try reader.readUInt32()
        let doubtFirst = try reader.readUInt64()
        let doubtIndex = try reader.readUInt64()
        let doubtTerm = try reader.readUInt64()
        let greatest = max(segment, firstNumber, baseIndex, baseTerm, doubtFirst, max(doubtIndex, doubtTerm))
        guard greatest < WALRecord.numberLimit, segment >= 1, firstNumber >= 1, recordMax >= 2, recordMax <= 1 << 20
        else { throw .invalid("segment header") }
        var doubt: WALDoubt?
        if doubtKind != 0 {
            guard let kind = WALDoubt.Kind(rawValue: UInt8(truncatingIfNeeded: doubtKind)) else {
                throw .invalid("doubt")
            }
            let last = LogPosition(index: LogIndex(doubtIndex), term: Term(doubtTerm))
            doubt = WALDoubt(kind: kind, first: LogIndex(doubtFirst), last: last)
        }
        return WALSegmentHeader(
            owner: owner, segment: segment, firstNumber: firstNumber,
            base: LogPosition(index: LogIndex(baseIndex), term: Term(baseTerm)), recordMax: Int(recordMax),
            doubt: doubt)
    }

    // MARK: Identities

    func identityOffset(of number: UInt64) -> Int {
        Self.blockBytes + Int(number - firstNumber) * Self.identityBytes
    }

    static func encode(_ identity: WALRecord.Identity, at offset: Int, seed: UInt32, into writer: inout ByteWriter) {
        let start = writer.count
        writer.write(identity.position?.index.value ?? 0)
        writer.write(identity.position?.term.value ?? 0)
        writer.write(UInt32(offset))
        writer.write(UInt32(identity.number - identity.group))
        writer.write(identity.position == nil ? UInt32(2) : 1)
        writer.write(identityChecksum(writer.bytes, start..<writer.count, number: identity.number, seed: seed))
    }

    /// The identity of record `number`, or nil if its place holds none that its checksum confirms. Never traps.
    func identity(of number: UInt64, in file: [UInt8], seed: UInt32) -> WALRecord.Identity? {
        guard number >= firstNumber, number - firstNumber < UInt64(recordMax) else { return nil }
        let start = identityOffset(of: number)
        let end = start + Self.identityBytes - 4
        guard end + 4 <= file.count else { return nil }
        var tail = ByteReader(file, in: end..<end + 4)
        guard (try? tail.readUInt32()) == Self.identityChecksum(file, start..<end, number: number, seed: seed) else {
            return nil
        }
        var reader = ByteReader(file, in: start..<end)
        guard let index = try? reader.readUInt64(), let term = try? reader.readUInt64(),
            (try? reader.readUInt32()) != nil, let place = try? reader.readUInt32(),
            let type = try? reader.readUInt32(), max(index, term) < WALRecord.numberLimit, UInt64(place) < number
        else { return nil }
        let position = type == 1 ? LogPosition(index: LogIndex(index), term: Term(term)) : nil
        return WALRecord.Identity(number: number, group: number - UInt64(place), position: position)
    }

    private static func identityChecksum(
        _ bytes: [UInt8], _ range: Range<Int>, number: UInt64, seed: UInt32
    ) -> UInt32 {
        let folded = UInt32(truncatingIfNeeded: number) ^ UInt32(truncatingIfNeeded: number >> 32)
        return WALChecksum.crc32c(bytes, range, seed: seed ^ folded)
    }
}

extension WALOwner {
    /// Throws if what `file` says of its owner is not `expected`.
    func expect(_ expected: WALOwner, file: String) throws(WALError) {
        guard cluster == expected.cluster else {
            throw .foreignCluster(file: file, found: cluster, expected: expected.cluster)
        }
        guard replica == expected.replica else {
            throw .foreignReplica(file: file, found: replica, expected: expected.replica)
        }
    }
}
