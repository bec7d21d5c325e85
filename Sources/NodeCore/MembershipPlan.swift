import Primitives
import Raft

/// What a leader wants the next configuration to be. A pure decision, so that tables can test it.
///
/// - A node that runs a replica which the log does not know (its disk was wiped) gets that replica as a learner; when
///   it has kept up for a while it takes the place of the node's former replica.
/// - Learners become voters as long as fewer than `votersMax` vote, and only so that their number is odd: an even one
///   adds a machine that can fail, not a failure that can be survived.
/// - Voters of class edge are always fewer than a quorum, so that every majority holds a core node.
/// - Learners of nodes that were revoked are taken out.
/// - The feature level rises to what every voter's program understands.
///
/// Nobody loses a vote because of silence: gossip never removes a voter.
package struct MembershipPlan {
    static let votersMax = 5

    package struct Node: Hashable, Sendable {
        package let id: NodeID
        package let rank: Int
        /// What it says of itself; nil while nothing was heard.
        package let notice: ReplicaNotice?
        /// It says so now, or said so before it fell silent.
        package let isAlive: Bool
        package let isCore: Bool
        package let mayVote: Bool

        package init(
            id: NodeID, rank: Int, notice: ReplicaNotice?, isAlive: Bool, isCore: Bool = true, mayVote: Bool = true
        ) {
            self.isCore = isCore
            self.mayVote = mayVote
            self.id = id
            self.rank = rank
            self.notice = notice
            self.isAlive = isAlive
        }
    }

    package let configuration: Configuration
    /// Everyone in the roster, in its order.
    package let nodes: [Node]
    /// Learners that keep up with the log.
    package var ready: [ReplicaID]

    package init(configuration: Configuration, nodes: [Node], ready: [ReplicaID] = []) {
        self.configuration = configuration
        self.nodes = nodes
        self.ready = ready
    }

    /// Nil if all is as it should be, or cannot be improved now.
    package func next() -> Configuration? { expulsion() ?? admission() ?? replacement() ?? promotion() ?? level() }

    /// Without these members. Nil if nobody would vote any more, or nothing would change. The number of voters may become
    /// even: the next learner makes it odd again, and taking a second vote away would leave fewer copies of the log.
    ///
    /// Edge voters that would become too many go on as learners; nil if only such would vote.
    package func removing(_ isRemoved: (ReplicaID) -> Bool) -> Configuration? {
        var voters = configuration.voters.filter { !isRemoved($0) }
        var learners = configuration.learners.filter { !isRemoved($0) }
        while !isSafe(voters), let demoted = voters.last(where: isEdge) {
            voters.removeAll { $0 == demoted }
            learners.append(demoted)
        }
        guard !voters.isEmpty, !configuration.isJoint else { return nil }
        let target = change(voters: voters, learners: learners)
        return target == configuration ? nil : target
    }

    /// Learners whose node belongs to the mesh no longer: one that was taken out may have become a learner again under a
    /// leader that had not heard of it, before it was revoked.
    private func expulsion() -> Configuration? {
        let learners = configuration.learners.filter { learner in
            guard let owner = node(of: learner) else { return true }
            return nodes.contains { $0.id == owner }
        }
        return learners.count == configuration.learners.count ? nil : change(learners: learners)
    }

    private func admission() -> Configuration? {
        guard configuration.members.count < Configuration.memberCountMax else { return nil }
        for node in nodes where node.isAlive {
            guard let replica = node.notice?.replica, !configuration.contains(replica),
                !isBoundElsewhere(replica, node.id)
            else { continue }
            // One learner a node: of those that it was before, only a voter still counts for something.
            let stale = configuration.learners.filter { configuration.node(of: $0) == node.id }
            return change(
                learners: configuration.learners.filter { !stale.contains($0) } + [replica],
                adding: Configuration.Binding(replica: replica, node: node.id))
        }
        return nil
    }

    private func replacement() -> Configuration? {
        for learner in eligible where ready.contains(learner) {
            guard let former = configuration.voters.first(where: { configuration.node(of: $0) == node(of: learner) })
            else { continue }
            return change(
                voters: configuration.voters.filter { $0 != former } + [learner],
                learners: configuration.learners.filter { $0 != learner })
        }
        return nil
    }

    private func promotion() -> Configuration? {
        let count = configuration.voters.count
        let wanted = count.isMultiple(of: 2) ? 1 : 2
        guard count + wanted <= Self.votersMax, let chosen = choose(wanted) else { return nil }
        return change(
            voters: configuration.voters + chosen, learners: configuration.learners.filter { !chosen.contains($0) })
    }

    /// The first of the eligible that may vote together with those who vote now.
    private func choose(_ wanted: Int) -> [ReplicaID]? {
        let eligible = eligible.filter(ready.contains)
        let room =
            Self.edgeVotersMax(among: configuration.voters.count + wanted) - configuration.voters.count(where: isEdge)
        var chosen: [ReplicaID] = []
        var edges = 0
        for learner in eligible where chosen.count < wanted {
            if isEdge(learner) {
                guard edges < room else { continue }
                edges += 1
            }
            chosen.append(learner)
        }
        return chosen.count == wanted ? chosen : nil
    }

    /// Fewer than a quorum.
    static func edgeVotersMax(among voters: Int) -> Int { voters / 2 }

    private func isSafe(_ voters: [ReplicaID]) -> Bool {
        voters.count(where: isEdge) <= Self.edgeVotersMax(among: voters.count)
    }

    private func isEdge(_ replica: ReplicaID) -> Bool {
        let owner = configuration.node(of: replica)
        return nodes.contains { $0.id == owner && !$0.isCore }
    }

    private func level() -> Configuration? {
        var lowest: FeatureLevel?
        for voter in configuration.voters {
            let owner = nodes.first { $0.id == configuration.node(of: voter) }
            guard let notice = owner?.notice, notice.replica == voter else { return nil }
            lowest = min(lowest ?? notice.featureLevel, notice.featureLevel)
        }
        guard let lowest, lowest > configuration.featureLevel else { return nil }
        return change(level: lowest)
    }

    /// Learners of whom it is worth knowing whether they keep up: they could get a vote. At most so many of a class as one
    /// replica serves in the tree of observers, since the leader serves these itself.
    package var candidates: [ReplicaID] {
        let successors = eligible.filter { learner in
            configuration.voters.contains { node(of: $0) == node(of: learner) }
        }
        guard configuration.voters.count < Self.votersMax else { return successors }
        let edges = eligible.filter(isEdge)
        let cores = eligible.filter { !edges.contains($0) }
        return successors + cores.prefix(ObserverTree.fanOut) + edges.prefix(ObserverTree.fanOut)
    }

    /// Learners that may become voters once they keep up: what their node runs now, its program new enough; highest ranks
    /// first, and in the roster's order among equals.
    private var eligible: [ReplicaID] {
        let running = nodes.filter { node in
            guard let notice = node.notice else { return false }
            return node.isAlive && node.mayVote && configuration.learners.contains(notice.replica)
                && notice.featureLevel >= configuration.featureLevel
        }
        let order = running.enumerated().sorted { a, b in
            a.element.rank != b.element.rank ? a.element.rank > b.element.rank : a.offset < b.offset
        }
        return order.compactMap { $0.element.notice?.replica }
    }

    private func node(of replica: ReplicaID) -> NodeID? { configuration.node(of: replica) }

    private func isBoundElsewhere(_ replica: ReplicaID, _ node: NodeID) -> Bool {
        configuration.node(of: replica).map { $0 != node } ?? false
    }

    private func change(
        voters: [ReplicaID]? = nil, learners: [ReplicaID]? = nil, adding binding: Configuration.Binding? = nil,
        level: FeatureLevel? = nil
    ) -> Configuration {
        let voters = voters ?? configuration.voters
        let learners = learners ?? configuration.learners
        let bindings = configuration.bindings + (binding.map { [$0] } ?? [])
        return Configuration(
            voters: voters, learners: learners,
            bindings: bindings.filter { voters.contains($0.replica) || learners.contains($0.replica) },
            timeouts: configuration.timeouts, featureLevel: level ?? configuration.featureLevel)
    }
}
