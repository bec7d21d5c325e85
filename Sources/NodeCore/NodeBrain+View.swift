import Authority
import Gossip
import Primitives
import Raft
import Routing

// The picture of the mesh that this node publishes.
extension NodeBrain {
    package func makeView(at now: Instant) -> ClusterView {
        ClusterView(
            me: me, name: name, clusterID: roster.cluster, consensus: makeConsensusView(at: now),
            members: makeMemberViews(), isIsolated: membership.isIsolated, authority: authority,
            logTime: consensus.logTime(at: now), takenAt: now, counters: counters)
    }

    private func makeConsensusView(at now: Instant) -> ConsensusView {
        let isLeader = consensus.role == .leader
        let validUntil: Instant? =
            haltReason != nil
            ? nil : isLeader ? consensus.leaseDeadline : consensus.leaderContact.map { $0 + timing.electionTimeout }
        let role: ConsensusView.Role =
            switch consensus.role {
            case .leader: .leader
            case .follower: .follower
            case .preCandidate, .candidate: .candidate
            }
        return ConsensusView(
            term: consensus.term, role: role, leader: leader, leaderValidUntil: validUntil ?? .zero,
            freshUntil: consensus.confirmedAt.map { $0 + ConsensusView.freshness } ?? .zero,
            commitIndex: consensus.commitIndex, appliedIndex: authority.appliedIndex,
            voters: consensus.configuration.voters.compactMap { roster.entry(of: $0)?.node })
    }

    private func makeMemberViews() -> [MemberView] {
        let voters = consensus.configuration.voters.compactMap { roster.entry(of: $0)?.node }
        return membership.members
            .map { member in
                MemberView(
                    id: member.id, name: member.name, endpoint: member.endpoint, state: member.state,
                    incarnation: member.incarnation, isSelf: member.id == me, isVoter: voters.contains(member.id),
                    roundTrip: membership.roundTrip(to: member.id),
                    descriptor: membership.section(.descriptor, of: member.id)
                        .flatMap { try? NodeDescriptor(decoding: $0.bytes) },
                    health: makeHealth(of: member.id))
            }
            .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
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
