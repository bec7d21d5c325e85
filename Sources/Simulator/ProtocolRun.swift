import Primitives

/// A short life of a small mesh for the model to judge: writes, and the troubles that the model knows of, which are
/// crashes, cuts of power, partitions, loss, slow disks, pauses and changes of voters.
///
/// Fewer things happen than in the swarm: each line is some states to the model checker.
package struct ProtocolRun: Sendable {
    package let nodes: Int
    package let trace: ProtocolTrace
    package let violations: [String]

    package init(seed: UInt64, duration: Duration = .seconds(30)) {
        var random = SeededRandom(seed: seed ^ 0x7ACE)
        nodes = seed.isMultiple(of: 2) ? 5 : 3
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.checksEveryStep = false
        // Campaigns collide in every other pair of seeds.
        if seed % 4 < 2 { settings.electionJitter = .milliseconds(4) }
        var world = World(settings)
        world.traceProtocol()
        for node in 0..<nodes { world.start(node) }
        var clients = ClientWorkload(random: random.fork())
        var nextTrouble = Instant.zero + .seconds(2)
        while world.now < .zero + duration, world.violations.isEmpty {
            if world.now >= nextTrouble {
                Self.disturb(&world, &random)
                nextTrouble = world.now + random.duration(in: .milliseconds(200)...(.milliseconds(2500)))
            }
            clients.step(&world)
            world.run(for: .milliseconds(300))
        }
        trace = world.protocolTrace ?? ProtocolTrace(replicas: [])
        violations = world.violations
    }

    private static func disturb(_ world: inout World, _ random: inout SeededRandom) {
        let node = random.below(world.nodeCount)
        let other = (node + 1 + random.below(world.nodeCount - 1)) % world.nodeCount
        // The leader is where it hurts.
        let victim = random.chance(1, in: 2) ? (0..<world.nodeCount).first { world.isLeading($0) } ?? node : node
        switch random.below(10) {
        case 0: world.isolate(victim)
        case 1: world.cutOneWay(victim, other)
        case 2: world.partition([[node, other], (0..<world.nodeCount).filter { $0 != node && $0 != other }])
        case 3: world.stop(victim, cutsPower: false)
        case 4: world.stop(victim, cutsPower: true)
        case 5: world.doom(victim, afterOperations: random.below(8), cutsPower: true)
        case 6: world.nodes[node].disk.syncLatency = .microseconds(100)...(.milliseconds(200))
        case 7: world.pause(victim, for: random.duration(in: .milliseconds(100)...(.seconds(2))))
        case 8: if world.nodeCount > 3 { _ = world.removeMember(node, on: other) }
        default: mend(&world, &random)
        }
        for node in 0..<world.nodeCount where random.chance(1, in: 3) { world.start(node) }
    }

    private static func mend(_ world: inout World, _ random: inout SeededRandom) {
        world.network.heal()
        for node in 0..<world.nodeCount {
            world.mendDisk(of: node)
            if random.chance(3, in: 4) { world.start(node) }
        }
    }
}
