import Csodium

/// Small secrets at rest, sealed with XChaCha20-Poly1305: `nonce (24) | ciphertext | tag (16)`.
///
/// A refresh token's successor is kept this way under its predecessor: only who still holds the predecessor learns the
/// successor, and the replicated table alone reveals neither.
package enum SealedBytes {
    private static let nonceByteCount = 24
    private static let tagByteCount = 16
    package static let overhead = nonceByteCount + tagByteCount

    /// `context` is bound to the seal and must be given again to open: sealed bytes cannot be moved to another place.
    package static func seal(
        _ plaintext: [UInt8], key: SecretBytes, context: [UInt8], entropy: inout some Entropy
    ) -> [UInt8] {
        checkKey(key)
        let nonce = entropy.bytes(nonceByteCount)
        return [UInt8](count: plaintext.count + overhead) { output in
            output.update(from: nonce, count: nonceByteCount)
            crypto_aead_xchacha20poly1305_ietf_encrypt(
                output + nonceByteCount, nil, plaintext, UInt64(plaintext.count), context, UInt64(context.count), nil,
                nonce, key.pointer)
        }
    }

    /// Nil if the bytes were not sealed under this key and context.
    package static func open(_ sealed: [UInt8], key: SecretBytes, context: [UInt8]) -> [UInt8]? {
        checkKey(key)
        guard sealed.count >= overhead else { return nil }
        let count = sealed.count - overhead
        var opened = false
        let plaintext = [UInt8](count: count) { output in
            sealed.withUnsafeBufferPointer { source in
                // `source` has at least `overhead` bytes, hence a base address.
                let start = source.baseAddress!
                // On failure libsodium leaves zeroes behind.
                opened =
                    crypto_aead_xchacha20poly1305_ietf_decrypt(
                        output, nil, nil, start + nonceByteCount, UInt64(sealed.count - nonceByteCount), context,
                        UInt64(context.count), start, key.pointer) == 0
            }
        }
        return opened ? plaintext : nil
    }

    /// The key under which a token's successor is sealed. The token has enough entropy to need no stretching.
    package static func successorKey(predecessor: [UInt8]) -> SecretBytes {
        let token = SecretBytes(copying: Blake2b.hash(predecessor))
        return Blake2b.derive(Array("meshnode sealed successor".utf8), from: token)
    }

    private static func checkKey(_ key: SecretBytes) {
        precondition(key.count == 32, "a sealing key has 32 bytes, not \(key.count)")
    }
}
