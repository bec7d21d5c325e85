import Authority
import Gossip
import HTTPTypes
import NodeCore
import Primitives
import SecureChannel

/// Shared values on their way into the log and out of it: sealed and opened at core nodes, under a data key that no edge node
/// has, so that what lies on an edge machine's disk is ciphertext.
///
///     PUT ── seal under the active epoch ──> putSealedValue ──> log, every node's state ──> open ── GET
///
/// A mesh without a data key, or with programs that know of none, stores values clear, as it always did.
struct ValueVault: Sendable {
    /// Nil on an edge node.
    let keys: SharedDataKeys?

    func command(
        storing value: [UInt8], for key: ValueKey, condition: ValueCondition, author: UserName, _ view: ClusterView
    ) throws(Problem) -> AuthorityCommand {
        let epoch = view.authority.roster.secrets.active
        guard let secret = try activeKey(view) else {
            return .putValue(key: key, value: value, condition: condition, author: author)
        }
        return .putSealedValue(
            key: key, epoch: epoch, sealed: seal(value, for: key, secret, epoch, view), condition: condition,
            author: author)
    }

    func open(_ stored: StoredValue, of key: ValueKey, _ view: ClusterView) throws(Problem) -> [UInt8] {
        guard stored.epoch > 0 else { return stored.bytes }
        guard case .held(let secret) = find(stored.epoch, view) else { throw .noDataKey(stored.epoch) }
        guard
            let value = DataKeys.open(
                stored.bytes, named: key.utf8, key: secret, epoch: stored.epoch, cluster: view.clusterID)
        else { throw .damagedValue(stored.epoch) }
        return value
    }

    /// The command that brings a value under the active data key; nil if there is nothing to do.
    func command(resealing key: ValueKey, _ view: ClusterView) throws(Problem) -> AuthorityCommand? {
        let epoch = view.authority.roster.secrets.active
        guard let stored = view.authority.values[key], stored.epoch < epoch, let secret = try activeKey(view) else {
            return nil
        }
        let value = try open(stored, of: key, view)
        return .resealValue(
            key: key, revision: stored.revision, epoch: epoch, sealed: seal(value, for: key, secret, epoch, view))
    }

    /// A new data key for the core nodes, with the older ones that are still needed; nil where some voter's program knows of
    /// none. Refuses where this node lacks one of them: values would be lost.
    func draft(_ epoch: UInt32, _ view: ClusterView) throws(Problem) -> DataKeyDraft? {
        guard view.authority.featureLevel >= .sealedValues else { return nil }
        var entropy = SodiumEntropy()
        let recipients = view.roster.present.filter { entry in
            // In a mesh of an older program the roster calls everybody core; the machine itself knows better.
            entry.isCore && view.member(entry.node)?.descriptor?.trustClass != .edge
        }
        return DataKeyDraft(
            epoch: epoch, cluster: view.clusterID,
            recipients: recipients.compactMap { entry in entry.keys.map { (entry.node, $0.exchangeKey) } },
            older: try older(view), entropy: &entropy)
    }

    /// The data keys that values lie under, or are being sealed under until a new one is active.
    func older(_ view: ClusterView) throws(Problem) -> [(epoch: UInt32, key: SecretBytes)] {
        guard view.authority.featureLevel >= .sealedValues else { return [] }
        let secrets = view.authority.roster.secrets
        var older: [(epoch: UInt32, key: SecretBytes)] = []
        for epoch in Set(view.authority.values.epochs).union([secrets.active, secrets.newest]).sorted() {
            switch find(epoch, view) {
            case .held(let key): older.append((epoch, key))
            case .none where view.authority.values.count(under: epoch) == 0: break
            case .none, .missing: throw .noDataKey(epoch)
            }
        }
        guard older.count <= DataKeyDraft.olderMax else {
            let stuck = view.authority.values.keys(notUnder: secrets.active).prefix(3).map { "`\($0.text)`" }
            throw .conflict(
                "resealing",
                "Values still lie under \(older.count) older data keys. Core nodes are sealing them anew; try again in a "
                    + "minute. A value that does not open stays where it is: reading it says so, and then it has to be stored "
                    + "anew or deleted. Not sealed anew yet: \(stuck.joined(separator: ", "))."
            )
        }
        return older
    }

    /// What values are sealed with now; nil where they are stored clear.
    private func activeKey(_ view: ClusterView) throws(Problem) -> SecretBytes? {
        guard view.authority.featureLevel >= .sealedValues else { return nil }
        let epoch = view.authority.roster.secrets.active
        switch find(epoch, view) {
        case .held(let key): return key
        case .none: return nil
        case .missing: throw .noDataKey(epoch)
        }
    }

    private func find(_ epoch: UInt32, _ view: ClusterView) -> SharedDataKeys.Finding {
        if let keys { return keys.find(epoch, view.authority) }
        let hasKeys = view.authority.values.sealedCount > 0 || view.authority.roster.secrets.rotation?.dataKey != nil
        return hasKeys ? .missing : .none
    }

    private func seal(
        _ value: [UInt8], for key: ValueKey, _ secret: SecretBytes, _ epoch: UInt32, _ view: ClusterView
    ) -> [UInt8] {
        var entropy = SodiumEntropy()
        return DataKeys.seal(
            value, named: key.utf8, key: secret, epoch: epoch, cluster: view.clusterID, entropy: &entropy)
    }
}

extension Problem {
    fileprivate static func noDataKey(_ epoch: UInt32) -> Problem {
        Problem(
            "no-data-key", .internalServerError, "No data key",
            detail:
                "This node does not hold data key \(epoch), which core nodes share. Ask another core node; to mend this one, "
                + "run `meshnode secret rotate` on one that can read values, or stop it and copy `data.keys` from there."
        )
    }

    fileprivate static func damagedValue(_ epoch: UInt32) -> Problem {
        Problem(
            "damaged-value", .internalServerError, "Damaged value",
            detail:
                "What is stored does not open under data key \(epoch): no core node of this mesh sealed it for this place. "
                + "Store the value anew, or delete it.")
    }
}
