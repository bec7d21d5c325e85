import Csodium

/// What both sides of a handshake have said and agreed so far (Noise specification, revision 34, §5.2): a running hash
/// of everything, and a chaining key into which every shared secret is mixed.
///
/// The secrets are values of their own, never changed once made: a copy of this state goes its own way.
struct SymmetricState: Sendable {
    private static let keyOffset = HMACBlake2b.hashByteCount

    /// 64 bytes. Equal on both sides if and only if they saw the same.
    private(set) var hash: [UInt8]
    /// Chaining key (64), then the cipher key (32).
    private var chain: SecretBytes
    private var hasKey = false
    private var counter: UInt64 = 0

    init(protocolName: String) {
        let name = Array(protocolName.utf8)
        hash =
            name.count <= HMACBlake2b.hashByteCount
            ? name + Array(repeating: 0, count: HMACBlake2b.hashByteCount - name.count)
            : Blake2b.hash(name, byteCount: HMACBlake2b.hashByteCount)
        chain = SecretBytes(copying: hash + Array(repeating: 0, count: ChaChaPoly.keyByteCount))
    }

    mutating func mixHash(_ bytes: [UInt8]) {
        hash = Blake2b.hash(hash + bytes, byteCount: HMACBlake2b.hashByteCount)
    }

    mutating func mixKey(_ secret: SecretBytes) {
        mixKey(UnsafeBufferPointer(start: secret.pointer, count: secret.count))
    }

    /// A public key as part of the chain, where a pre-shared key is used (§9.2).
    mutating func mixKey(_ publicKey: [UInt8]) { publicKey.withUnsafeBufferPointer { mixKey($0) } }

    private mutating func mixKey(_ input: UnsafeBufferPointer<UInt8>) {
        derive(2, input) { hashes in
            advance(chainFrom: hashes, keyFrom: hashes + HMACBlake2b.hashByteCount)
        }
    }

    /// The pre-shared key goes into the hash as well (§5.2, MixKeyAndHash).
    mutating func mixKeyAndHash(_ secret: SecretBytes) {
        derive(3, UnsafeBufferPointer(start: secret.pointer, count: secret.count)) { hashes in
            mixHash(
                Array(UnsafeBufferPointer(start: hashes + HMACBlake2b.hashByteCount, count: HMACBlake2b.hashByteCount)))
            advance(chainFrom: hashes, keyFrom: hashes + 2 * HMACBlake2b.hashByteCount)
        }
    }

    /// Ciphertext and tag; the bytes themselves as long as there is no key.
    mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
        guard hasKey else {
            mixHash(plaintext)
            return plaintext
        }
        let sealed = [UInt8](count: plaintext.count + ChaChaPoly.tagByteCount) { output in
            output.update(from: plaintext, count: plaintext.count)
            hash.withUnsafeBufferPointer {
                ChaChaPoly.seal(
                    output, count: plaintext.count, associated: $0, counter: counter,
                    key: chain.pointer + Self.keyOffset)
            }
        }
        counter += 1
        mixHash(sealed)
        return sealed
    }

    mutating func decryptAndHash(_ sealed: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard hasKey else {
            mixHash(sealed)
            return sealed
        }
        guard sealed.count >= ChaChaPoly.tagByteCount else { throw .truncated }
        var isAuthentic = false
        let plaintext = [UInt8](count: sealed.count - ChaChaPoly.tagByteCount) { output in
            isAuthentic = sealed.withUnsafeBufferPointer { sealed in
                hash.withUnsafeBufferPointer {
                    ChaChaPoly.open(
                        sealed, into: output, associated: $0, counter: counter, key: chain.pointer + Self.keyOffset)
                }
            }
        }
        guard isAuthentic else { throw .unauthentic }
        counter += 1
        mixHash(sealed)
        return plaintext
    }

    /// How much longer a field gets by `encryptAndHash` right now.
    var fieldOverhead: Int { hasKey ? ChaChaPoly.tagByteCount : 0 }

    /// The two keys for what follows: the initiator's to send with, then the responder's.
    func split() -> (toResponder: SecretBytes, toInitiator: SecretBytes) {
        derive(2, UnsafeBufferPointer(start: nil, count: 0)) { hashes in
            let key = { (offset: Int) in
                SecretBytes(count: ChaChaPoly.keyByteCount) {
                    $0.update(from: hashes + offset, count: ChaChaPoly.keyByteCount)
                }
            }
            return (key(0), key(HMACBlake2b.hashByteCount))
        }
    }

    private mutating func advance(chainFrom chaining: UnsafePointer<UInt8>, keyFrom key: UnsafePointer<UInt8>) {
        chain = SecretBytes(count: Self.keyOffset + ChaChaPoly.keyByteCount) {
            $0.update(from: chaining, count: Self.keyOffset)
            ($0 + Self.keyOffset).update(from: key, count: ChaChaPoly.keyByteCount)
        }
        hasKey = true
        counter = 0
    }

    private func derive<Result>(
        _ count: Int, _ input: UnsafeBufferPointer<UInt8>, _ body: (UnsafePointer<UInt8>) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 3 * HMACBlake2b.hashByteCount) { buffer in
            // The capacity is a positive constant, hence a base address.
            let hashes = buffer.baseAddress!
            HMACBlake2b.derive(count, key: chain.pointer, input: input, into: hashes)
            defer { sodium_memzero(hashes, buffer.count) }
            return body(hashes)
        }
    }
}
