import Authority
import Gossip
import Primitives
import Raft
import SecureChannel

// Taking a node out of the configuration: before it says goodbye, or because it is gone for good. Only the leader changes
// the configuration, by joint consensus; whoever was asked keeps asking it until it says that the change is committed.
//
//   asked node --removal(node)--> leader: proposeChange without the node's replicas ... committed
//   asked node <-removed(node)--- leader
//
// A node that is alive and not leaving would be admitted again within seconds (`MembershipPlan`), so the surroundings
// refuse to remove one. One that leaves is not admitted again for a while; what is started later is.

/// Removals that this node was asked for and that are not finished.
struct RemovalTable: Sendable {
    struct Removal: Sendable {
        let request: RequestID
        let node: NodeID
        var askAgainAt: Instant
        let giveUpAt: Instant
    }

    /// More at a time are refused as overload.
    static let limit = 16

    private(set) var removals: [Removal] = []

    var isEmpty: Bool { removals.isEmpty }
    var isFull: Bool { removals.count >= Self.limit }
    var nextDeadline: Instant { removals.reduce(.distantFuture) { min($0, $1.askAgainAt, $1.giveUpAt) } }

    mutating func add(_ removal: Removal) { removals.append(removal) }
    mutating func forget(_ request: RequestID) { removals.removeAll { $0.request == request } }

    mutating func take(where isTaken: (Removal) -> Bool) -> [Removal] {
        let taken = removals.filter(isTaken)
        if !taken.isEmpty { removals.removeAll(where: isTaken) }
        return taken
    }

    /// The nodes to ask for now; they are asked for again after `interval`.
    mutating func takeDue(at now: Instant, askAgainAfter interval: Duration) -> [NodeID] {
        var due: [NodeID] = []
        for position in removals.indices where removals[position].askAgainAt <= now {
            removals[position].askAgainAt = now + interval
            due.append(removals[position].node)
        }
        return due
    }
}

extension NodeBrain {
    mutating func submitRemoval(
        of node: NodeID, for request: RequestID, now: Instant, into effects: inout [NodeEffect]
    ) {
        if let refusal = haltReason != nil ? CoreRefusal.stopping : removals.isFull ? .overloaded : nil {
            return effects.append(.answer(request, .refused(refusal)))
        }
        removals.add(
            RemovalTable.Removal(
                request: request, node: node, askAgainAt: now, giveUpAt: now + timing.outcomeLimit * 2))
    }

    /// Moves every removal one step: done, given up, or asked for again.
    mutating func advanceRemovals(now: Instant, into effects: inout [NodeEffect]) {
        let isSettled = !consensus.isChangeUnfinished
        let index = authority.appliedIndex
        let members = consensus.configuration.members.compactMap { replicas.node(of: $0) }
        for done in removals.take(where: { isSettled && !members.contains($0.node) }) {
            effects.append(.answer(done.request, .committed(.done, at: index)))
        }
        for late in removals.take(where: { now >= $0.giveUpAt }) {
            effects.append(.answer(late.request, .refused(.outcomeUnknown)))
        }
        for node in removals.takeDue(at: now, askAgainAfter: timing.retryInterval) {
            if consensus.role == .leader {
                _ = remove(node, now: now)
            } else if let leader {
                outbox.append((.node, PeerMessage.removal(of: node).encode(), leader))
            }
        }
    }

    /// A leader's part. Returns whether the node is out, for good as far as this configuration goes.
    mutating func remove(_ node: NodeID, now: Instant) -> Bool {
        guard consensus.role == .leader else { return false }
        membershipDuties.noteLeaving(node, at: now)
        guard isMember(node) else { return !consensus.isChangeUnfinished }
        let configuration = consensus.configuration
        let plan = MembershipPlan(
            configuration: configuration, nodes: roster.present.map { planned($0, at: now) }, ready: [])
        // Refused while an older change is unfinished or the term is young: it is asked for again. Nobody removes the last.
        guard let target = plan.removing({ replicas.node(of: $0) == node }) else { return false }
        _ = consensus.proposeChange(to: target, now: now, into: &raftEffects)
        return false
    }

    /// The leader says that it is done.
    mutating func noteRemoved(_ node: NodeID, into effects: inout [NodeEffect]) {
        let index = authority.appliedIndex
        for done in removals.take(where: { $0.node == node }) {
            effects.append(.answer(done.request, .committed(.done, at: index)))
        }
    }

    private func isMember(_ node: NodeID) -> Bool {
        consensus.configuration.members.contains { replicas.node(of: $0) == node }
    }
}
