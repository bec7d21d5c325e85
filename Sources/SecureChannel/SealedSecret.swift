import Primitives

/// A secret for one node, which travels through others' hands: sealed to the node's X25519 key by way of an ephemeral one,
/// so that not even who sealed it can open it again (the idea of RFC 9180's base mode, with this module's primitives).
///
///     e 32 | nonce 24 | ciphertext | tag 16        key = BLAKE2b(label, e, recipient's key; X25519(e, recipient))
///
/// It proves nothing about who sealed it: put it into something that is signed.
package enum SealedSecret {
    package static let overhead = ExchangeKeyPair.byteCount + SealedBytes.overhead

    /// `context` is bound to the seal: sealed for one purpose, it opens for no other.
    package static func seal(
        _ secret: SecretBytes, to recipient: [UInt8], context: [UInt8], entropy: inout some Entropy
    ) -> [UInt8]? {
        let ephemeral = ExchangeKeyPair.generate(from: &entropy)
        // A recipient whose key is of small order cannot be sealed for.
        guard let shared = ephemeral.agree(with: recipient) else { return nil }
        let key = derive(shared, ephemeral.publicKey, recipient)
        var clear = secret.withUnsafeBytes(Array.init)
        defer { SecretBytes.erase(&clear) }
        return ephemeral.publicKey + SealedBytes.seal(clear, key: key, context: context, entropy: &entropy)
    }

    /// Nil if it was not sealed for this key and context.
    package static func open(_ sealed: [UInt8], with pair: ExchangeKeyPair, context: [UInt8]) -> SecretBytes? {
        guard sealed.count > overhead else { return nil }
        let ephemeral = Array(sealed.prefix(ExchangeKeyPair.byteCount))
        guard let shared = pair.agree(with: ephemeral) else { return nil }
        let key = derive(shared, ephemeral, pair.publicKey)
        let rest = Array(sealed.dropFirst(ExchangeKeyPair.byteCount))
        guard var clear = SealedBytes.open(rest, key: key, context: context) else { return nil }
        defer { SecretBytes.erase(&clear) }
        return SecretBytes(copying: clear)
    }

    private static func derive(_ shared: SecretBytes, _ ephemeral: [UInt8], _ recipient: [UInt8]) -> SecretBytes {
        Blake2b.derive(Array("meshnode sealed secret".utf8) + ephemeral + recipient, from: shared)
    }
}

extension SecretBytes {
    /// Tells whether a secret is the one that was meant, and nothing about it.
    package var fingerprint: [UInt8] { Blake2b.keyed(Array("meshnode secret fingerprint".utf8), key: self) }
}

/// A new secret of the cluster, drawn by one node and sealed for each of the others.
package struct SecretRotationDraft: Sendable {
    package let epoch: UInt32
    /// 32 bytes.
    package let fingerprint: [UInt8]
    /// In the order of the recipients, without those whose key is unusable.
    package let copies: [(node: NodeID, sealed: [UInt8])]

    package static let copyByteCount = ClusterKey.secretByteCount + SealedSecret.overhead

    package init(
        epoch: UInt32, cluster: [UInt8], recipients: [(node: NodeID, exchangeKey: [UInt8])],
        entropy: inout some Entropy
    ) {
        let secret = SecretBytes(random: ClusterKey.secretByteCount, from: &entropy)
        self.epoch = epoch
        fingerprint = secret.fingerprint
        var copies: [(node: NodeID, sealed: [UInt8])] = []
        for recipient in recipients {
            let context = Self.context(cluster: cluster, epoch: epoch, node: recipient.node)
            let sealed = SealedSecret.seal(
                secret, to: recipient.exchangeKey, context: context, entropy: &entropy)
            if let sealed { copies.append((recipient.node, sealed)) }
        }
        self.copies = copies
    }

    static func context(cluster: [UInt8], epoch: UInt32, node: NodeID) -> [UInt8] {
        Array("meshnode cluster secret".utf8) + cluster + Keyring.bytes(epoch) + node.bytes
    }
}
