import Gossip
import Primitives

/// Lifeguard's Interval experiment (arXiv 1707.00788 v2, §V-F): of 128 members, C hold their messages for D, work for I,
/// and so on for two minutes. Whoever is declared dead without being one of the C was alive and well: a false positive.
package struct LifeguardGrid: Sendable {
    package struct Cell: Hashable, Sendable {
        package let anomalous: Int
        package let duration: Duration
        package let interval: Duration
    }

    package struct Outcome: Sendable {
        /// Healthy subjects declared dead, by anyone and by healthy members.
        package var falsePositives = 0
        package var amongHealthy = 0
        /// Healthy subjects that healthy members suspected, and were refuted or heard in time.
        package var suspicionsAmongHealthy = 0
        package var payloadsSent = 0

        package init() {}

        package mutating func add(_ other: Outcome) {
            falsePositives += other.falsePositives
            amongHealthy += other.amongHealthy
            suspicionsAmongHealthy += other.suspicionsAmongHealthy
            payloadsSent += other.payloadsSent
        }

        /// Of one cell, or of the whole grid.
        package func figure(of cell: Cell?, members: Int, profile: GossipProfile) -> GossipFigure {
            let place: [(String, Double)] =
                cell.map {
                    [
                        ("anomalous", Double($0.anomalous)), ("duration_ms", Double($0.duration.inMilliseconds)),
                        ("interval_ms", Double($0.interval.inMilliseconds)),
                    ]
                } ?? []
            return GossipFigure(
                cell == nil ? "grid-sum" : "grid", members: members, profile: profile,
                values: place + [
                    ("false_positives", Double(falsePositives)), ("among_healthy", Double(amongHealthy)),
                    ("suspicions_among_healthy", Double(suspicionsAmongHealthy)), ("payloads", Double(payloadsSent)),
                ])
        }
    }

    package var members = 128
    package var span: Duration = .seconds(120)
    package var anomalous = [1, 4, 8, 16, 32]
    package var durations: [Duration] = [128, 512, 2048, 8192, 32768].map { .milliseconds($0) }
    package var intervals: [Duration] = [1, 64, 1024, 16384].map { .milliseconds($0) }
    package var seed: UInt64 = 1

    package init() {}

    package var cells: [Cell] {
        anomalous.flatMap { count in
            durations.flatMap { duration in
                intervals.map { Cell(anomalous: count, duration: duration, interval: $0) }
            }
        }
    }

    /// Every cell starts from one and the same mesh, a value that has found itself.
    package func play(_ cell: Cell, in mesh: GossipWorld) -> Outcome {
        var world = mesh
        var random = SeededRandom(seed: seed &* 31 &+ UInt64(cell.anomalous) &+ UInt64(cell.duration.inMilliseconds))
        world.forgetBeliefs()
        world.resetTraffic()
        var order = Array(0..<members)
        random.shuffle(&order)
        let troubled = Set(order.prefix(cell.anomalous))
        let start = world.now + .seconds(1)
        for number in order.prefix(cell.anomalous) {
            var at = start
            while at < start + span {
                world.plan(.holding, of: number, at: at)
                world.plan(.running, of: number, at: at + cell.duration)
                at = at + cell.duration + cell.interval
            }
        }
        world.run(.seconds(1) + span)
        var outcome = Outcome()
        for belief in world.beliefs where !troubled.contains(belief.subject) {
            let isHealthy = !troubled.contains(belief.observer)
            switch belief.state {
            case .dead:
                outcome.falsePositives += 1
                if isHealthy { outcome.amongHealthy += 1 }
            case .suspect: if isHealthy { outcome.suspicionsAmongHealthy += 1 }
            case .alive, .left: break
            }
        }
        outcome.payloadsSent = world.nodes.reduce(0) { $0 + $1.payloadsSent }
        return outcome
    }

    package func makeMesh(_ profile: GossipProfile) -> GossipWorld {
        GossipExperiments.makeMesh(members, seed: seed, profile: profile)
    }
}
