import Primitives

/// Names one of a member's published sections, for example its descriptor or its health. Gossip carries the bytes and
/// does not look inside.
package struct SectionID: Hashable, Comparable, Sendable {
    package let value: UInt8
    package init(value: UInt8) { self.value = value }
    package static func < (a: SectionID, b: SectionID) -> Bool { a.value < b.value }
}

/// The newest known content of one section: written by its owner alone, replaced as a whole.
package struct Section: Hashable, Sendable {
    /// The owner's boot epoch at publication; compared before `version`.
    package let bootEpoch: UInt64
    /// Counts the owner's publications, of all its sections together, from 1.
    package let version: UInt64
    /// At most `bytesMax`.
    package let bytes: [UInt8]
    /// When this node learnt it, on its own clock. Not part of what is told to others.
    package let receivedAt: Instant

    /// What fits into a datagram together with the owner's id and signature.
    package static let bytesMax = 960
    /// Sections of one member; a ninth is refused.
    package static let countMax = 8
    /// Larger versions are refused by the decoder, so that the owner can always count past what others hold.
    package static let versionMax: UInt64 = 1 << 62

    package init(bootEpoch: UInt64, version: UInt64, bytes: [UInt8], receivedAt: Instant) {
        precondition(bytes.count <= Self.bytesMax, "section of \(bytes.count) bytes exceeds \(Self.bytesMax)")
        self.bootEpoch = bootEpoch
        self.version = version
        self.bytes = bytes
        self.receivedAt = receivedAt
    }

    var stamp: SectionStamp { SectionStamp(bootEpoch: bootEpoch, version: version) }
}

/// Orders two contents of one section.
package struct SectionStamp: Hashable, Comparable, Sendable {
    package let bootEpoch: UInt64
    package let version: UInt64

    static let none = SectionStamp(bootEpoch: 0, version: 0)

    package static func < (a: SectionStamp, b: SectionStamp) -> Bool {
        (a.bootEpoch, a.version) < (b.bootEpoch, b.version)
    }
}
