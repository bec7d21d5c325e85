import Routing
import Testing

/// Regret is a policy's mean latency over that of an oracle which knows every queue, every speed and every answer's
/// length. Deterministic: the figures are the same in every run.
@Suite("Regret against an oracle")
struct RegretTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let traffic: QueueingWorld.Traffic
        let reportInterval: Double
        let regretMax: Double
        var isLengthKnown = true
    }

    private func regret(_ policy: QueueingWorld.Policy, _ test: Case) -> Double {
        var own = 0.0
        var oracle = 0.0
        for seed in UInt64(1)...6 {
            var world = QueueingWorld(policy: policy, isLengthKnown: test.isLengthKnown, seed: seed)
            own += world.run(test.traffic, count: 900, reportInterval: test.reportInterval)
            var ideal = QueueingWorld(policy: .oracle, seed: seed)
            oracle += ideal.run(test.traffic, count: 900, reportInterval: test.reportInterval)
        }
        return own / oracle
    }

    @Test(
        "routers come close to the oracle, and both simple policies stay far from it",
        arguments: [
            Case(testDescription: "light", traffic: .steady(perSecond: 1), reportInterval: 1, regretMax: 1.06),
            Case(testDescription: "steady", traffic: .steady(perSecond: 2.5), reportInterval: 1, regretMax: 1.05),
            Case(testDescription: "busy", traffic: .steady(perSecond: 4.5), reportInterval: 1, regretMax: 1.05),
            Case(
                testDescription: "busy, reports every 5 s", traffic: .steady(perSecond: 4.5), reportInterval: 5,
                regretMax: 1.10),
            Case(
                testDescription: "bursts of 30, reports every 5 s", traffic: .bursts(size: 30, every: 20),
                reportInterval: 5, regretMax: 1.15),
            Case(
                testDescription: "bursts of 60, reports every 5 s", traffic: .bursts(size: 60, every: 40),
                reportInterval: 5, regretMax: 1.15),
            Case(
                testDescription: "bursts of 60, lengths unknown", traffic: .bursts(size: 60, every: 40),
                reportInterval: 5, regretMax: 1.20, isLengthKnown: false),
        ])
    func staysNearTheOracle(test: Case) {
        let own = regret(.router, test)
        let leastConnections = regret(.leastConnections, test)
        let naive = regret(.naiveFormula, test)
        print("regret, \(test.testDescription): router \(own), least connections \(leastConnections), naive \(naive)")
        #expect(own <= test.regretMax)
        #expect(own < leastConnections / 1.3)
        #expect(own < naive / 1.15)
    }
}
