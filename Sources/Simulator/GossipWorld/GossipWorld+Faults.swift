import Gossip
import Primitives

// What goes wrong in a gossip world, and what its members came to believe.
extension GossipWorld {
    // MARK: - Faults

    package mutating func change(_ number: Int, to condition: Condition) {
        guard nodes[number].condition != .crashed else { return }
        nodes[number].condition = condition
        guard condition == .running else { return }
        // A process that goes on reads what waits in its socket before its timers fire.
        let (inbox, outbox) = (nodes[number].inbox, nodes[number].outbox)
        nodes[number].inbox = []
        nodes[number].outbox = []
        for parcel in outbox { post(parcel) }
        for parcel in inbox { deliver(parcel) }
        input(number) { core, now, effects in
            if core.nextDeadline <= now { core.tick(now: now, into: &effects) }
        }
    }

    package mutating func crash(_ number: Int) { nodes[number].condition = .crashed }

    /// Loses a part of what goes one way; 100 cuts the direction.
    package mutating func degrade(from: Int, to: Int, lossPercent: Int) {
        linkLoss[Link(from: from, to: to)] = lossPercent
    }

    package mutating func degradeAll(from number: Int, lossPercent: Int) {
        for other in nodes.indices where other != number { degrade(from: number, to: other, lossPercent: lossPercent) }
    }

    /// Parts the members by a group number each.
    package mutating func part(_ group: (Int) -> Int) { groups = nodes.indices.map(group) }

    package mutating func blockDatagrams(of number: Int) { withoutDatagrams.insert(number) }

    package mutating func heal() {
        groups = []
        linkLoss = [:]
        withoutDatagrams = []
    }

    package mutating func forgetBeliefs() {
        beliefs.removeAll(keepingCapacity: true)
        arrivals.removeAll(keepingCapacity: true)
    }

    package mutating func resetTraffic() {
        for number in nodes.indices {
            nodes[number].bytesSent = 0
            nodes[number].payloadsSent = 0
        }
    }

    // MARK: - Questions

    package func state(of subject: Int, at observer: Int) -> MemberState? {
        nodes[observer].core.member(Self.id(subject))?.state
    }

    /// Whether every running member holds every running member alive.
    package var agrees: Bool {
        let running = nodes.indices.filter { nodes[$0].condition == .running }
        let expected = running.map { Self.id($0) }.sorted()
        return running.allSatisfy { observer in
            nodes[observer].core.members.lazy.filter { $0.state == .alive }.map(\.id).elementsEqual(expected)
        }
    }

    /// When each of the observers first declared the subject dead.
    package func declaredDead(_ subject: Int) -> [Int: Instant] {
        var first: [Int: Instant] = [:]
        for belief in beliefs where belief.subject == subject && belief.state == .dead && first[belief.observer] == nil
        {
            first[belief.observer] = belief.at
        }
        return first
    }

    package func bytesPerSecond(over span: Duration) -> Double {
        Double(nodes.reduce(0) { $0 + $1.bytesSent }) / Double(nodes.count) / span.inSeconds
    }
}
