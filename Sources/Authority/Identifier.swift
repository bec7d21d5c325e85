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

    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Returns nil for any other length than 32.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ number: Int) -> UInt64 {
            var word: UInt64 = 0
            for offset in 8 * number..<8 * number + 8 { word = word << 8 | UInt64(bytes[offset]) }
            return word
        }
        words = (word(0), word(1), word(2), word(3))
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return bytes
    }

    package var description: String { Hex.encode(bytes) }

    package static func == (a: Bytes32, b: Bytes32) -> Bool { a.words == b.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}
