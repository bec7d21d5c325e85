import Authority
import Gossip
import Primitives
import Raft
import SecureChannel

// The cluster's secret, from the log into the channel (`SecretTable` draws the steps).
//
//   rotateSecret applied ─▶ own copy opened ─▶ .keepKeys ─▶ kept ─▶ "I hold n + 1" in this node's standing
//   primary: every node that is alive and has a copy says so ─▶ activateSecret ─▶ … begins with it ─▶ retireSecrets
//
// Nobody waits for a node that is gone, nor longer than a while for one that does not get on: it is handed the secret when it
// next speaks with a core node (`PeerSessions`).

/// What a node does about the keys of its channel.
struct KeyKeeping: Sendable {
    /// A primary looks this often while the secret changes, and proposes a step again after twice `interval`.
    static let interval: Duration = .milliseconds(200)
    /// A node that is alive and does not get on is waited for this long.
    static let patience: Duration = .seconds(30)

    /// What was last done of what the log says.
    var followed: SecretTable?
    /// The newest epoch of what is under way to the disk.
    var keeping: UInt32?
    /// The newest epoch that the disk holds.
    var kept: UInt32 = Keyring.firstEpoch
    var told: ChannelStanding?
    /// The revision of the roster that the channel goes by.
    var adopted: UInt64?
    /// Revocations that a peer told of before the log did.
    var toldRevocations: [Revocation] = []
    /// What this node tells of them itself.
    var revocationNews: RevocationNews?
    /// The primary's: when it looks next, and since when it waits for which step.
    var lookAt: Instant = .zero
    var step: (epoch: UInt32, isRetiring: Bool, since: Instant)?
    var askedAt: Instant?
}

/// How far a node has come with what its channel rests on. A gossip section of its own; only the node can publish it.
///
/// ```
/// epoch held 4 | epoch begun with 4 | roster revision applied 8
/// ```
package struct ChannelStanding: Hashable, Sendable {
    package let held: UInt32
    package let active: UInt32
    package let revision: UInt64

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.write(held)
        writer.write(active)
        writer.write(revision)
        return writer.bytes
    }

    package init(held: UInt32, active: UInt32, revision: UInt64) {
        self.held = held
        self.active = active
        self.revision = revision
    }

    package init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        held = try reader.readUInt32()
        active = try reader.readUInt32()
        revision = try reader.readUInt64()
        // What later programs append is theirs.
    }
}

extension SectionID {
    static let standing = SectionID(value: 6)
}

extension NodeBrain {
    /// What the log says of the secret now holds for the channel.
    mutating func followKeys(now: Instant, into effects: inout [NodeEffect]) {
        followRoster(now: now, into: &effects)
        let secrets = authority.roster.secrets
        if keys.followed != secrets {
            keys.followed = secrets
            if let rotation = secrets.rotation, let copy = rotation.copy(for: me) {
                sealer.install(
                    SealedCopy(epoch: rotation.epoch, fingerprint: rotation.fingerprint.bytes, sealed: copy.sealed))
            }
            sealer.follow(active: secrets.active, oldest: secrets.oldest)
            keepChangedKeys(now: now, into: &effects)
        }
        tellStanding(now: now)
    }

    /// Who was admitted is spoken with from now on, who was revoked no longer.
    private mutating func followRoster(now: Instant, into effects: inout [NodeEffect]) {
        let table = authority.roster
        guard table.revision > 0, table.revision >= roster.revision, keys.adopted != table.revision else { return }
        keys.adopted = table.revision
        let isNews = table.revision > roster.revision
        roster.follow(table)
        if keys.toldRevocations.contains(where: { table.isRevoked($0.node) }) {
            keys.toldRevocations.removeAll { table.isRevoked($0.node) }
            keepRevocations(into: &effects)
        }
        if isNews { effects.append(.keepRoster(table.encoded())) }
        reviseRoster(now: now, into: &effects)
        // Somebody may be known now whom a peer's word about was nothing to go by.
        heedRevocations(of: membership.members.map(\.id), now: now, into: &effects)
    }

    mutating func keepChangedKeys(now: Instant, into effects: inout [NodeEffect]) {
        guard keys.keeping == nil, let changed = sealer.takeChangedKeys() else { return }
        keys.keeping = changed.keyring.newest
        effects.append(.keepKeys(changed))
    }

