import Authority
import Gossip
import Primitives
import Raft

/// What a leader does unasked for the configuration, and what every node does when another one is in force.
struct MembershipDuties: Sendable {
    /// How often a leader looks.
    static let interval: Duration = .seconds(1)

    /// For how long a node that asked to be removed is not admitted again: it is about to say goodbye.
    static let farewell: Duration = .seconds(10)
    /// More are forgotten, the oldest first; a node is then admitted once more before it goes.
    private static let leavingMax = 16

    private(set) var dueAt: Instant = .zero
    private var leaving: [(node: NodeID, until: Instant)] = []

    mutating func postpone(from now: Instant) { dueAt = now + Self.interval }

    mutating func noteLeaving(_ node: NodeID, at now: Instant) {
        leaving.removeAll { $0.node == node || $0.until <= now }
        if leaving.count == Self.leavingMax { leaving.removeFirst() }
        leaving.append((node, now + Self.farewell))
    }

    func isLeaving(_ node: NodeID, at now: Instant) -> Bool {
        leaving.contains { $0.node == node && now < $0.until }
    }
}

extension NodeBrain {
    mutating func tendMembership(now: Instant) {
        guard now >= membershipDuties.dueAt, consensus.holdsLease(at: now) else { return }
        membershipDuties.postpone(from: now)
        guard !consensus.isChangeUnfinished else { return }
        var plan = MembershipPlan(
            configuration: consensus.configuration, nodes: roster.present.map { planned($0, at: now) })
        plan.ready = consensus.readyLearners(among: plan.candidates, at: now)
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

    func planned(_ entry: Roster.Entry, at now: Instant) -> MembershipPlan.Node {
        if entry.node == me {
            return MembershipPlan.Node(
                id: me, rank: entry.rank, notice: ownNotice, isAlive: !membershipDuties.isLeaving(me, at: now),
                isCore: entry.isCore, mayVote: entry.mayVote)
        }
        return MembershipPlan.Node(
            id: entry.node, rank: entry.rank, notice: notice(of: entry.node),
            isAlive: membership.member(entry.node)?.state == .alive && !membershipDuties.isLeaving(entry.node, at: now),
            isCore: entry.isCore, mayVote: entry.mayVote)
    }

    /// Another configuration is in force: who belongs to whom, and who is preferred.
    mutating func adoptConfiguration() {
        let configuration = consensus.configuration
        replicas.adopt(configuration)
        notePreferences()
        timing = NodeTiming(electionTimeout: consensus.electionTimeout, contacts: contacts)
        viewVersion += 1
    }

    /// Whom to elect rather than others, as far as this node knows.
    mutating func notePreferences() {
        var priorities: [ReplicaID: Int] = [:]
        var boots: [ReplicaID: LogTime] = [:]
        for replica in consensus.configuration.members {
            guard let node = replicas.node(of: replica) else { continue }
            priorities[replica] = roster.entry(of: node)?.rank
            let notice = node == me ? ownNotice : notice(of: node)
            boots[replica] = notice?.replica == replica ? notice?.bootedAt : nil
        }
        consensus.prefer(priorities, bootedAt: boots)
    }

    /// The first leader of this life is heard of: from now on others can tell how long this node has been up, in the one
    /// time that all of them share.
    mutating func noteBooted(now: Instant) {
        guard bootedAt == nil, consensus.leader != nil else { return }
        bootedAt = consensus.logTime(at: now)
        membership.publish(.replica, bytes: ownNotice.encode(), now: now)
        notePreferences()
        tellClock(now: now)
    }

    var ownNotice: ReplicaNotice {
        ReplicaNotice(replica: consensus.replica, featureLevel: featureLevel, bootedAt: bootedAt)
    }

    private func notice(of node: NodeID) -> ReplicaNotice? {
        membership.section(.replica, of: node).flatMap { try? ReplicaNotice(decoding: $0.bytes) }
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
