import Csodium

/// HMAC (RFC 2104) over BLAKE2b-512, and the key derivation that the Noise specification builds from it (§4.3): BLAKE2b
/// has a keyed mode of its own, which Noise does not use.
enum HMACBlake2b {
    static let hashByteCount = 64
    /// BLAKE2b's block. HMAC over another block size is another function.
    private static let blockByteCount = 128
    /// The longest message: a hash and one byte.
    private static let messageByteCountMax = hashByteCount + 1

    /// Noise §4.3, HKDF: writes `count` hashes, each 64 bytes, one after the other. `key` has 64 bytes.
    static func derive(
        _ count: Int, key: UnsafePointer<UInt8>, input: UnsafeBufferPointer<UInt8>,
        into output: UnsafeMutablePointer<UInt8>
    ) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: hashByteCount + messageByteCountMax) { buffer in
            // The capacity is a positive constant, hence a base address.
            let temporary = buffer.baseAddress!
            let message = temporary + hashByteCount
            authenticate(input, key: key, into: temporary)
            for step in 0..<count {
                let previous = step == 0 ? 0 : hashByteCount
                if step > 0 { message.update(from: output + (step - 1) * hashByteCount, count: hashByteCount) }
                message[previous] = UInt8(step + 1)
                authenticate(
                    UnsafeBufferPointer(start: message, count: previous + 1), key: temporary,
                    into: output + step * hashByteCount)
            }
            sodium_memzero(temporary, buffer.count)
        }
    }

    private static func authenticate(
        _ message: UnsafeBufferPointer<UInt8>, key: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) {
        precondition(message.count <= messageByteCountMax, "\(message.count) bytes exceed the scratch space")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: blockByteCount + messageByteCountMax) { buffer in
            // The capacity is a positive constant, hence a base address.
            let block = buffer.baseAddress!
            pad(block, key: key, with: 0x36)
            if let start = message.baseAddress { (block + blockByteCount).update(from: start, count: message.count) }
            crypto_generichash(output, hashByteCount, block, UInt64(blockByteCount + message.count), nil, 0)
            pad(block, key: key, with: 0x5C)
            (block + blockByteCount).update(from: output, count: hashByteCount)
            crypto_generichash(output, hashByteCount, block, UInt64(blockByteCount + hashByteCount), nil, 0)
            sodium_memzero(block, buffer.count)
        }
    }

    private static func pad(_ block: UnsafeMutablePointer<UInt8>, key: UnsafePointer<UInt8>, with value: UInt8) {
        for place in 0..<blockByteCount { block[place] = value ^ (place < hashByteCount ? key[place] : 0) }
    }
}
