/// The identity of a machine in the mesh: 16 bytes, BLAKE2b-128 over the node's static X25519 public key followed by
/// its Ed25519 public key. Names are for people and may be reused; a `NodeID` never is.
///
/// Ordered and compared as big-endian bytes, so that every node sorts members alike.
@usableFromInline package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let byteCount = 16

    @usableFromInline package let high: UInt64
    @usableFromInline package let low: UInt64

    @inlinable package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 16 bytes, big-endian. Returns nil for any other length.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (offset, byte) in bytes.enumerated() {
            if offset < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
        }
        self.init(high: high, low: low)
    }

    /// Parses the 32 hexadecimal digits that `description` prints.
    package init?(hex: String) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    package var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    @usableFromInline package var description: String { Hex.encode(bytes) }

    @inlinable package static func < (a: NodeID, b: NodeID) -> Bool {
        (a.high, a.low) < (b.high, b.low)
    }
}
