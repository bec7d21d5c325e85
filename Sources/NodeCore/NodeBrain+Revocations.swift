import Authority
import Gossip
import Primitives
import SecureChannel

// Revocations on their way past the log: from a peer's section into this node's channel, membership and own section.
//
//   section of a peer ─▶ signed by a core node, for a revision that the roster has not passed ─▶ out, here and now ─▶ own section

extension NodeBrain {
    /// Believes what these members' sections say of revocations, as far as it is signed as it must be.
    ///
    /// A revision that the roster has passed is the log's word, and a record for it that is not in the log never counted.
    mutating func heedRevocations(of owners: [NodeID], now: Instant, into effects: inout [NodeEffect]) {
        let told = owners.flatMap { owner in
            membership.section(.revocations, of: owner).flatMap { try? RevocationNews(decoding: $0.bytes) }?.revocations
                ?? []
        }
        guard believe(told, now: now, into: &effects) else { return }
        keepRevocations(into: &effects)
    }

    /// What this node believed when it last ran, and its log does not say yet.
    mutating func recallRevocations(_ kept: [UInt8], now: Instant, into effects: inout [NodeEffect]) {
        guard !kept.isEmpty, let news = try? RevocationNews(decoding: kept) else { return }
        _ = believe(news.revocations, now: now, into: &effects)
    }

    /// Returns whether any of them was news.
    private mutating func believe(
        _ told: [Revocation], now: Instant, into effects: inout [NodeEffect]
    ) -> Bool {
        var isNews = false
        for revocation in told where isCredible(revocation) {
            if revocation.node == me {
                haltRevoked(into: &effects)
                return false
            }
            keys.toldRevocations.append(revocation)
            roster.revoke(revocation.node)
            isNews = true
        }
        if isNews { reviseRoster(now: now, into: &effects) }
        return isNews
    }

    func keepRevocations(into effects: inout [NodeEffect]) {
        effects.append(.keepRevocations(RevocationNews(keys.toldRevocations).encode()))
    }

    private func isCredible(_ revocation: Revocation) -> Bool {
        revocation.revision >= roster.revision && roster.entry(of: revocation.node) != nil
            && roster.entry(of: revocation.signer)?.isCore == true
            && RosterTable().isGenuine(revocation, origin: presentOrigin)
    }

    /// Whether this node has nothing to do with that one any more.
    package func isRevoked(_ node: NodeID) -> Bool { roster.isRevoked(node) }

    /// Everybody of the roster with their keys, as far as it is known: right after a start the log has not said yet who
    /// joined, the file beside it has.
    var presentOrigin: MeshOrigin { MeshOrigin(roster, of: roster.entries[...], check: meshOrigin.check) }

    /// A core node says that this one is revoked. Believed if the record is signed as it must be: then nothing is left to do.
    mutating func heedNotice(into effects: inout [NodeEffect]) {
        guard let bytes = sealer.takeNotice(), let revocation = try? Revocation(notice: bytes, of: me),
            RosterTable().isGenuine(revocation, origin: presentOrigin)
        else { return }
        haltRevoked(into: &effects)
    }

    private mutating func haltRevoked(into effects: inout [NodeEffect]) {
        halt(
            "this node was revoked: no node of the mesh speaks with it any more. If that was a mistake, let the machine join "
                + "anew, with another data_dir", into: &effects)
    }

    /// Those of the log, and those that only peers have told of.
    private var revocations: [Revocation] {
        let logged = authority.roster.revocations
        return logged + keys.toldRevocations.filter { told in !logged.contains { $0.node == told.node } }
    }

    /// Everything that goes by the roster goes by it as it is now.
    mutating func reviseRoster(now: Instant, into effects: inout [NodeEffect]) {
        let count = roster.entries.count
        hearNextAt += Array(repeating: Instant.zero, count: count - hearNextAt.count)
        links.grow(to: count)
        replicas.adopt(roster)
        membership.notary = Notary(roster, sign: signatures.sign, check: signatures.check)
        adoptPeers()
        expelRevoked()
        tellRevocations(now: now)
        // Streams take their keys from what is kept.
        keepChangedKeys(now: now, into: &effects)
        notePreferences()
        membersVersion += 1
        viewVersion += 1
    }

    /// The channel knows those who belong to the mesh, and what to tell those who do not any more.
    private mutating func adoptPeers() {
        guard let peers = roster.channelPeers else { return }
        var notices: [NodeID: [UInt8]] = [:]
        for revocation in revocations { notices[revocation.node] = revocation.notice }
        sealer.adopt(peers, notices: notices)
    }

    /// Nobody gossips with them or about them.
    mutating func expelRevoked() {
        for entry in roster.entries where entry.isRevoked && entry.node != me {
            membership.expel(entry.node, into: &gossipEffects)
        }
    }

    private mutating func tellRevocations(now: Instant) {
        let news = RevocationNews(revocations)
        guard !news.revocations.isEmpty, news != keys.revocationNews else { return }
        keys.revocationNews = news
        membership.publish(.revocations, bytes: news.encode(), now: now)
    }
}
