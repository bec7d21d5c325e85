import Primitives

// Layout of a digest after its kind byte, as in Message+Coding.swift. Entries go on until the end, ascending by id.
//
//     digest        purpose:1 | first:16 | last:16 | entry*
//     entry         id:16 | state:1 | epoch | nonce:4 | counter | count | (section:1 | epoch | version)*

extension ByteWriter {
    mutating func write(_ entry: Digest.Entry) {
        write(entry.id)
        write(entry.state.rawValue)
        write(entry.incarnation)
        writeArray(entry.sections) { writer, item in
            writer.write(item.section.value)
            writer.write(item.stamp)
        }
    }

    mutating func write(_ digest: Digest) {
        write(digest.purpose.rawValue)
        write(digest.first)
        write(digest.last)
        for entry in digest.entries { write(entry) }
    }
}

extension ByteReader {
    mutating func readDigest() throws(DecodeError) -> Digest {
        guard let purpose = Digest.Purpose(rawValue: try readUInt8()) else { throw .invalid("digest purpose") }
        let first = try readNodeID()
        let last = try readNodeID()
        guard first <= last else { throw .invalid("digest range") }
        var entries: [Digest.Entry] = []
        while remaining > 0 {
            let entry = try readDigestEntry()
            guard first <= entry.id, entry.id <= last, entries.last.map({ $0.id < entry.id }) ?? true else {
                throw .invalid("digest order")
            }
            entries.append(entry)
        }
        return Digest(purpose: purpose, first: first, last: last, entries: entries)
    }

    private mutating func readDigestEntry() throws(DecodeError) -> Digest.Entry {
        let id = try readNodeID()
        guard let state = MemberState(rawValue: try readUInt8()) else { throw .invalid("member state") }
        let incarnation = try readIncarnation()
        var sections: [Digest.SectionEntry] = []
        for _ in 0..<(try readCount(limit: Section.countMax)) {
            let section = SectionID(value: try readUInt8())
            guard sections.last.map({ $0.section < section }) ?? true else { throw .invalid("section order") }
            sections.append(Digest.SectionEntry(section: section, stamp: try readStamp()))
        }
        return Digest.Entry(id: id, incarnation: incarnation, state: state, sections: sections)
    }
}
