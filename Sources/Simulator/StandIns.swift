import Authority
import Primitives
import SecureChannel

// What an agent makes with costly or random means, and a simulation from its seed: a verifier that no password opens,
// identifiers drawn from the world's generator, a cluster key of no secret.

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

extension ClusterKey {
    static func simulated(id: [UInt8]) -> ClusterKey {
        var entropy = SeededEntropy(seed: 0)
        return ClusterKey(id: id, secret: SecretBytes(random: ClusterKey.secretByteCount, from: &entropy))
    }
}

/// These literals and lengths are right by construction.
private func constant<T>(_ value: T?) -> T {
    guard let value else { preconditionFailure("a simulated constant was refused by its type") }
    return value
}
