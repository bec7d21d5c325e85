import Gossip
import Primitives

/// What a node takes for the time of day, said so that it stays true: the Unix time at log time 0, in milliseconds. A gossip
/// section of its own, told anew only when the clock or log time was set by more than a second.
///
/// One wall clock may be years off; the one in the middle of the voters' is not, while most of them are right.
package struct ClockNotice: Hashable, Sendable {
    /// Far more than any clock shows, and small enough to be added to.
    private static let range = -(Int64(1) << 61)...(Int64(1) << 61)

    package let unixAtLogZero: Int64

    /// Nil for a clock that cannot be meant.
    package init?(unixAtLogZero: Int64) {
        guard Self.range.contains(unixAtLogZero) else { return nil }
        self.unixAtLogZero = unixAtLogZero
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.write(unixAtLogZero)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard let notice = ClockNotice(unixAtLogZero: try reader.readInt64()) else { throw .invalid("clock") }
        self = notice
        // What later programs append is theirs.
    }
}

extension SectionID {
    static let clock = SectionID(value: 8)
}
