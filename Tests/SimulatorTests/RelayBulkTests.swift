import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// What no datagram holds, around a broken link: forwarded commands, entries and snapshots, from both ends of a chain.
@Suite struct RelayBulkTests {
    private static let author = UserName("ada")!  // letters are a name

    /// n1 leads, and the nodes hear their neighbours only.
    private func chain(_ nodes: Int, isSealed: Bool, snapshotAfterEntries: Int? = nil) throws -> World {
        var settings = WorldSettings(nodes: nodes, seed: 5)
        settings.isSealed = isSealed
        settings.snapshotAfterEntries = snapshotAfterEntries
        var world = World(settings)
        for node in 0..<nodes { world.start(node) }
        let isLed = world.run(atMost: .seconds(10)) { world in
            (0..<nodes).allSatisfy { world.primary(seenBy: $0) == 0 }
        }
        try #require(isLed)
        world.run(for: .seconds(10))
        world.keepOnly((1..<nodes).map { ($0 - 1, $0) })
        world.run(for: .seconds(2))
        try #require(world.primary(seenBy: 0) == 0)
        return world
    }

    private func isStored(_ bytes: Int, as key: String, on node: Int, _ world: inout World) throws -> Bool {
        let command = AuthorityCommand.putValue(
            key: try #require(ValueKey(key)), value: Array(repeating: 7, count: bytes), condition: .none,
            author: Self.author)
        let request = world.submit(command, to: node)
        _ = world.run(atMost: .seconds(5)) { $0.answer(to: request) != nil }
        guard case .committed(.stored, _)? = world.answer(to: request) else { return false }
        return true
    }

    @Test(
        "Relay: large values commit where the leader reaches a majority through a neighbour only",
        arguments: [false, true], [1_100, 5_000, 256 << 10])
    func majorityBehindARelay(isSealed: Bool, bytes: Int) throws {
        var world = try chain(5, isSealed: isSealed)
        #expect(try isStored(bytes, as: "leader", on: 0, &world))
        #expect(try isStored(bytes, as: "follower", on: 2, &world), "asked of a node that the leader does not hear")
        #expect(world.primary(seenBy: 0) == 0)
        #expect(world.allViolations().isEmpty)
    }

    @Test("Relay: a snapshot reaches who hears its leader through a neighbour only", arguments: [false, true])
    func snapshot(isSealed: Bool) throws {
        var world = try chain(3, isSealed: isSealed, snapshotAfterEntries: 20)
        world.stop(2, cutsPower: false)
        for number in 0..<60 {
            #expect(try isStored(20_000, as: "k\(number)", on: 0, &world))
        }
        world.start(2)
        let hasAll = world.run(atMost: .seconds(20)) { world in
            guard let ours = world.brain(of: 0), let theirs = world.brain(of: 2) else { return false }
            return theirs.authority.values[ValueKey("k59")!] != nil
                && theirs.consensus.commitIndex == ours.consensus.commitIndex
        }
        #expect(hasAll)
        #expect(world.allViolations().isEmpty)
    }
}
