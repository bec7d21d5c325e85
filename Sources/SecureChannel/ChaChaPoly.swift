import Csodium

/// ChaCha20-Poly1305 (RFC 8439) under a counter, as Noise wants it (§12.3): four zero bytes, then the counter with its
/// lowest byte first. A key must never meet the same counter twice.
enum ChaChaPoly {
    static let keyByteCount = 32
    static let tagByteCount = 16

    /// Seals `count` bytes in place and puts the tag after them.
    static func seal(
        _ text: UnsafeMutablePointer<UInt8>, count: Int, associated: UnsafeBufferPointer<UInt8>, counter: UInt64,
        key: UnsafePointer<UInt8>
    ) {
        withNonce(counter) { nonce in
            _ = crypto_aead_chacha20poly1305_ietf_encrypt(
                text, nil, text, UInt64(count), associated.baseAddress, UInt64(associated.count), nil, nonce, key)
        }
    }

    /// Opens into `output`, which holds the tag's size less than `sealed`. False leaves nothing there but zeroes.
    static func open(
        _ sealed: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>,
        associated: UnsafeBufferPointer<UInt8>, counter: UInt64, key: UnsafePointer<UInt8>
    ) -> Bool {
        guard sealed.count >= tagByteCount, let start = sealed.baseAddress else { return false }
        return withNonce(counter) { nonce in
            crypto_aead_chacha20poly1305_ietf_decrypt(
                output, nil, nil, start, UInt64(sealed.count), associated.baseAddress,
                UInt64(associated.count), nonce, key) == 0
        }
    }

    @inline(__always)
    private static func withNonce<Result>(_ counter: UInt64, _ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { buffer in
            buffer.storeBytes(of: 0, as: UInt32.self)
            buffer.storeBytes(of: counter.littleEndian, toByteOffset: 4, as: UInt64.self)
            // Twelve bytes were asked for, hence a base address.
            return body(buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }
}
