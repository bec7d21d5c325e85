import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import SecureChannel
import Simulator
import Testing

/// Machines that join and machines that are stolen, while links break.
@Suite struct RevocationTests {
    private func world(_ nodes: Int, outsiders: Int = 0, seed: UInt64, isSealed: Bool = false) -> World {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.isSealed = isSealed
        settings.outsiders = outsiders
        settings.checksEveryStep = false
        var world = World(settings)
        let members = 0..<nodes - outsiders
        for node in members { world.start(node) }
        _ = world.run(atMost: .seconds(10)) { world in members.allSatisfy { world.primary(seenBy: $0) == 0 } }
        // The level at which the log knows of the roster is agreed on within seconds.
        world.run(for: .seconds(3))
        return world
    }

    private func commit(_ world: inout World, _ request: RequestID) -> Bool {
        _ = world.run(atMost: .seconds(10)) { $0.answer(to: request) != nil }
        if case .committed? = world.answer(to: request) { return true }
        return false
    }

    /// As `meshnode revoke` does it: the vote first, then the record.
    private func revoke(_ world: inout World, _ member: Int, on node: Int) -> Bool {
        let removal = world.removeMember(member, on: node)
        guard commit(&world, removal) else { return false }
        let record = world.revoke(member, on: node)
        return commit(&world, record)
    }

    private func takesForAlive(_ world: World, _ member: Int, seenBy node: Int) -> Bool {
        world.view(of: node)?.members.contains { $0.name == world.name(of: member) && $0.state == .alive } ?? false
    }

    @Test(
        "who is cut off from the log learns of a revocation from a peer, by its signature, and drops the stolen machine",
        arguments: [1, 2, 3] as [UInt64])
    func flooded(seed: UInt64) {
        // Voters 0 to 4, observers 5 and 6. The stolen machine, 3, is with those who cannot hear the majority.
        var world = world(7, seed: seed)
        world.partition([[0, 1, 2], [3, 4, 5, 6]])
        world.run(for: .seconds(5))
        let isRevoked = revoke(&world, 3, on: 1)
        #expect(isRevoked)
        let isKnown = world.run(atMost: .seconds(2)) { world in
            [0, 1, 2].allSatisfy { world.isRevoked(3, seenBy: $0) == true }
        }
        #expect(isKnown)
        #expect([4, 5, 6].allSatisfy { world.isRevoked(3, seenBy: $0) == false })
        #expect(takesForAlive(world, 3, seenBy: 5))
        // One of them hears the majority for a moment, and nobody else.
        world.keepOnly([(0, 1), (0, 2), (1, 2), (0, 6)])
        let isTold = world.run(atMost: .seconds(10)) { $0.isRevoked(3, seenBy: 6) == true }
        #expect(isTold)
        world.partition([[0, 1, 2], [3, 4, 5, 6]])
        let isFlooded = world.run(atMost: .seconds(10)) { world in
            [4, 5].allSatisfy { world.isRevoked(3, seenBy: $0) == true }
        }
        #expect(isFlooded)
        #expect([4, 5].allSatisfy { world.brain(of: $0)?.authority.roster.revision == 0 }, "the log had got there")
        for node in [4, 5, 6] {
            // The view leaves it out by the roster; membership itself must neither list it nor call it.
            let members = world.brain(of: node)?.membership.members ?? []
            #expect(!members.isEmpty && !members.contains { $0.name == world.name(of: 3) }, "gossip is rid of it")
        }
        #expect([4, 5, 6].allSatisfy { !takesForAlive(world, 3, seenBy: $0) })
        // What it believes outlives its process: alone with the stolen machine, it does not fall for it again.
        world.stop(5, cutsPower: true)
        world.keepOnly([(0, 1), (0, 2), (1, 2), (3, 5), (4, 6)])
        world.start(5)
        for _ in 0..<50 {
            world.run(for: .milliseconds(100))
            #expect(world.isRevoked(3, seenBy: 5) == true && !takesForAlive(world, 3, seenBy: 5))
        }
        world.partition([[0, 1, 2], [3, 4, 5, 6]])
        world.run(for: .seconds(20))
        #expect([4, 5, 6].allSatisfy { !takesForAlive(world, 3, seenBy: $0) })
        world.heal()
        let isWhole = world.run(atMost: .seconds(20)) { world in
            [1, 2, 4, 5, 6].allSatisfy { world.primary(seenBy: $0) == 0 }
        }
        #expect(isWhole)
        #expect(world.allViolations() == [])
    }

