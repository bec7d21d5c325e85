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

    /// The counters stand where a fault takes effect, so a count says that some node met it.
    @Test("every class of fault takes effect", .enabled(if: SwarmTests.isOptimised, "too slow unoptimised"))
    func faults() {
        var swarm = Swarm()
        swarm.checksEveryStep = false
        var counts = FaultCounts()
        for seed in 1001...1060 { counts.add(swarm.run(seed: UInt64(seed)).faults) }
        #expect(FaultClass.allCases.count >= 45)
        // Rare in a swarm: an observer that goes back to a copy, and a large message at the moment of a reset.
        let rare: Set<FaultClass> = [.rolledBackDisk, .streamReset, .readError]
        for fault in FaultClass.allCases where !rare.contains(fault) {
            #expect(counts[fault] > 0, "\(fault) never took effect")
        }
    }

    @Test("a plan differs from seed to seed, and leaves something out")
    func plans() {
        var swarm = Swarm()
        swarm.duration = .seconds(1)
        let plans = (1...6).map { swarm.run(seed: UInt64($0)).plan }
        #expect(Set(plans.map(\.troubles)).count == plans.count)
        #expect(plans.allSatisfy { $0.troubles.count < SwarmPlan.Trouble.allCases.count })
        #expect(Set(plans.map(\.nodes)).count > 1)
    }
}
