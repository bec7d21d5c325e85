import Gossip
import Primitives

/// Links of which a bad one must not cost a healthy member its life (Suresh et al., "Stable and Consistent Membership at
/// Scale with Rapid", ATC 2018, §7): fifty members, five minutes, nobody crashes.
package enum LinkTrouble: String, CaseIterable, Sendable {
    /// Two members lose all that comes to them for 20 s, then nothing for 20 s, and so on.
    case flipFlop
    /// Two members lose 80 % of what they send.
    case lossySending
    /// Two members lose 80 % of what comes to them.
    case lossyReceiving
    /// One direction of one link in ten is cut.
    case cutDirections

    package func run(members: Int = 50, seed: UInt64 = 1, profile: GossipProfile = .ours) -> GossipFigure {
        var world = GossipExperiments.makeMesh(members, seed: seed, profile: profile)
        var random = SeededRandom(seed: seed)
        let troubled = [3, 17]
        for round in 0..<15 {
            world.linkLoss = [:]
            for one in troubled {
                for other in 0..<members where other != one {
                    switch self {
                    case .flipFlop: if round % 2 == 0 { world.degrade(from: other, to: one, lossPercent: 100) }
                    case .lossySending: world.degrade(from: one, to: other, lossPercent: 80)
                    case .lossyReceiving: world.degrade(from: other, to: one, lossPercent: 80)
                    case .cutDirections: break
                    }
                }
            }
            if self == .cutDirections {
                for one in 0..<members {
                    for other in 0..<members where one != other && random.chance(1, in: 20) {
                        world.degrade(from: one, to: other, lossPercent: 100)
                    }
                }
            }
            world.run(.seconds(20))
        }
        let isTroubled = { (number: Int) in self != .cutDirections && troubled.contains(number) }
        let dead = world.beliefs.filter { $0.state == .dead }
        let healthy = dead.filter { !isTroubled($0.subject) }
        return GossipFigure(
            rawValue, members: members, profile: profile,
            values: [
                ("declared_dead", Double(dead.count)), ("false_positives", Double(healthy.count)),
                ("among_healthy", Double(healthy.count { !isTroubled($0.observer) })),
            ])
    }
}
