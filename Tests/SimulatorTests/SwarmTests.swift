import Simulator
import Testing

@Suite("Random faults")
struct SwarmTests {
    /// Unoptimised code is many times slower: there a few seeds show that the machinery works.
    private static let isOptimised: Bool = {
        var isOptimised = true
        assert({ isOptimised = false; return true }())
        return isOptimised
    }()

    @Test(
        "nothing promised is lost or contradicted, and a mended mesh finds itself",
        arguments: 1...(SwarmTests.isOptimised ? 40 : 2))
    func swarm(seed: Int) {
        var swarm = Swarm()
        // Looking into every core at every step costs four times the run itself.
        swarm.checksEveryStep = seed.isMultiple(of: 16)
        if !Self.isOptimised { swarm.duration = .seconds(15) }
        let report = swarm.run(seed: UInt64(seed))
        #expect(
            report.violations.isEmpty,
            "\(report.violations.joined(separator: "\n"))\nreplay: Swarm().run(seed: \(seed))")
        #expect(report.clients.succeeded > 0)
    }

    @Test("every kind of fault is injected", .enabled(if: SwarmTests.isOptimised, "too slow unoptimised"))
    func faults() {
        var swarm = Swarm()
        swarm.checksEveryStep = false
        let counts = (101...108).reduce(into: Array(repeating: 0, count: Swarm.Fault.allCases.count)) { counts, seed in
            let report = swarm.run(seed: UInt64(seed))
            for (place, count) in report.faults.enumerated() { counts[place] += count }
        }
        for (fault, count) in zip(Swarm.Fault.allCases, counts) { #expect(count > 0, "\(fault) was never injected") }
    }
}
