import Gossip
import Primitives

/// A part of the members stand still at random: stopped processes, their timers too.
package struct PausingMembers: Sendable {
    package var members = 50
    package var pausingPercent = 30
    package var pause: ClosedRange<Duration> = .milliseconds(100)...Duration.seconds(8)
    package var work: ClosedRange<Duration> = .milliseconds(100)...Duration.seconds(20)
    package var seed: UInt64 = 1

    package init() {}

    package func run(hours: Int, profile: GossipProfile = .ours) -> GossipFigure {
        var outcome = LifeguardGrid.Outcome()
        var random = SeededRandom(seed: seed)
        let pausing = members * pausingPercent / 100
        var pauses = 0
        for hour in 0..<hours {
            var world = GossipExperiments.makeMesh(members, seed: seed &+ UInt64(hour), profile: profile)
            var queue = DeadlineQueue<Int>()
            for number in 0..<pausing { queue.add(number, at: world.now + random.duration(in: work)) }
            let end = world.now + .seconds(3600)
            while let next = queue.nextDeadline, next < end, let (at, number) = queue.popDue(at: end) {
                if at > world.now { world.run(at - world.now) }
                if world.nodes[number].condition == .paused {
                    world.change(number, to: .running)
                    queue.add(number, at: at + random.duration(in: work))
                } else {
                    pauses += 1
                    world.change(number, to: .paused)
                    queue.add(number, at: at + random.duration(in: pause))
                }
                for belief in world.beliefs where belief.subject >= pausing {
                    let isHealthy = belief.observer >= pausing
                    if belief.state == .dead {
                        outcome.falsePositives += 1
                        if isHealthy { outcome.amongHealthy += 1 }
                    } else if belief.state == .suspect, isHealthy {
                        outcome.suspicionsAmongHealthy += 1
                    }
                }
                world.forgetBeliefs()
            }
        }
        return GossipFigure(
            "pausing", members: members, profile: profile,
            values: [
                ("virtual_hours", Double(hours)), ("pauses", Double(pauses)),
                ("false_positives", Double(outcome.falsePositives)), ("among_healthy", Double(outcome.amongHealthy)),
                ("suspicions_among_healthy", Double(outcome.suspicionsAmongHealthy)),
            ])
    }
}
