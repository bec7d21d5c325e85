import Authority
import Gossip
import NodeCore
import Primitives
import Simulator
import Testing

/// Paths that swallow large datagrams and do not say so: a tunnel within a tunnel.
@Suite struct NarrowPathTests {
    @Test("an IPv4 path of 1124 bytes: values of every size are stored, nobody is suspected", arguments: [false, true])
    func narrow(isSealed: Bool) throws {
        var settings = WorldSettings(nodes: 3, seed: 9)
        settings.isSealed = isSealed
        settings.checksEveryStep = false
        var world = World(settings)
        world.setDatagramLimit(1124 - 28)
        for node in 0..<3 { world.start(node) }
        let isLed = world.run(atMost: .seconds(10)) { world in (0..<3).allSatisfy { world.primary(seenBy: $0) == 0 } }
        #expect(isLed)
        var requests: [RequestID] = []
        for size in stride(from: 700, through: 1500, by: 7) {
            let key = try #require(ValueKey("k\(size)"))
            let author = try #require(UserName("test"))
            requests.append(
                world.submit(
                    .putValue(key: key, value: [UInt8](repeating: 7, count: size), condition: .none, author: author),
                    to: size % 3))
            world.run(for: .milliseconds(150))
        }
        world.run(for: .seconds(2))
        let lost = requests.filter { if case .committed = world.answer(to: $0) { false } else { true } }
        #expect(lost.isEmpty, "\(lost.count) of \(requests.count)")
        for node in 0..<3 {
            #expect(world.view(of: node)?.members.allSatisfy { $0.state == .alive } == true)
            #expect(world.primary(seenBy: node) == 0)
        }
        #expect(world.allViolations() == [])
    }
}
