import Authority
import Primitives
import SecureChannel

// What an agent makes with costly or random means, and a simulation from its seed: a verifier that no password opens,
// identifiers drawn from the world's generator, keys of no secret.

extension PasswordVerifier {
    static var simulated: PasswordVerifier { constant(PasswordVerifier(encoded: "$simulated$")) }
}

extension Label {
    static var simulated: Label { constant(Label("simulated client")) }
}

extension UserName {
    static var simulated: UserName { constant(UserName("simulated-client")) }
}

extension SessionID {
    static func drawn(from random: inout SeededRandom) -> SessionID {
        SessionID(high: random.next(), low: random.next())
    }
}

extension Bytes32 {
    static func drawn(from random: inout SeededRandom) -> Bytes32 {
        constant(Bytes32(random.bytes(Bytes32.byteCount)))
    }
}

extension ChannelKeys {
    /// Keys that follow from a node's number. The ids are the world's, drawn whether or not its frames are sealed.
    static func simulated(cluster: [UInt8], nodes: [NodeID], me: Int) -> ChannelKeys {
        var entropy = SeededEntropy(seed: 0)
        let key = ClusterKey(id: cluster, secret: SecretBytes(random: ClusterKey.secretByteCount, from: &entropy))
        let pairs = nodes.indices.map { node in
            var entropy = SeededEntropy(seed: UInt64(node) + 1)
            return ExchangeKeyPair.generate(from: &entropy)
        }
        return ChannelKeys(
            cluster: key, me: nodes[me], exchange: pairs[me],
            peers: zip(nodes, pairs).map { Peer(node: $0, exchangeKey: $1.publicKey) })
    }
}

/// These literals and lengths are right by construction.
private func constant<T>(_ value: T?) -> T {
    guard let value else { preconditionFailure("a simulated constant was refused by its type") }
    return value
}

/// What a core node's signature is in a world: made of what is signed and by whom, so that it fits nothing else.
enum StandInSignature {
    static func sign(_ message: [UInt8], by node: NodeID) -> [UInt8] {
        Blake2b.keyed(message, publicKey: node.bytes + node.bytes, byteCount: SignedRecord.signatureByteCount)
    }

    static let check: MeshOrigin.Check = { signature, message, key in
        signature == Blake2b.keyed(message, publicKey: key, byteCount: SignedRecord.signatureByteCount)
    }
}
