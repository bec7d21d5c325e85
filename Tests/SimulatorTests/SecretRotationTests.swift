import Authority
import Gossip
import NodeCore
import Primitives
import SecureChannel
import Simulator
import Testing

/// The cluster's secret changes while traffic flows. Frames are sealed as on a real network.
@Suite struct SecretRotationTests {
    private func world(_ nodes: Int, seed: UInt64, lossPerMille: Int = 0) -> World {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.isSealed = true
        settings.checksEveryStep = false
        var world = World(settings)
        for node in 0..<nodes { world.start(node) }
        _ = world.run(atMost: .seconds(10)) { world in (0..<nodes).allSatisfy { world.primary(seenBy: $0) == 0 } }
        // The level at which the log knows of rotations is agreed on within seconds.
        world.run(for: .seconds(3))
        world.setLoss(perMille: lossPerMille)
        return world
    }

    private func value(_ number: Int) throws -> AuthorityCommand {
        .putValue(
            key: try #require(ValueKey("k\(number)")), value: [1], condition: .none,
            author: try #require(UserName("test")))
    }

    /// Everybody whom one of `nodes` does not take for alive, `absent` aside.
    private func suspected(_ world: World, among nodes: [Int]) -> [String] {
        nodes.flatMap { node in
            (world.view(of: node)?.members ?? [])
                .filter { $0.state != .alive && nodes.contains(world.index(named: $0.name) ?? -1) }
                .map { "\(world.name(of: node)) takes \($0.name) for \($0.state)" }
        }
    }

    @Test(
        "10% of datagrams lost and one node off: nothing stops, nobody is suspected, the absent node rejoins unaided",
        arguments: 1...16 as ClosedRange<UInt64>)
    func underLoss(seed: UInt64) throws {
        var world = world(5, seed: seed, lossPerMille: 100)
        world.stop(4, cutsPower: true)
        world.run(for: .seconds(20))
        let present = Array(0..<4)
        let rotation = world.rotateSecret(on: 1)
        var requests: [RequestID] = []
        // A write every half second, before, during and after; the sessions' own renewals fall into it as well.
        for number in 0..<300 {
            requests.append(world.submit(try value(number), to: number % 4))
            world.run(for: .milliseconds(500))
            #expect(suspected(world, among: present) == [], "after \(number) writes")
        }
        #expect(world.answer(to: rotation).map { if case .committed(.done, _) = $0 { true } else { false } } == true)
        for node in present {
            let keyring = try #require(world.keyring(of: node))
            #expect((keyring.active, keyring.oldest) == (2, 2), "\(world.name(of: node))")
        }
        // The last ones may have been lost and asked for again.
        world.run(for: .seconds(3))
        let refused = requests.filter { request in
            if case .committed = world.answer(to: request) { false } else { true }
        }
        #expect(refused.isEmpty, "\(refused.count) of \(requests.count) writes failed")
        world.start(4)
        let isBack = world.run(atMost: .seconds(30)) { world in
            world.primary(seenBy: 4) == world.primary(seenBy: 0) && world.primary(seenBy: 4) != nil
        }
        #expect(isBack)
        world.run(for: .seconds(5))
        #expect(world.keyring(of: 4)?.active == 2)
        #expect(suspected(world, among: Array(0..<5)) == [])
        #expect(world.allViolations() == [])
    }

    @Test(
        "a secret comes into use when everybody who is there holds it, and the old one is past when everybody uses the new",
        arguments: 1...8 as ClosedRange<UInt64>)
    func stepByStep(seed: UInt64) throws {
        var world = world(5, seed: seed, lossPerMille: 100)
        _ = world.rotateSecret(on: 1)
        var isOver = false
        for _ in 0..<4000 where !isOver {
            world.run(for: .milliseconds(5))
            let keyrings = (0..<5).compactMap { world.keyring(of: $0) }
            try #require(keyrings.allSatisfy { $0.holds(2) } || keyrings.allSatisfy { $0.active == 1 })
            try #require(keyrings.allSatisfy { $0.active == 2 } || keyrings.allSatisfy { $0.oldest == 1 })
            isOver = keyrings.allSatisfy { $0.oldest == 2 }
        }
        #expect(isOver)
    }

    @Test("a node that was away for three rotations is handed the last one")
    func awayForLong() throws {
        var world = world(3, seed: 5)
        world.stop(2, cutsPower: false)
        for epoch in 2...4 as ClosedRange<UInt32> {
            _ = world.rotateSecret(on: 0)
            let isDone = world.run(atMost: .seconds(20)) { world in
                (0..<2).allSatisfy { world.keyring(of: $0)?.oldest == epoch }
            }
            #expect(isDone, "epoch \(epoch)")
        }
        world.start(2)
        let isBack = world.run(atMost: .seconds(20)) { $0.primary(seenBy: 2) == 0 }
        #expect(isBack && world.keyring(of: 2)?.active == 4)
        #expect(world.allViolations() == [])
    }

    @Test("rotations survive restarts: the newest secret is on every disk before it is in use")
    func restarts() throws {
        var world = world(3, seed: 6)
        _ = world.rotateSecret(on: 2)
        let isActive = world.run(atMost: .seconds(20)) { world in
            world.keyring(of: 1)?.active == 2
        }
        #expect(isActive)
        for node in 0..<3 { world.stop(node, cutsPower: true) }
        for node in 0..<3 { world.start(node) }
        let isLed = world.run(atMost: .seconds(20)) { world in (0..<3).allSatisfy { world.primary(seenBy: $0) == 0 } }
        #expect(isLed)
        #expect((0..<3).allSatisfy { world.keyring(of: $0)?.holds(2) == true })
        #expect(world.allViolations() == [])
    }

    @Test("a node cut off while the others go on finds its way back when it hears them again")
    func cutOff() throws {
        var world = world(5, seed: 7)
        world.isolate(4)
        _ = world.rotateSecret(on: 0)
        // Longer than a session lasts: nothing but handshakes remains.
        world.run(for: .seconds(300))
        #expect(world.keyring(of: 0)?.oldest == 2 && world.keyring(of: 4)?.active == 1)
        world.heal()
        let isBack = world.run(atMost: .seconds(30)) { world in
            world.primary(seenBy: 4) == 0 && world.keyring(of: 4)?.active == 2
        }
        #expect(isBack)
        #expect(world.allViolations() == [])
    }
}
