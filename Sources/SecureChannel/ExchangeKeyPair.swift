import Csodium

/// An X25519 key pair (RFC 7748): a node's static one, or the ephemeral one of a single handshake.
package struct ExchangeKeyPair: Sendable {
    package static let byteCount = 32

    package let publicKey: [UInt8]
    private let secret: SecretBytes

    package init(secret: SecretBytes) {
        precondition(secret.count == Self.byteCount, "an X25519 secret has 32 bytes, not \(secret.count)")
        self.secret = secret
        publicKey = [UInt8](count: Self.byteCount) { _ = crypto_scalarmult_base($0, secret.pointer) }
    }

    package static func generate(from entropy: inout some Entropy) -> ExchangeKeyPair {
        ExchangeKeyPair(secret: SecretBytes(random: byteCount, from: &entropy))
    }

    /// What both sides can compute; nil for a public key of small order, with which everybody could.
    func agree(with publicKey: [UInt8]) -> SecretBytes? {
        precondition(publicKey.count == Self.byteCount, "an X25519 key has 32 bytes, not \(publicKey.count)")
        var isContributory = false
        let shared = SecretBytes(count: Self.byteCount) {
            isContributory = crypto_scalarmult($0, secret.pointer, publicKey) == 0
        }
        return isContributory ? shared : nil
    }
}
