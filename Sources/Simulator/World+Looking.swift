import Authority
import NodeCore
import Primitives
import Raft

// What the world looks like from outside, and what about it is wrong.
extension World {
    package var nodeCount: Int { nodes.count }
    package func index(named name: String) -> Int? { nodes.firstIndex { $0.name == name } }
    package func name(of node: Int) -> String { nodes[node].name }
    package func brain(of node: Int) -> NodeBrain? { nodes[node].brain }

    /// Who this node believes is primary now; nil if it is down or may not say.
    package func primary(seenBy node: Int) -> Int? {
        guard let view = view(of: node), let primary = view.primary(at: localTime(of: node)) else { return nil }
        return nodes.firstIndex { $0.id == primary }
    }

    func isFresh(_ node: Int) -> Bool { view(of: node)?.isFresh(at: localTime(of: node)) ?? false }

    package func view(of node: Int) -> ClusterView? {
        guard nodes[node].isAwake else { return nil }
        return nodes[node].brain?.makeView(at: localTime(of: node))
    }

    /// Everything that is known to be wrong: what was seen on the way, and what is wrong now.
    package func allViolations() -> [String] { violations + presentViolations() }

    /// What is wrong now with sessions and states.
    func presentViolations() -> [String] {
        let states = nodes.compactMap { node in node.brain.map { (name: node.name, state: $0.authority) } }
        return checkers.sessionViolations(in: self) + [Checkers.divergence(among: states)].compactMap { $0 }
    }

    mutating func isLeading(_ node: Int) -> Bool { nodes[node].read { $0.consensus.role == .leader } ?? false }

    mutating func appliedIndex(of node: Int) -> LogIndex? { nodes[node].read { $0.authority.appliedIndex } }

    /// Whether the node runs and takes part no longer.
    package mutating func isHalted(_ node: Int) -> Bool { nodes[node].read { $0.haltReason != nil } ?? false }

    package func isVoter(_ node: Int) -> Bool { provision.roster.entry(of: nodes[node].id)?.isVoter == true }
    package var voterCount: Int { provision.roster.entries.count(where: \.isVoter) }

    /// Everything that went wrong so far, by class.
    package var faultCounts: FaultCounts {
        var sum = faults
        sum.add(network.faults)
        for node in nodes { sum.add(node.disk.faults) }
        return sum
    }

    package func localTime(of node: Int) -> Instant { nodes[node].clock.local(now) }

    /// At most one node holds the leader's lease at any instant of true time. A lease only begins or grows when its
    /// holder takes a step, so looking then is looking always.
    mutating func checkLeases(after node: Int) {
        guard nodes[node].leaseUntil > .zero, holdsLease(node) else { return }
        if let term = nodes[node].ledTerm, nodes[node].forfeitedTerm == term {
            report("lease safety: \(nodes[node].name) holds the lease of term \(term), which it handed over")
        }
        for other in nodes.indices where other != node && holdsLease(other) {
            report("lease safety: \(nodes[node].name) and \(nodes[other].name) both hold a lease")
        }
    }

    /// Inlined, so that the whole world is not copied to be asked.
    @inline(__always) func holdsLease(_ node: Int) -> Bool {
        nodes[node].leaseUntil > .zero && nodes[node].clock.local(now) < nodes[node].leaseUntil
    }

    /// More than this many say nothing new.
    static let violationsMax = 100

    mutating func report(_ violation: String) {
        if violations.count < Self.violationsMax { violations.append("\(Trace.stamp(now))  \(violation)") }
    }
}
