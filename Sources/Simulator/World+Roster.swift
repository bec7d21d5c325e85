import Authority
import NodeCore
import Primitives
import SecureChannel

// What is decided about a mesh itself, in a world: what the agent's `secret rotate`, `token create`, `join` and `revoke` do,
// with stand-ins for signatures and keys that follow from the nodes' numbers.
extension World {
    /// Asks a node to draw a new secret for everybody.
    package mutating func rotateSecret(on node: Int) -> RequestID {
        var entropy = SeededEntropy(seed: random.next())
        let keys = ChannelKeys.simulated(cluster: Provision.cluster, nodes: nodes.map(\.id), me: node)
        let me = (node: nodes[node].id, exchangeKey: keys.publicKey)
        let draft = SecretRotationDraft(
            epoch: roster(of: node).secrets.newest + 1, cluster: Provision.cluster,
            recipients: keys.peers.map { ($0.node, $0.exchangeKey) } + [me], entropy: &entropy)
        return changeRoster(.rotateSecret(SecretRotation(draft)), on: node)
    }

    /// The record alone: the member's vote must have been taken away.
    package mutating func revoke(_ member: Int, on node: Int) -> RequestID {
        changeRoster(.revoke(nodes[member].id), on: node)
    }

    /// An invitation by a node of class core, for whoever comes.
    package mutating func invite(on node: Int) -> RequestID {
        let token = JoinToken(
            id: JoinTokenID(high: 0, low: roster(of: node).revision), isCore: true, rank: 0, mayVote: true,
            expiresAt: UnixTime(milliseconds: unixMilliseconds(of: node)) + .seconds(3600), issuer: nodes[node].id,
            author: .simulated, label: .simulated,
            copies: [SecretRotation.Copy(node: nodes[node].id, sealed: [0])])
        return changeRoster(.issueToken(token), on: node)
    }

    /// Lets an outsider in, with the last invitation that was not used.
    package mutating func admit(_ outsider: Int, on node: Int) -> RequestID {
        let joiner = nodes[outsider]
        guard let token = roster(of: node).tokens.last(where: { $0.usedBy == nil }),
            let key = Bytes32(joiner.id.bytes + joiner.id.bytes)
        else { preconditionFailure("nobody was invited") }
        let member = RosterMember(
            name: Label(sanitising: joiner.name), node: joiner.id, exchangeKey: key, signingKey: key,
            replica: joiner.replica, isCore: token.isCore, rank: token.rank, mayVote: token.mayVote,
            endpoint: joiner.endpoint)
        return changeRoster(.admit(Admission(token: token.id, member: member)), on: node)
    }

    /// The admitted machine is given the roster, and starts.
    package mutating func welcome(_ outsider: Int, by node: Int) {
        nodes[outsider].keptRoster = roster(of: node).encoded()
        start(outsider)
    }

    /// Whether `node` has nothing to do with `member` any more; nil while it is down.
    package func isRevoked(_ member: Int, seenBy node: Int) -> Bool? { brain(of: node)?.isRevoked(nodes[member].id) }

    /// Proposes the record at a node, signed by it.
    mutating func changeRoster(_ record: RosterRecord, on node: Int) -> RequestID {
        let revision = roster(of: node).revision
        let message = SignedRecord.message(cluster: Provision.cluster, revision: revision, record: record)
        let signer = nodes[node].id
        return submit(
            .changeRoster(
                SignedRecord(
                    signer: signer, revision: revision, record: record,
                    signature: StandInSignature.sign(message, by: signer))), to: node)
    }

    private mutating func roster(of node: Int) -> RosterTable {
        nodes[node].read { $0.authority.roster } ?? RosterTable()
    }

    /// Which secrets the node uses; nil while it is down, or where frames are clear.
    package func keyring(of node: Int) -> Keyring? { nodes[node].brain?.keyring }
}
