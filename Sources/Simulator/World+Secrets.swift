import Authority
import NodeCore
import Primitives
import SecureChannel

// The cluster's secret in a world: what the agent's `secret rotate` does, with keys that follow from the nodes' numbers.
extension World {
    /// Asks a node to draw a new secret for everybody.
    package mutating func rotateSecret(on node: Int) -> RequestID {
        let roster = nodes[node].read { $0.authority.roster } ?? RosterTable()
        var entropy = SeededEntropy(seed: random.next())
        let keys = ChannelKeys.simulated(cluster: Provision.cluster, nodes: nodes.map(\.id), me: node)
        let me = (node: nodes[node].id, exchangeKey: keys.publicKey)
        let draft = SecretRotationDraft(
            epoch: roster.secrets.newest + 1, cluster: Provision.cluster,
            recipients: keys.peers.map { ($0.node, $0.exchangeKey) } + [me], entropy: &entropy)
        let record = RosterRecord.rotateSecret(SecretRotation(draft))
        let message = SignedRecord.message(cluster: Provision.cluster, revision: roster.revision, record: record)
        return submit(
            .changeRoster(
                SignedRecord(
                    signer: me.node, revision: roster.revision, record: record,
                    signature: StandInSignature.sign(message, by: me.node))), to: node)
    }

    /// Which secrets the node uses; nil while it is down, or where frames are clear.
    package func keyring(of node: Int) -> Keyring? { nodes[node].brain?.keyring }
}
