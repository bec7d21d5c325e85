import Csodium

/// Where keys and nonces come from. Apart from `SeededRandom`, so that a replayable generator cannot reach production
/// nonces by mistake: the agent constructs `SodiumEntropy`, the simulator its own.
package protocol Entropy: Sendable {
    mutating func bytes(_ count: Int) -> [UInt8]
    /// As `bytes`, but into memory that the caller already has.
    mutating func fill(_ target: UnsafeMutableRawBufferPointer)
}

extension Entropy {
    package mutating func fill(_ target: UnsafeMutableRawBufferPointer) {
        target.copyBytes(from: bytes(target.count))
    }

    /// A bearer secret as text: `byteCount` random bytes, base64url without padding.
    package mutating func token(byteCount: Int = 32) -> String {
        Sodium.base64URL(bytes(byteCount))
    }
}

/// The operating system's generator, by way of libsodium. The only entropy that an agent has.
package struct SodiumEntropy: Entropy {
    package init() { Sodium.start() }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](count: count) { randombytes_buf($0, count) }
    }

    package mutating func fill(_ target: UnsafeMutableRawBufferPointer) {
        guard let start = target.baseAddress else { return }
        randombytes_buf(start, target.count)
    }
}
