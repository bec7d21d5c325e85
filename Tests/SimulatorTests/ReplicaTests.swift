import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Replicas that come and go, programs of two versions, and what outlives a leader.
@Suite struct ReplicaTests {
    private func world(_ nodes: Int, seed: UInt64 = 3, _ change: (inout WorldSettings) -> Void = { _ in }) -> World {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        change(&settings)
        var world = World(settings)
        for node in 0..<nodes { world.start(node) }
        return world
    }

    private func awaitPrimary(_ world: inout World, among nodes: [Int], within limit: Duration = .seconds(10)) -> Bool {
        world.run(atMost: limit) { world in
            guard let primary = world.primary(seenBy: nodes[0]) else { return false }
            return nodes.allSatisfy { world.primary(seenBy: $0) == primary }
        }
    }

    private func committed(_ world: inout World, _ command: AuthorityCommand, on node: Int) -> AuthorityReply? {
        let request = world.submit(command, to: node)
        _ = world.run(atMost: .seconds(5)) { $0.answer(to: request) != nil }
        guard case .committed(let reply, _)? = world.answer(to: request) else { return nil }
        return reply
    }

    private func put(_ text: String) -> AuthorityCommand {
        .putValue(key: ValueKey("k")!, value: Array(text.utf8), condition: .none, author: UserName("ada")!)
    }

    private func configuration(_ world: World, seenBy node: Int) -> Configuration? {
        world.brain(of: node)?.consensus.configuration
    }

    @Test("case 37: two of five disks wiped: their votes never count, and they come back as new replicas")
    func wiped() throws {
        var world = world(5)
        try #require(awaitPrimary(&world, among: Array(0..<5)))
        #expect(committed(&world, put("before"), on: 1) != nil)
        let former = (0..<5).map { world.replica(of: $0) }
        for node in 0..<5 { world.stop(node, cutsPower: false) }
        for node in [3, 4] {
            world.wipe(node)
            world.start(node)
        }
        world.start(2)
        world.run(for: .seconds(20))
        #expect((2..<5).allSatisfy { world.primary(seenBy: $0) == nil }, "one voter and two strangers are no majority")
        for node in [0, 1] { world.start(node) }
        #expect(awaitPrimary(&world, among: Array(0..<5), within: .seconds(20)))
        let expected = ((0..<3).map { former[$0] } + [3, 4].map { world.replica(of: $0) }).sorted()
        let isReplaced = world.run(atMost: .seconds(60)) { world in
            (0..<5).allSatisfy {
                let configuration = configuration(world, seenBy: $0)
                return configuration?.voters == expected && configuration?.isJoint == false
            }
        }
        #expect(isReplaced, "voters \(String(describing: configuration(world, seenBy: 0)))")
        // Now they do count.
        for node in [1, 2] { world.stop(node, cutsPower: false) }
        #expect(awaitPrimary(&world, among: [0, 3, 4], within: .seconds(20)))
        #expect(committed(&world, put("after"), on: 3) != nil)
        #expect(world.allViolations().isEmpty)
    }

    @Test("Replica identity: a wiped node's new replica is a learner before it votes")
    func learnerFirst() throws {
        var world = world(3)
        try #require(awaitPrimary(&world, among: [0, 1, 2]))
        world.stop(2, cutsPower: true)
        world.wipe(2)
        world.start(2)
        let replica = world.replica(of: 2)
        let isLearner = world.run(atMost: .seconds(10)) {
            configuration($0, seenBy: 0)?.learners.contains(replica) ?? false
        }
        #expect(isLearner)
        let isVoter = world.run(atMost: .seconds(20)) {
            configuration($0, seenBy: 2)?.voters.contains(replica) ?? false
        }
        #expect(isVoter)
        #expect(world.allViolations().isEmpty)
    }

    // MARK: Versions

    private var lock: AuthorityCommand {
        .acquireLock(
            LockRequest(name: LockName("gpu")!, holder: LockHolder(high: 0, low: 7), lifetime: .seconds(10)))
    }

