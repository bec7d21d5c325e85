import Primitives

/// One step of the log on disk. Records are numbered without a gap and never overwritten: a log that changes its mind
/// (Raft §5.3, a conflicting tail) says so in a further record, so no crash can leave a mixture of two tails.
///
///     record, little-endian, at a multiple of 8 bytes
///      0        4        8        12       16       24       32      40     48     56     57     58   64
///     +--------+--------+--------+--------+--------+--------+-------+------+------+------+------+---+----------+
///     | magic  | header | body   | body   | number | group  | index | term | time | type | kind | 0 | body ... |
///     | "MNWR" | crc    | crc    | bytes  |        |        |       |      |      |      |      |   | 0 to 8n  |
///     +--------+--------+--------+--------+--------+--------+-------+------+------+------+------+---+----------+
///
/// The header has a checksum of its own, so that the length is trusted before the body is read. `group` is the number
/// of the first record that was synced together with this one: that this record exists proves that everything before
/// `group` was durable, and therefore perhaps acknowledged. This is how recovery tells a torn write from rot.
struct WALRecord: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case entry(Entry)
        /// Everything after this index is void.
        case truncate(after: LogIndex)
        /// Everything so far is void: the log goes on after this position, which a snapshot covers.
        case restart(after: LogPosition)
        /// The doubt about the tail that recovery left behind is settled.
        case settle
    }

    static let headerBytes = 64
    static let magic: UInt32 = 0x5257_4E4D
    /// Numbers, indexes and terms at or above this are refused, so that arithmetic on what is read cannot overflow.
    static let numberLimit: UInt64 = 1 << 62

    let number: UInt64
    let group: UInt64
    let kind: Kind

    /// What of a record is known when only its header, or only its identity, can be read.
    struct Identity: Hashable, Sendable {
        let number: UInt64
        let group: UInt64
        /// The entry's place in the log; nil for the other types.
        let position: LogPosition?
    }

    var identity: Identity {
        if case .entry(let entry) = kind {
            return Identity(
                number: number, group: group, position: LogPosition(index: entry.index, term: entry.term))
        }
        return Identity(number: number, group: group, position: nil)
    }

    private var bodyCount: Int {
        if case .entry(let entry) = kind { entry.payload.count } else { 0 }
    }

    /// Bytes on disk, with the zeros that round the body up to a multiple of 8.
    var encodedBytes: Int { Self.headerBytes + Self.rounded(bodyCount) }

    static func rounded(_ count: Int) -> Int { (count + 7) & ~7 }

    // MARK: Coding

    func encode(into writer: inout ByteWriter, seed: UInt32) {
        let start = writer.count
        switch kind {
        case .entry(let entry):
            writeFields(entry.index, entry.term, entry.time, type: 1, kind: entry.kind.rawValue, into: &writer)
            writer.writeRaw(entry.payload)
            writer.writeRaw(repeatElement(0, count: Self.rounded(entry.payload.count) - entry.payload.count))
        case .truncate(let index): writeFields(index, .zero, .zero, type: 2, kind: 0, into: &writer)
        case .restart(let position): writeFields(position.index, position.term, .zero, type: 4, kind: 0, into: &writer)
        case .settle: writeFields(.zero, .zero, .zero, type: 3, kind: 0, into: &writer)
        }
        let body = start + Self.headerBytes
        writer.overwrite(with: WALChecksum.crc32c(writer.bytes, body..<writer.count), at: start + 8)
        writer.overwrite(with: WALChecksum.crc32c(writer.bytes, start + 8..<body, seed: seed), at: start + 4)
    }

    /// The header, both checksums still zero.
    private func writeFields(
        _ index: LogIndex, _ term: Term, _ time: LogTime, type: UInt8, kind: UInt8, into writer: inout ByteWriter
    ) {
        writer.write(Self.magic)
        writer.write(UInt32(0))
        writer.write(UInt32(0))
        writer.write(UInt32(bodyCount))
        writer.write(number)
        writer.write(group)
        writer.write(index.value)
        writer.write(term.value)
        writer.write(time)
        writer.write(type)
        writer.write(kind)
        writer.writeRaw(repeatElement(0, count: 6))
    }
}

extension WALRecord {
    /// A record header whose checksum holds.
    struct Header: Sendable {
        let identity: Identity
        let bodyOffset: Int
        let bodyBytes: Int
        let bodyChecksum: UInt32
        fileprivate let index: LogIndex
        fileprivate let term: Term
        fileprivate let time: LogTime
        fileprivate let type: UInt8
        fileprivate let entryKind: UInt8

        /// Where the next record begins.
        var end: Int { bodyOffset + WALRecord.rounded(bodyBytes) }
    }

    /// The header at `offset`, or nil if there is none that its checksum confirms. Never traps.
    static func header(in bytes: [UInt8], at offset: Int, seed: UInt32) -> Header? {
        guard offset >= 0, offset + headerBytes <= bytes.count else { return nil }
        // The cheap test first: a scan asks at every eighth byte.
        guard bytes[offset] == 0x4D, bytes[offset + 1] == 0x4E else { return nil }
        var reader = ByteReader(bytes, in: offset..<offset + headerBytes)
        guard let magic = try? reader.readUInt32(), magic == Self.magic, let checksum = try? reader.readUInt32(),
            checksum == WALChecksum.crc32c(bytes, offset + 8..<offset + headerBytes, seed: seed)
        else { return nil }
        return try? decodeFields(&reader, at: offset)
    }

    private static func decodeFields(_ reader: inout ByteReader, at offset: Int) throws(DecodeError) -> Header {
        let bodyChecksum = try reader.readUInt32()
        let bodyBytes = try reader.readUInt32()
        let number = try reader.readUInt64()
        let group = try reader.readUInt64()
        let index = try reader.readUInt64()
        let term = try reader.readUInt64()
        let time = try reader.readLogTime()
        let type = try reader.readUInt8()
        let entryKind = try reader.readUInt8()
        guard bodyBytes <= WALFormat.payloadMax else { throw .tooLong }
        guard group >= 1, group <= number, max(number, index, term) < numberLimit, (1...4).contains(type) else {
            throw .invalid("record")
        }
        let position = type == 1 ? LogPosition(index: LogIndex(index), term: Term(term)) : nil
        return Header(
            identity: Identity(number: number, group: group, position: position), bodyOffset: offset + headerBytes,
            bodyBytes: Int(bodyBytes), bodyChecksum: bodyChecksum, index: LogIndex(index), term: Term(term),
            time: time, type: type, entryKind: entryKind)
    }

    /// The record that `header` announces, or nil if its body is missing or fails its checksum. Never traps.
    static func decode(_ header: Header, in bytes: [UInt8]) -> WALRecord? {
        guard header.end <= bytes.count,
            header.bodyChecksum == WALChecksum.crc32c(bytes, header.bodyOffset..<header.end)
                || planted(.checksumIgnored)
        else { return nil }
        let kind: Kind
        switch header.type {
        case 1:
            guard let entryKind = Entry.Kind(rawValue: header.entryKind) else { return nil }
            let payload = Array(bytes[header.bodyOffset..<header.bodyOffset + header.bodyBytes])
            kind = .entry(
                Entry(index: header.index, term: header.term, time: header.time, kind: entryKind, payload: payload))
        case 2: kind = .truncate(after: header.index)
        case 3: kind = .settle
        default: kind = .restart(after: LogPosition(index: header.index, term: header.term))
        }
        return WALRecord(number: header.identity.number, group: header.identity.group, kind: kind)
    }
}
