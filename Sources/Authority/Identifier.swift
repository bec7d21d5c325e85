import Primitives

/// Sixteen random bytes that name one thing of one kind. Drawn before a command is proposed, never while it is applied.
///
/// The kind is part of the type, so that a session's id is never looked up among API keys. Ordered as big-endian bytes.
package struct Identifier<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static var byteCount: Int { 16 }

    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 16 bytes, big-endian. Returns nil for any other length.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Parses the 32 hexadecimal digits that `description` prints.
    package init?(hex: String) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    package var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    package var description: String { Hex.encode(bytes) }

    package static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

package typealias SessionID = Identifier<Session>
package typealias APIKeyID = Identifier<APIKey>
/// The `kid` of a token.
package typealias SigningKeyID = Identifier<SigningKey>

/// Thirty-two bytes held in place: the hash of a high-entropy secret, or an Ed25519 public key. The secrets themselves
/// never enter the log.
package struct Bytes32: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 32

    private let words: SIMD4<UInt64>

    /// Returns nil for any other length than 32.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        var words = SIMD4<UInt64>()
        for (offset, byte) in bytes.enumerated() { words[offset / 8] = words[offset / 8] << 8 | UInt64(byte) }
        self.words = words
    }

    package var bytes: [UInt8] {
        (0..<Self.byteCount).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (56 - 8 * UInt64($0 % 8))) }
    }

    package var description: String { Hex.encode(bytes) }
}
