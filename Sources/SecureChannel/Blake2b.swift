import Csodium

/// BLAKE2b (RFC 7693): ids, tags, key derivation.
package enum Blake2b {
    /// `byteCount` in 16...64. A shorter digest is another function, not a prefix of the longer one.
    package static func hash(_ bytes: [UInt8], byteCount: Int = 32) -> [UInt8] {
        digest(bytes, key: nil, keyCount: 0, byteCount: byteCount)
    }

    /// A message authentication code, or a derived value, under `key`.
    package static func keyed(_ bytes: [UInt8], key: SecretBytes, byteCount: Int = 32) -> [UInt8] {
        digest(bytes, key: key.pointer, keyCount: key.count, byteCount: byteCount)
    }

    /// A message authentication code under a key that is no secret to those who should check it.
    package static func keyed(_ bytes: [UInt8], publicKey key: [UInt8], byteCount: Int) -> [UInt8] {
        digest(bytes, key: key, keyCount: key.count, byteCount: byteCount)
    }

    /// A derived key that never lies in ordinary memory.
    package static func derive(_ label: [UInt8], from key: SecretBytes, byteCount: Int = 32) -> SecretBytes {
        check(byteCount, key.count)
        return SecretBytes(count: byteCount) { output in
            crypto_generichash(output, byteCount, label, UInt64(label.count), key.pointer, key.count)
        }
    }

    private static func digest(
        _ bytes: [UInt8], key: UnsafePointer<UInt8>?, keyCount: Int, byteCount: Int
    ) -> [UInt8] {
        check(byteCount, keyCount)
        return [UInt8](count: byteCount) { output in
            crypto_generichash(output, byteCount, bytes, UInt64(bytes.count), key, keyCount)
        }
    }

    private static func check(_ byteCount: Int, _ keyCount: Int) {
        precondition((16...64).contains(byteCount), "BLAKE2b digests are 16 to 64 bytes, not \(byteCount)")
        precondition(keyCount <= 64, "BLAKE2b keys have at most 64 bytes, not \(keyCount)")
    }
}

/// Compares without telling by its duration where the first difference is. Lengths are not secret.
package func constantTimeEquals(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && sodium_memcmp(a, b, a.count) == 0
}
