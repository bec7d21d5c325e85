import Authority
import Gossip
import Primitives
import Raft
import Routing
import SecureChannel

// The picture of the mesh that this node publishes.
extension NodeBrain {
    package func makeView(at now: Instant) -> ClusterView {
        ClusterView(
            me: me, name: name, clusterID: roster.cluster, consensus: makeConsensusView(at: now),
            members: currentMemberViews ?? makeMemberViews(), isIsolated: membership.isIsolated, authority: authority,
            logTime: consensus.logTime(at: now), takenAt: now, counters: counters,
            roster: roster)
    }

    /// Keeps what `makeView` says of the members until one changes: decoding it all again for every commit would be most
    /// of a busy node's work.
    package mutating func refreshMemberViews() {
        guard currentMemberViews == nil else { return }
        memberViews = MemberViewCache(
            version: membersVersion, configuration: consensus.configuration, views: makeMemberViews())
    }

    private var currentMemberViews: [MemberView]? {
        let isCurrent = memberViews.version == membersVersion && memberViews.configuration == consensus.configuration
        return isCurrent ? memberViews.views : nil
    }

    private func makeConsensusView(at now: Instant) -> ConsensusView {
        let isLeader = consensus.role == .leader
        let validUntil: Instant? =
            haltReason != nil
            ? nil : isLeader ? consensus.leaseDeadline : consensus.leaderHeardAt.map { $0 + timing.electionTimeout }
        let role: ConsensusView.Role =
            switch consensus.role {
            case .leader: .leader
            case .follower: .follower
            case .preCandidate, .candidate: .candidate
            }
        return ConsensusView(
            term: consensus.term, role: role, leader: leader, leaderValidUntil: validUntil ?? .zero,
            freshUntil: appliedFreshness.reachedAt.map { $0 + ConsensusView.freshness } ?? .zero,
            commitIndex: consensus.commitIndex, appliedIndex: authority.appliedIndex,
            voters: consensus.configuration.voters.compactMap { replicas.node(of: $0) },
            observers: consensus.configuration.learners.compactMap { replicas.node(of: $0) },
            isChanging: consensus.isChangeUnfinished, electionTimeout: consensus.electionTimeout)
    }

    private func makeMemberViews() -> [MemberView] {
        let voters = consensus.configuration.voters.compactMap { replicas.node(of: $0) }
        return membership.members
            .filter { !roster.isRevoked($0.id) }
            .map { member in
                MemberView(
                    id: member.id, name: member.name, endpoint: member.endpoint, state: member.state,
                    incarnation: member.incarnation, isSelf: member.id == me, isVoter: voters.contains(member.id),
                    roundTrip: membership.roundTrip(to: member.id), coordinate: membership.coordinate(of: member.id),
                    descriptor: descriptor(of: member.id), health: makeHealth(of: member.id),
                    standing: standing(of: member.id))
            }
            .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }

    /// What a node says of itself, as others passed it on: not if it names another key than the roster does, with which
    /// somebody else could sign for it.
    private func descriptor(of id: NodeID) -> NodeDescriptor? {
        guard let section = membership.section(.descriptor, of: id),
            let descriptor = try? NodeDescriptor(decoding: section.bytes)
        else { return nil }
        guard let keys = roster.entry(of: id)?.keys, keys.signingKey != descriptor.verificationKey else {
            return descriptor
        }
        return nil
    }

    private func makeHealth(of id: NodeID) -> MemberHealth? {
        let vitals = membership.section(.vitals, of: id)
        let load = membership.section(.load, of: id)
        let catalog = membership.section(.catalog, of: id)
        guard let newest = [vitals, load, catalog].compactMap({ $0?.receivedAt }).max() else { return nil }
        return MemberHealth(
            vitals: vitals.flatMap { try? Vitals(decoding: $0.bytes) },
            load: load.flatMap { try? Load(decoding: $0.bytes) },
            catalog: catalog.flatMap { try? Catalog(decoding: $0.bytes) },
            receivedAt: newest)
    }
}

/// The members as of one moment, and what they were made from.
struct MemberViewCache: Sendable {
    var version: UInt64 = .max
    var configuration: Configuration?
    var views: [MemberView] = []
}
