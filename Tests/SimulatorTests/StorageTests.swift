import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Whole nodes with damaged, compacted and cut-off logs.
@Suite("Storage: whole nodes")
struct StorageTests {
    private static let author = UserName("ada")
    private static let segment = "wal-00000001.log"
    /// A debug build takes a sample of the bits.
    #if DEBUG
        private static let step = 101
    #else
        private static let step = 1
    #endif

    private static func put(_ number: Int, bytes: Int = 8) throws -> AuthorityCommand {
        .putValue(
            key: try #require(ValueKey("k\(number)")),
            value: Array(repeating: UInt8(truncatingIfNeeded: number), count: bytes),
            condition: .none, author: try #require(author))
    }

    private static func count(_ world: World, on node: Int) -> Int {
        world.brain(of: node)?.authority.values.count ?? 0
    }

    /// Up, with a primary.
    private static func world(nodes: Int, seed: UInt64, snapshotAfterEntries: Int? = nil) -> World {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.isSealed = false
        settings.snapshotAfterEntries = snapshotAfterEntries
        var world = World(settings)
        for node in 0..<nodes { world.start(node) }
        _ = world.run(atMost: .seconds(5)) { $0.primary(seenBy: 0) != nil }
        return world
    }

    @Test(
        "case 38: any bit of a small log flipped, on one and on two of five nodes: nothing committed is lost, still available"
    )
    func everyBit() throws {
        var world = Self.world(nodes: 5, seed: 3)
        for number in 0..<4 { _ = world.submit(try Self.put(number), to: number) }
        #expect(world.run(atMost: .seconds(5)) { world in (0..<5).allSatisfy { Self.count(world, on: $0) == 4 } })
        for node in 0..<5 { world.stop(node, cutsPower: false) }
        let bytes = try world.disk(of: 1).read(Self.segment)
        let used = bytes.indices.filter { bytes[$0] != 0 }
        try #require(used.count > 300)
        for round in stride(from: 0, to: used.count * 16, by: Self.step) {
            // Every bit twice: on one node, and on two.
            let (byte, bit) = (used[round / 16], round / 2 % 8)
            let first = (byte + bit) % 5
            let victims = round.isMultiple(of: 2) ? [first] : [first, (first + 1 + byte % 4) % 5]
            var harmed = world
            for victim in victims { _ = harmed.flipBit(byte * 8 + bit, of: Self.segment, on: victim) }
            for node in 0..<5 { harmed.start(node) }
            _ = harmed.submit(try Self.put(100), to: round % 5)
            let isDone = harmed.run(atMost: .seconds(20)) { world in
                (0..<5).allSatisfy { world.brain(of: $0) == nil || Self.count(world, on: $0) == 5 }
            }
            #expect(isDone, "byte \(byte), round \(round), nodes \(victims): not every node holds what was committed")
            #expect(harmed.allViolations().isEmpty, "byte \(byte), round \(round): \(harmed.allViolations())")
        }
    }

    @Test(
        "a node that was away for longer than the log reaches back catches up by a snapshot, and restarts from its own")
    func snapshots() throws {
        var world = Self.world(nodes: 3, seed: 9, snapshotAfterEntries: 30)
        world.stop(2, cutsPower: true)
        for number in 0..<200 {
            _ = world.submit(try Self.put(number, bytes: 200), to: number % 2)
            world.run(for: .milliseconds(20))
        }
        let first = try #require(world.brain(of: 0)?.consensus.log.base.index)
        #expect(first > LogIndex(100), "the log in memory is short")
        #expect(try !world.disk(of: 0).fileNames().contains(Self.segment) || world.disk(of: 0).fileNames().count < 8)
        world.start(2)
        #expect(world.run(atMost: .seconds(10)) { Self.count($0, on: 2) == 200 })
        #expect(world.brain(of: 2)?.consensus.snapshotPosition ?? .zero > .zero)
        // All of them restart from what they have.
        for node in 0..<3 { world.stop(node, cutsPower: true) }
        for node in 0..<3 { world.start(node) }
        #expect(Self.count(world, on: 1) > 0, "the snapshot is applied at once")
        #expect(world.run(atMost: .seconds(10)) { world in (0..<3).allSatisfy { Self.count(world, on: $0) == 200 } })
        #expect(world.allViolations().isEmpty)
    }

    @Test(
        "case 42: all five power-cut in the middle of writes and snapshots: a leader, and nothing acknowledged is lost",
        arguments: 0..<4)
    func powerCuts(block: UInt64) throws {
        for seed in block * 5..<block * 5 + 5 {
            var world = Self.world(nodes: 5, seed: seed, snapshotAfterEntries: 12)
            var expected: Set<Int> = []
            for cycle in 0..<4 {
                for number in cycle * 20..<cycle * 20 + 20 {
                    _ = world.submit(try Self.put(number), to: number % 5)
                    world.run(for: .milliseconds(Int64(seed % 7) + 1))
                }
                for number in 0..<80 where Self.holdsAnywhere(world, number) { expected.insert(number) }
                for node in 0..<5 { world.stop(node, cutsPower: true) }
                for node in 0..<5 { world.start(node) }
                let isBack = world.run(atMost: .seconds(10)) { world in
                    world.primary(seenBy: 0) != nil
                        && expected.allSatisfy { number in (0..<5).allSatisfy { Self.holds(world, number, on: $0) } }
                }
                #expect(isBack, "seed \(seed), cycle \(cycle)")
            }
            #expect(expected.count > 20 && world.allViolations().isEmpty, "seed \(seed): \(world.allViolations())")
        }
    }

    private static func holds(_ world: World, _ number: Int, on node: Int) -> Bool {
        ValueKey("k\(number)").map { world.brain(of: node)?.authority.values[$0] != nil } ?? false
    }

    /// Applied somewhere: then it was committed.
    private static func holdsAnywhere(_ world: World, _ number: Int) -> Bool {
        (0..<world.nodeCount).contains { holds(world, number, on: $0) }
    }

    @Test(
        "both hard state slots rot on two of five nodes: new replicas, whose old votes never count, admitted as learners"
    )
    func lostVotes() throws {
        var world = Self.world(nodes: 5, seed: 21)
        for number in 0..<10 { _ = world.submit(try Self.put(number), to: number % 5) }
        world.run(for: .seconds(2))
        let former = (0..<5).map { world.replica(of: $0) }
        for node in [1, 3] {
            world.stop(node, cutsPower: true)
            for slot in ["hard-state-a", "hard-state-b"] {
                let isFlipped = world.flipBit(400, of: slot, on: node)
                #expect(isFlipped)
            }
            world.start(node)
            #expect(world.replica(of: node) != former[node])
            #expect(world.brain(of: node)?.consensus.configuration.isVoter(world.replica(of: node)) == false)
        }
        let areBack = world.run(atMost: .seconds(60)) { world in
            [1, 3].allSatisfy { node in
                Self.count(world, on: node) == 10
                    && world.brain(of: 0)?.consensus.configuration.isVoter(world.replica(of: node)) == true
            }
        }
        #expect(areBack)
        let voters = world.brain(of: 0)?.consensus.configuration.voters ?? []
        #expect(!voters.contains(former[1]) && !voters.contains(former[3]) && voters.count == 5)
        #expect(world.allViolations().isEmpty)
    }
}