    mutating func noteKept(_ isKept: Bool, now: Instant, into effects: inout [NodeEffect]) {
        // What changed meanwhile is written next. What could not be written is held all the same, and not told of: the
        // next change writes it, or a core node hands it over after a restart.
        if let held = keys.keeping, isKept { keys.kept = max(keys.kept, held) }
        keys.keeping = nil
        keepChangedKeys(now: now, into: &effects)
        tellStanding(now: now)
    }

    private mutating func tellStanding(now: Instant) {
        guard let keyring = sealer.keyring else { return }
        let standing = ChannelStanding(
            held: min(keys.kept, keyring.newest), active: keyring.active, revision: authority.roster.revision)
        guard standing != keys.told else { return }
        keys.told = standing
        membersVersion += 1
        viewVersion += 1
        membership.publish(.standing, bytes: standing.encode(), now: now)
    }

    func standing(of node: NodeID) -> ChannelStanding? {
        if node == me { return keys.told }
        return membership.section(.standing, of: node).flatMap { try? ChannelStanding(decoding: $0.bytes) }
    }

    /// The secrets that this node's channel uses; nil where frames are clear.
    package var keyring: Keyring? { sealer.keyring }

    // MARK: The primary's part

    /// Called often; takes the next step of a change of the secret as soon as nobody is to be waited for.
    mutating func tendSecrets(now: Instant, into effects: inout [NodeEffect]) {
        let secrets = authority.roster.secrets
        guard secrets.isInstalling || secrets.isRetiring else { return }
        guard now >= keys.lookAt, consensus.holdsLease(at: now), let rotation = secrets.rotation else { return }
        keys.lookAt = now + KeyKeeping.interval
        let isRetiring = !secrets.isInstalling
        let epoch = isRetiring ? secrets.active : secrets.newest
        if keys.step.map({ $0.epoch != epoch || $0.isRetiring != isRetiring }) ?? true {
            keys.step = (epoch, isRetiring, now)
            keys.askedAt = nil
        }
        if let asked = keys.askedAt, now - asked < KeyKeeping.interval * 2 { return }
        guard let step = keys.step, now - step.since >= KeyKeeping.patience || !isAwaited(epoch, isRetiring, rotation)
        else { return }
        keys.askedAt = now
        submit(
            isRetiring ? .retireSecrets(before: epoch) : .activateSecret(epoch: epoch), for: nil, now: now,
            into: &effects)
    }

    /// Somebody who is alive and has a copy has not come as far.
    private func isAwaited(_ epoch: UInt32, _ isRetiring: Bool, _ rotation: SecretRotation) -> Bool {
        rotation.copies.contains { copy in
            let isHere = copy.node == me || membership.member(copy.node)?.state == .alive
            guard isHere, roster.entry(of: copy.node) != nil else { return false }
            guard let standing = standing(of: copy.node) else { return true }
            return (isRetiring ? standing.active : standing.held) < epoch
        }
    }
}

extension MeshOrigin {
    /// Without keys of its own, as in simulations, a node's id stands for them.
    init(_ roster: Roster, check: @escaping Check) { self.init(roster, of: roster.genesis, check: check) }

    init(_ roster: Roster, of entries: ArraySlice<Roster.Entry>, check: @escaping Check) {
        self.init(
            cluster: roster.cluster,
            members: entries.compactMap { entry in
                let standIn = entry.node.bytes + entry.node.bytes
                guard let exchange = Bytes32(entry.keys?.exchangeKey ?? standIn),
                    let signing = Bytes32(entry.keys?.signingKey ?? standIn)
                else { return nil }
                return RosterMember(
                    name: Label(sanitising: entry.name), node: entry.node, exchangeKey: exchange, signingKey: signing,
                    replica: entry.replica, isCore: entry.isCore, rank: UInt16(clamping: entry.rank), mayVote: true,
                    endpoint: nil)
            }, check: check)
    }
}

extension SecretRotation {
    /// What the log carries of a new secret, and of the data key that comes with it.
    package init(_ draft: SecretRotationDraft, dataKey: DataKeyDraft? = nil) {
        guard let fingerprint = Bytes32(draft.fingerprint) else {
            preconditionFailure("a fingerprint of \(draft.fingerprint.count) bytes")
        }
        self.init(
            epoch: draft.epoch, fingerprint: fingerprint,
            copies: draft.copies.map { Copy(node: $0.node, sealed: $0.sealed) },
            dataKey: dataKey.map { draft in
                DataKeyRotation(
                    copies: draft.copies.map { Copy(node: $0.node, sealed: $0.sealed) }, older: draft.older)
            })
    }
}
