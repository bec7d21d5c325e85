import Authority
import Gossip
import Primitives

/// The revocations that a node knows of, told to everybody: a gossip section of its own. News of a stolen machine thus gets
/// wherever anything gets, also to who is cut off from the log, and through whoever is in between.
///
///     count 1 | node 16, signer 16, revision 8, signature 64 | ...
///
/// It is worth as much as its signatures: whose section it came in plays no part.
package struct RevocationNews: Hashable, Sendable {
    /// The newest ones; as many as a section holds. Whoever missed older ones has them from the log, or hears them from
    /// the core node that it speaks with.
    package static let countMax = 9

    /// Ascending by revision.
    package let revocations: [Revocation]

    package init(_ all: [Revocation]) {
        revocations = all.sorted { ($0.revision, $0.node) < ($1.revision, $1.node) }.suffix(Self.countMax)
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + revocations.count * 104)
        writer.writeArray(revocations) { writer, revocation in
            writer.write(revocation.node)
            writer.writeRaw(revocation.notice)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        revocations = try reader.readArray(limit: Self.countMax) { (reader) throws(DecodeError) in
            let node = try reader.readNodeID()
            return try Revocation(notice: try reader.readRaw(Revocation.noticeByteCount), of: node)
        }
        // What later programs append is theirs.
    }
}

extension SectionID {
    static let revocations = SectionID(value: 7)
}
