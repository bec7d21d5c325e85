import Authority
import Gossip
import Primitives
import SecureChannel

extension Notary {
    /// What members say of themselves counts under the signing keys that the roster has, and in this cluster only. Nobody
    /// outside the roster, and nobody revoked, is heard of at all. Without keys of its own, as in simulations, a node's
    /// id stands for them.
    ///
    ///     signed   "meshnode member 1" | cluster:16 | statement
    package init(_ roster: Roster, sign: @escaping Sign, check: @escaping MeshOrigin.Check) {
        let prefix = Array("meshnode member 1".utf8) + roster.cluster
        self.init(
            sign: { statement in sign(prefix + statement) },
            check: { signature, statement, signer in
                guard let entry = roster.entry(of: signer) else { return false }
                return check(signature, prefix + statement, entry.keys?.signingKey ?? signer.bytes + signer.bytes)
            })
    }
}
