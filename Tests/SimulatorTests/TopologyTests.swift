import Authority
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Every network of five nodes, with the leader at every place in it: where three or more are connected, the mesh commits
/// within ten election timeouts of the cut, because messages take one hop around a broken link (`NodeBrain+Relay`).
@Suite struct TopologyTests {
    private static let electionTimeout = Duration.milliseconds(300)
    /// Without optimisation only some of the graphs, so that the suite stays short.
    private static let stride: Int = {
        #if DEBUG
            61
        #else
            1
        #endif
    }()

    private static let pairs: [(Int, Int)] = (0..<5).flatMap { a in (a + 1..<5).map { (a, $0) } }

    /// Everything up and settled, led by `place`.
    private static func led(by place: Int) throws -> World {
        for seed in UInt64(1)...200 {
            var world = World(WorldSettings(nodes: 5, seed: seed * 16 + 1))
            for node in 0..<5 { world.start(node) }
            // The first is preferred: it must be away while another wins.
            if place > 0 { world.isolate(0) }
            let others = (0..<5).filter { $0 != 0 || place == 0 }
            _ = world.run(atMost: .seconds(5)) { world in
                others.allSatisfy { world.primary(seenBy: $0) == place }
            }
            guard others.allSatisfy({ world.primary(seenBy: $0) == place }) else { continue }
            world.keepOnly(pairs)
            world.run(for: .milliseconds(1500))
            if world.primary(seenBy: 0) == place { return world }
        }
        throw NeverLed(place: place)
    }

    struct NeverLed: Error { let place: Int }

    /// Nodes that are connected with `start`, itself included.
    private static func component(of start: Int, _ edges: [(Int, Int)]) -> [Int] {
        var found = [start]
        var next = 0
        while next < found.count {
            let node = found[next]
            next += 1
            for (a, b) in edges where a == node || b == node {
                let other = a == node ? b : a
                if !found.contains(other) { found.append(other) }
            }
        }
        return found.sorted()
    }

    private static let key = ValueKey("topology")!  // letters are a key
    private static let author = UserName("ada")!  // letters are a name

    /// Asks every member of the component again and again until one of them hears that its value is stored.
    private static func commits(_ world: inout World, in members: [Int], by end: Instant) -> Bool {
        var requests: [RequestID] = []
        while world.now < end {
            for node in members {
                let command = AuthorityCommand.putValue(key: key, value: [1], condition: .none, author: author)
                requests.append(world.submit(command, to: node))
            }
            let asked = requests
            let isStored = world.run(atMost: min(.milliseconds(100), end - world.now)) { world in
                asked.contains { request in
                    if case .committed? = world.answer(to: request) { true } else { false }
                }
            }
            if isStored { return true }
        }
        return false
    }

    @Test(
        "all 1,024 graphs of five nodes: where three or more are connected, the mesh commits within 10 election timeouts, and a leader among them stays it",
        arguments: 0..<5)
    func everyGraph(place: Int) throws {
        let base = try Self.led(by: place)
        var failures: [String] = []
        for graph in Swift.stride(from: 0, to: 1024, by: Self.stride) {
            let edges = Self.pairs.indices.filter { graph >> $0 & 1 == 1 }.map { Self.pairs[$0] }
            guard let members = (0..<5).map({ Self.component(of: $0, edges) }).first(where: { $0.count >= 3 }) else {
                continue
            }
            var world = base
            let term = try #require(world.brain(of: place)?.consensus.term)
            world.keepOnly(edges)
            let limit = world.now + Self.electionTimeout * 10
            if members.contains(place) {
                world.run(for: Self.electionTimeout * 5)
                let consensus = try #require(world.brain(of: place)?.consensus)
                if consensus.role != .leader || consensus.term != term {
                    failures.append("graph \(graph): n\(place + 1) lost the lead in \(edges)")
                    continue
                }
            }
            if !Self.commits(&world, in: members, by: limit) {
                failures.append("graph \(graph): nothing commits in \(edges)")
            }
            if !world.violations.isEmpty { failures.append("graph \(graph): \(world.violations[0])") }
        }
        #expect(failures.isEmpty, "\(failures.count) failures: \(failures.prefix(5).joined(separator: "\n"))")
    }

    @Test("a mended link is used directly again, and nobody goes on relaying")
    func mended() throws {
        var world = try Self.led(by: 0)
        func relayed() -> Int { (0..<5).reduce(0) { $0 + (world.view(of: $1)?.counters.relayedFrames ?? 0) } }
        let before = relayed()
        world.run(for: .seconds(10))
        #expect(relayed() - before < 10, "a whole mesh hardly relays")
        // n1 and n2 reach everybody but each other.
        world.keepOnly(Self.pairs.filter { $0 != (0, 1) })
        world.run(for: .seconds(5))
        let during = relayed()
        #expect(during - before > 50)
        #expect(world.primary(seenBy: 1) == 0, "n2 hears the primary around the broken link")
        world.keepOnly(Self.pairs)
        world.run(for: .seconds(2))
        let after = relayed()
        world.run(for: .seconds(10))
        #expect(relayed() - after < 10)
        #expect(world.allViolations().isEmpty)
    }
}
