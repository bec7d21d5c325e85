import Primitives

/// What a segment still says of the records from a damaged one on: the difference between a write that was torn and
/// an acknowledged entry that rotted.
struct WALTailEvidence: Sendable {
    /// The furthest entry of which a trace survives.
    private(set) var last: LogPosition?
    /// The lowest index of such an entry.
    private(set) var first: LogIndex?
    /// Everything before this record number was durable.
    private(set) var durableBefore: UInt64 = 0
    /// Bytes from the damage to the last one that is not zero.
    private(set) var residueBytes = 0

    /// Gathers the traces of records `number` and on from a segment whose records are unreadable from `offset` on.
    /// `header` is nil if the segment's own is unreadable: then only whole records count.
    mutating func gather(
        _ file: [UInt8], header: WALSegmentHeader?, seed: UInt32, from offset: Int, number: UInt64
    ) {
        gatherRecords(file, seed: seed, from: offset, number: number)
        if let header { gatherIdentities(file, header: header, seed: seed, number: number) }
        if let last = file.indices.last(where: { $0 >= offset && file[$0] != 0 }) {
            residueBytes += last + 1 - offset
        }
    }

    /// Records lie at multiples of 8; the damaged length cannot be trusted, so every one is tried.
    private mutating func gatherRecords(_ file: [UInt8], seed: UInt32, from offset: Int, number: UInt64) {
        var offset = WALRecord.rounded(offset)
        while offset + WALRecord.headerBytes <= file.count {
            guard let header = WALRecord.header(in: file, at: offset, seed: seed),
                header.identity.number >= number
            else {
                offset += 8
                continue
            }
            // A header without its body is what a torn write leaves, unless a later sync preceded it.
            if header.identity.group > number || WALRecord.decode(header, in: file) != nil { note(header.identity) }
            offset += WALRecord.headerBytes
        }
    }

    private mutating func gatherIdentities(
        _ file: [UInt8], header: WALSegmentHeader, seed: UInt32, number: UInt64
    ) {
        guard number >= header.firstNumber, number - header.firstNumber < UInt64(header.recordMax) else { return }
        for candidate in number..<header.firstNumber + UInt64(header.recordMax) {
            if let identity = header.identity(of: candidate, in: file, seed: seed) { note(identity) }
        }
        let start = header.identityOffset(of: number)
        let end = min(header.recordsOffset, file.count)
        if start < end, file[start..<end].contains(where: { $0 != 0 }) { residueBytes += 1 }
    }

    private mutating func note(_ identity: WALRecord.Identity) {
        durableBefore = max(durableBefore, identity.group)
        guard let position = identity.position else { return }
        last = max(last ?? position, position)
        first = min(first ?? position.index, position.index)
    }
}
