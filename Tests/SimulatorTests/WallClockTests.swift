import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// Somebody sets a machine's time of day. Nothing that the mesh does may rest on it.
@Suite("Wall clocks that jump by ten years")
struct WallClockTests {
    private static let decade: Duration = .seconds(315_576_000)
    /// Where simulated wall clocks start.
    private static let unixAtStart: Int64 = 1_735_689_600_000

    private func write(_ number: Int) -> AuthorityCommand {
        guard let key = ValueKey("k\(number)"), let author = UserName("test") else { preconditionFailure("no key") }
        return .putValue(key: key, value: [1], condition: .none, author: author)
    }

    /// How far the mesh's time of day is from the truth, as this node shows it.
    private func error(_ world: World, at node: Int) -> Duration? {
        let shown = world.view(of: node)?.unixTime(at: world.localTime(of: node))
        return shown.map { .milliseconds($0.milliseconds - Self.unixAtStart) - (world.now - .zero) }
    }

    @Test(
        "forward or back, at any node, the primary's too: no suspicion, no election, no lost write, nobody's session ages",
        arguments: 0..<3, [1, -1])
    func jumps(node: Int, direction: Int) {
        var settings = WorldSettings(nodes: 3, seed: UInt64(node + 1))
        // Handshakes must not care either: sessions are renewed meanwhile.
        settings.isSealed = true
        settings.checksEveryStep = false
        var world = World(settings)
        for node in 0..<3 { world.start(node) }
        let isLed = world.run(atMost: .seconds(10)) { world in (0..<3).allSatisfy { world.primary(seenBy: $0) == 0 } }
        world.run(for: .seconds(15))
        #expect(isLed && (error(world, at: 1)?.magnitude ?? .seconds(1000)) < .seconds(3))
        let term = world.view(of: 0)?.consensus.term
        world.jumpWallClock(by: Self.decade * direction, of: node)
        var requests: [RequestID] = []
        for number in 0..<150 {
            requests.append(world.submit(write(number), to: number % 3))
            world.run(for: .seconds(1))
            for seer in 0..<3 {
                let doubted = world.view(of: seer)?.members.filter { $0.state != .alive }.map(\.name)
                #expect(doubted == [], "seen by \(seer) after \(number) s")
                #expect((error(world, at: seer)?.magnitude ?? .seconds(1000)) < .seconds(3), "seen by \(seer)")
            }
        }
        #expect(world.view(of: 0)?.consensus.term == term)
        let failed = requests.filter { if case .committed = world.answer(to: $0) { false } else { true } }
        #expect(failed.isEmpty)
        // Its handshakes are taken after a restart, too.
        world.stop(node, cutsPower: true)
        world.start(node)
        let isBack = world.run(atMost: .seconds(20)) { world in
            (0..<3).allSatisfy { world.primary(seenBy: $0) == 0 }
        }
        world.run(for: .seconds(15))
        #expect(isBack && (0..<3).allSatisfy { (error(world, at: $0)?.magnitude ?? .seconds(1000)) < .seconds(3) })
        #expect(world.allViolations() == [])
    }
}

extension Duration {
    fileprivate var magnitude: Duration { self < .zero ? .zero - self : self }
}