    @Test(
        "10% of datagrams lost: everybody reachable drops the stolen machine within two seconds, and goes on without it",
        arguments: [1, 2, 3, 16] as [UInt64])
    func underLoss(seed: UInt64) {
        var world = world(5, seed: seed, isSealed: seed == 16)
        world.setLoss(perMille: 100)
        let others = [0, 1, 2, 3]
        let removal = world.removeMember(4, on: 1)
        let isRemoved = commit(&world, removal)
        #expect(isRemoved)
        world.isolate(3)
        world.run(for: .seconds(3))
        let record = world.revoke(4, on: 1)
        let begun = world.now
        let isDropped = world.run(atMost: .seconds(5)) { world in
            [0, 1, 2].allSatisfy { world.isRevoked(4, seenBy: $0) == true }
        }
        #expect(isDropped && world.now - begun <= .seconds(2), "\(world.now - begun)")
        let isRevoked = commit(&world, record)
        #expect(isRevoked)
        world.heal()
        let healed = world.now
        let isTold = world.run(atMost: .seconds(10)) { $0.isRevoked(4, seenBy: 3) == true }
        #expect(isTold && world.now - healed <= .seconds(5), "\(world.now - healed)")
        // What it says from now on reaches nobody: it hears no leader, and nobody shows it.
        world.run(for: .seconds(10))
        #expect(others.allSatisfy { !takesForAlive(world, 4, seenBy: $0) })
        #expect(world.primary(seenBy: 4) == nil)
        #expect(others.allSatisfy { world.primary(seenBy: $0) == 0 })
        let write = world.submit(.putValue(key: key("after"), value: [1], condition: .none, author: author), to: 3)
        let isWritten = commit(&world, write)
        #expect(isWritten)
        #expect(world.allViolations() == [])
    }

    @Test(
        "a machine joins while a part of the mesh is cut off: it follows, comes to vote, and everyone knows it after the heal",
        arguments: [1, 2, 3] as [UInt64])
    func joins(seed: UInt64) {
        var world = world(5, outsiders: 1, seed: seed)
        let isInvited = commit(&world, world.invite(on: 1))
        #expect(isInvited)
        world.partition([[0, 1, 2, 4], [3]])
        let isAdmitted = commit(&world, world.admit(4, on: 1))
        #expect(isAdmitted)
        world.welcome(4, by: 1)
        let follows = world.run(atMost: .seconds(10)) { $0.primary(seenBy: 4) == 0 }
        #expect(follows)
        #expect(world.brain(of: 3)?.authority.roster.admitted.isEmpty == true)
        world.heal()
        let isKnown = world.run(atMost: .seconds(10)) { world in
            takesForAlive(world, 4, seenBy: 3) && takesForAlive(world, 3, seenBy: 4)
        }
        #expect(isKnown)
        let votes = world.run(atMost: .seconds(60)) { world in
            world.brain(of: 0)?.consensus.configuration.voters.contains(world.replica(of: 4)) == true
        }
        #expect(votes)
        #expect(world.allViolations() == [])
    }

    @Test(
        "a machine that joins while the secret is replaced is not trapped with the old one",
        arguments: [1, 2] as [UInt64])
    func joinsDuringRotation(seed: UInt64) {
        var world = world(4, outsiders: 1, seed: seed, isSealed: true)
        let isInvited = commit(&world, world.invite(on: 1))
        #expect(isInvited)
        let isAdmitted = commit(&world, world.admit(3, on: 1))
        #expect(isAdmitted)
        // What it was handed is of the first epoch; before it starts that one is past.
        let isRotated = commit(&world, world.rotateSecret(on: 1))
        #expect(isRotated)
        let isOver = world.run(atMost: .seconds(20)) { world in
            (0..<3).allSatisfy { world.keyring(of: $0)?.oldest == 2 }
        }
        #expect(isOver)
        world.welcome(3, by: 1)
        #expect(world.keyring(of: 3)?.active == 1)
        let follows = world.run(atMost: .seconds(10)) { $0.primary(seenBy: 3) == 0 && $0.keyring(of: 3)?.active == 2 }
        #expect(follows)
        world.stop(3, cutsPower: true)
        world.start(3)
        let isBack = world.run(atMost: .seconds(10)) { $0.primary(seenBy: 3) == 0 }
        #expect(isBack && world.keyring(of: 3)?.active == 2, "it kept the new one")
        #expect(world.allViolations() == [])
    }

    private func key(_ text: String) -> ValueKey {
        guard let key = ValueKey(text) else { preconditionFailure("\(text) is no key") }
        return key
    }

    private var author: UserName {
        guard let name = UserName("test") else { preconditionFailure("test is no name") }
        return name
    }
}
