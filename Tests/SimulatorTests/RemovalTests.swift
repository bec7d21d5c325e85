import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Nodes that go: the configuration changes first, and they come back as followers.
@Suite struct RemovalTests {
    private func world(_ nodes: Int, seed: UInt64 = 3) -> World {
        var world = World(WorldSettings(nodes: nodes, seed: seed))
        for node in 0..<nodes { world.start(node) }
        _ = world.run(atMost: .seconds(10)) { world in (0..<nodes).allSatisfy { world.primary(seenBy: $0) == 0 } }
        return world
    }

    private func voters(_ world: World, seenBy node: Int) -> Set<Int>? {
        guard let configuration = world.brain(of: node)?.consensus.configuration, !configuration.isJoint else {
            return nil
        }
        return Set((0..<world.nodeCount).filter { configuration.voters.contains(world.replica(of: $0)) })
    }

    /// Whether the request was answered as done.
    private func isRemoved(_ world: inout World, _ member: Int, on node: Int) -> Bool {
        let request = world.removeMember(member, on: node)
        _ = world.run(atMost: .seconds(10)) { $0.answer(to: request) != nil }
        if case .committed? = world.answer(to: request) { return true }
        return false
    }

    @Test("a voter that leaves is no voter any more before it says goodbye, whoever it is", arguments: 0..<3)
    func leaves(node: Int) {
        var world = world(3)
        let isDone = isRemoved(&world, node, on: node)
        #expect(isDone)
        world.stop(node, cutsPower: false)
        let others = (0..<3).filter { $0 != node }
        let isLed = world.run(atMost: .seconds(5)) { world in
            guard let primary = world.primary(seenBy: others[0]), others.contains(primary) else { return false }
            return others.allSatisfy {
                voters(world, seenBy: $0) == Set(others) && world.primary(seenBy: $0) == primary
            }
        }
        #expect(isLed)
        // Back, it follows, and votes again in time.
        world.start(node)
        let isBack = world.run(atMost: .seconds(60)) { world in
            others.allSatisfy { voters(world, seenBy: $0) == Set(0..<3) }
        }
        #expect(isBack && world.allViolations().isEmpty, "\(world.allViolations())")
    }

    @Test("who asked to leave and stays is not taken back at once: it is about to say goodbye")
    func farewell() {
        var world = world(3)
        let isDone = isRemoved(&world, 2, on: 2)
        #expect(isDone)
        world.run(for: .seconds(8))
        #expect(world.brain(of: 0)?.consensus.configuration.contains(world.replica(of: 2)) == false)
        let isBack = world.run(atMost: .seconds(60)) { voters($0, seenBy: 0) == Set(0..<3) }
        #expect(isBack)
    }

    @Test("revoking a voter that is gone for good frees the quorum of it: the mesh survives one more loss")
    func goneForGood() {
        var world = world(5)
        for node in [3, 4] {
            world.stop(node, cutsPower: true)
            world.run(for: .seconds(60))
            let isDone = isRemoved(&world, node, on: 1)
            #expect(isDone, "n\(node + 1)")
        }
        #expect(voters(world, seenBy: 1) == [0, 1, 2])
        world.stop(0, cutsPower: true)
        let goesOn = world.run(atMost: .seconds(5)) { $0.primary(seenBy: 1) != nil && $0.primary(seenBy: 1) != 0 }
        #expect(goesOn, "two of five would be no majority")
        #expect(world.allViolations().isEmpty)
    }

    @Test("gossip never removes a voter, however long it is silent")
    func silence() {
        var world = world(3)
        world.stop(2, cutsPower: true)
        world.run(for: .seconds(3600))
        #expect(voters(world, seenBy: 0) == [0, 1, 2])
    }

    @Test("the last voter stays, and without a primary nothing is promised")
    func last() {
        var world = world(2)
        #expect(voters(world, seenBy: 0) == [0])
        let isAlone = isRemoved(&world, 0, on: 0)
        #expect(!isAlone && world.primary(seenBy: 0) == 0)
        var split = self.world(3)
        split.isolate(0)
        split.run(for: .seconds(3))
        let request = split.removeMember(1, on: 0)
        split.run(for: .seconds(10))
        #expect(split.answer(to: request) == .refused(.outcomeUnknown))
        #expect(world.allViolations().isEmpty && split.allViolations().isEmpty)
    }

    @Test("Uptime breaks ties: of equal ranks, who has been up for longest leads next")
    func uptime() {
        var wins = 0
        for (seed, eldest) in (UInt64(1)...48).flatMap({ seed in (1..<5).map { (seed, $0) } }) {
            var world = world(5, seed: seed * 16 + 1)
            world.run(for: .seconds(3))
            for node in 1..<5 where node != eldest {
                world.stop(node, cutsPower: false)
                world.start(node)
                world.run(for: .seconds(3))
            }
            world.stop(0, cutsPower: false)
            _ = world.run(atMost: .seconds(10)) { world in world.primary(seenBy: eldest) ?? 0 != 0 }
            if world.primary(seenBy: eldest) == eldest { wins += 1 }
        }
        #expect(wins >= 80, "\(wins) of 192, where chance alone gives 48")
    }
}
