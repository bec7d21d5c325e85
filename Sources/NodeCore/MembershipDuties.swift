import Authority
import Gossip
import Primitives
import Raft

/// What a leader does unasked for the configuration, and what every node does when another one is in force.
struct MembershipDuties: Sendable {
    /// How often a leader looks.
    static let interval: Duration = .seconds(1)

    private(set) var dueAt: Instant = .zero

    mutating func postpone(from now: Instant) { dueAt = now + Self.interval }
}

extension NodeBrain {
    mutating func tendMembership(now: Instant) {
        guard now >= membershipDuties.dueAt, consensus.holdsLease(at: now) else { return }
        membershipDuties.postpone(from: now)
        guard !consensus.isChangeUnfinished else { return }
        let plan = MembershipPlan(
            configuration: consensus.configuration, nodes: roster.entries.map(planned),
            ready: consensus.readyLearners(at: now))
        guard let target = plan.next() else { return tendElectionTimeout(now: now) }
        // Refused while an older change is unfinished or the term is young: the next look proposes it again.
        _ = consensus.proposeChange(to: target, now: now, into: &raftEffects)
    }

    private mutating func tendElectionTimeout(now: Instant) {
        let timeouts = consensus.configuration.timeouts
        guard timeouts?.isSettled ?? true,
            let wanted = timeoutPolicy.decide(
                current: timeouts?.timeout ?? consensus.electionTimeout, percentile99: consensus.quorumRoundTrip)
        else { return }
        _ = consensus.proposeElectionTimeout(wanted, now: now, into: &raftEffects)
    }

    private func planned(_ entry: Roster.Entry) -> MembershipPlan.Node {
        if entry.node == me {
            return MembershipPlan.Node(
                id: me, rank: entry.rank, notice: ReplicaNotice(replica: consensus.replica, featureLevel: featureLevel),
                isAlive: true)
        }
        let notice = membership.section(.replica, of: entry.node).flatMap { try? ReplicaNotice(decoding: $0.bytes) }
        return MembershipPlan.Node(
            id: entry.node, rank: entry.rank, notice: notice, isAlive: membership.member(entry.node)?.state == .alive)
    }

    /// Another configuration is in force: who belongs to whom, and who is preferred.
    mutating func adoptConfiguration() {
        let configuration = consensus.configuration
        replicas.adopt(configuration)
        var priorities: [ReplicaID: Int] = [:]
        for replica in configuration.members {
            priorities[replica] = replicas.node(of: replica).flatMap { roster.entry(of: $0)?.rank }
        }
        consensus.prefer(priorities)
        timing = NodeTiming(electionTimeout: consensus.electionTimeout, contacts: contacts)
        viewVersion += 1
    }

    /// A committed configuration takes effect on what commands mean, from the next entry on.
    mutating func applyConfiguration(_ entry: Entry, into effects: inout [NodeEffect]) {
        authority.noteApplied(entry.index)
        guard let level = try? Configuration.decode(entry.payload).featureLevel else {
            preconditionFailure("entry \(entry.index) is no configuration")
        }
        authority.raise(to: level)
        haltIfOutdated(into: &effects)
    }

    /// A program that does not know what the log may mean from here on must not guess.
    mutating func haltIfOutdated(into effects: inout [NodeEffect]) {
        guard authority.featureLevel > featureLevel else { return }
        halt(
            "the mesh uses feature level \(authority.featureLevel), this program knows \(featureLevel): upgrade it",
            into: &effects)
    }
}