    @Test("Versions: two programs side by side never diverge, and a feature begins when the last voter knows it")
    func versions() throws {
        var world = World(WorldSettings(nodes: 3, seed: 5))
        world.install(.zero, on: 2)
        for node in 0..<3 { world.start(node) }
        try #require(awaitPrimary(&world, among: [0, 1, 2]))
        world.run(for: .seconds(5))
        #expect(configuration(world, seenBy: 0)?.featureLevel == .zero)
        #expect(committed(&world, lock, on: 0) == .refused(.malformed))
        #expect(world.allViolations().isEmpty)
        world.stop(2, cutsPower: false)
        world.install(.current, on: 2)
        world.start(2)
        #expect(
            world.run(atMost: .seconds(20)) { world in
                (0..<3).allSatisfy { world.brain(of: $0)?.authority.featureLevel == .current }
            })
        guard case .locked? = committed(&world, lock, on: 1) else {
            Issue.record("the lock was not granted")
            return
        }
        // A step back: the old program must not guess what the log means.
        world.stop(2, cutsPower: false)
        world.install(.zero, on: 2)
        world.start(2)
        world.run(for: .seconds(5))
        #expect(world.haltReason(of: 2) != nil)
        #expect(world.allViolations().isEmpty)
    }

    // MARK: Locks

    @Test("case 31: a lock of 10 s, 6 s used, leader killed: about 4 s remain, neither 0 nor 10")
    func lockOutlivesLeader() throws {
        var world = world(3)
        try #require(awaitPrimary(&world, among: [0, 1, 2]))
        world.run(for: .seconds(5))
        let leader = try #require(world.primary(seenBy: 0))
        guard case .locked(let granted)? = committed(&world, lock, on: leader) else {
            Issue.record("the lock was not granted")
            return
        }
        world.run(for: .seconds(6))
        world.stop(leader, cutsPower: false)
        let others = (0..<3).filter { $0 != leader }
        #expect(awaitPrimary(&world, among: others))
        let view = try #require(world.view(of: others[0]))
        let rest = granted.expiresAt - view.logTime
        #expect(rest > .milliseconds(2500) && rest <= .milliseconds(4100), "\(rest) remain")
        let other = LockRequest(name: LockName("gpu")!, holder: LockHolder(high: 0, low: 8), lifetime: .seconds(10))
        #expect(committed(&world, .acquireLock(other), on: others[0]) == .refused(.lockHeld(token: granted.token)))
        world.run(for: rest)
        guard case .locked(let next)? = committed(&world, .acquireLock(other), on: others[1]) else {
            Issue.record("the lock did not expire")
            return
        }
        #expect(next.token > granted.token)
        #expect(world.allViolations().isEmpty)
    }

    // MARK: Timeouts

    @Test("E: a mesh of one room lowers its timeout by what it measures, and one that grows slow raises it")
    func measuredTimeout() throws {
        var world = world(3) { $0.electionTimeoutPolicy = .measured(.milliseconds(60)...(.seconds(10))) }
        try #require(awaitPrimary(&world, among: [0, 1, 2]))
        let isLowered = world.run(atMost: .seconds(120)) { world in
            (0..<3).allSatisfy { configuration(world, seenBy: $0)?.timeouts == ElectionTimeouts(.milliseconds(60)) }
        }
        #expect(isLowered, "\(String(describing: configuration(world, seenBy: 0)?.timeouts))")
        world.setLatency(.milliseconds(8)...(.milliseconds(10)))
        let isRaised = world.run(atMost: .seconds(120)) { world in
            (0..<3).allSatisfy {
                guard let timeouts = configuration(world, seenBy: $0)?.timeouts else { return false }
                return timeouts.isSettled && timeouts.timeout >= .milliseconds(100)
            }
        }
        #expect(isRaised, "\(String(describing: configuration(world, seenBy: 0)?.timeouts))")
        #expect(world.allViolations().isEmpty)
    }
}
