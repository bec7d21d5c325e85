import Csodium
import Primitives

/// The public half of a node: what a roster holds and what others check.
package struct PublicIdentity: Hashable, Sendable {
    package static let keyByteCount = 32

    /// X25519, for handshakes.
    package let exchangeKey: [UInt8]
    /// Ed25519, for signatures.
    package let signingKey: [UInt8]

    /// Returns nil unless both keys have 32 bytes.
    package init?(exchangeKey: [UInt8], signingKey: [UInt8]) {
        guard exchangeKey.count == Self.keyByteCount, signingKey.count == Self.keyByteCount else { return nil }
        self.exchangeKey = exchangeKey
        self.signingKey = signingKey
    }

    /// BLAKE2b-128 of both keys: nobody can claim this id without holding them.
    package var nodeID: NodeID {
        // A 16-byte digest is exactly what NodeID(bytes:) accepts.
        NodeID(bytes: Blake2b.hash(exchangeKey + signingKey, byteCount: NodeID.byteCount))!
    }
}

/// A node's own static keys. They are made once, with the data directory, and never leave the machine.
package struct Identity: Sendable {
    package static let signatureByteCount = 64
    private static let seedByteCount = 32

    package let publicIdentity: PublicIdentity
    /// The X25519 pair, for handshakes.
    package let exchange: ExchangeKeyPair
    private let exchangeSecret: SecretBytes
    /// libsodium's form: the 32-byte seed, then the public key.
    private let signingSecret: SecretBytes

    package var nodeID: NodeID { publicIdentity.nodeID }

    package static func generate(from entropy: inout some Entropy) -> Identity {
        Identity(
            exchangeSecret: SecretBytes(random: seedByteCount, from: &entropy),
            signingSeed: SecretBytes(random: seedByteCount, from: &entropy))
    }

    private init(exchangeSecret: SecretBytes, signingSeed: SecretBytes) {
        exchange = ExchangeKeyPair(secret: exchangeSecret)
        var signingKey = [UInt8](repeating: 0, count: 32)
        self.exchangeSecret = exchangeSecret
        signingSecret = SecretBytes(count: 64) { secret in
            crypto_sign_seed_keypair(&signingKey, secret, signingSeed.pointer)
        }
        // Both arrays were made with 32 bytes above.
        publicIdentity = PublicIdentity(exchangeKey: exchange.publicKey, signingKey: signingKey)!
    }

    /// Ed25519 (RFC 8032), deterministic. Put a label in front of the message, so that a signature for one purpose is
    /// worth nothing for another.
    package func sign(_ message: [UInt8]) -> [UInt8] {
        [UInt8](count: Self.signatureByteCount) { output in
            crypto_sign_detached(output, nil, message, UInt64(message.count), signingSecret.pointer)
        }
    }

    /// False for a wrong signature and for lengths that no signer produces.
    package static func verify(_ signature: [UInt8], of message: [UInt8], by signingKey: [UInt8]) -> Bool {
        guard signature.count == signatureByteCount, signingKey.count == PublicIdentity.keyByteCount else {
            return false
        }
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), signingKey) == 0
    }

    /// A symmetric key that only this node can derive, for sealing what it keeps to itself on disk.
    package func deriveLocalKey(_ purpose: String) -> SecretBytes {
        Blake2b.derive(Array("meshnode local \(purpose)".utf8), from: exchangeSecret)
    }

    /// The Ed25519 seed, for libraries that take one. Erase the array after use.
    package func copySigningSeed() -> [UInt8] { signingSecret.withUnsafeBytes { Array($0.prefix(32)) } }

    private static let fields = [
        KeyFile.Field("exchange", seedByteCount), KeyFile.Field("signing", seedByteCount),
    ]

    package init(keyFile: [UInt8]) throws(KeyFileError) {
        var values = try KeyFile.decode(keyFile, kind: "meshnode identity", fields: Self.fields)
        self.init(
            exchangeSecret: SecretBytes(copying: values[0]), signingSeed: SecretBytes(copying: values[1]))
        SecretBytes.erase(&values[0])
        SecretBytes.erase(&values[1])
    }

    /// Text for a file of mode 0600.
    package func encodeKeyFile() -> [UInt8] {
        KeyFile.encode(
            kind: "meshnode identity", fields: Self.fields,
            values: [exchangeSecret.withUnsafeBytes(Array.init), copySigningSeed()])
    }
}
