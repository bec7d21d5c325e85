import Primitives

/// Many seeds, several at a time: each is a world of its own, so they share nothing.
package struct SwarmFleet: Sendable {
    package let swarm: Swarm
    /// How many run at once; processors, as a rule.
    package let workers: Int
    /// Every seed of this many also checks every core's invariants after every step, which costs several times the run.
    package var thoroughEvery: UInt64 = 16
    /// Told of every seed before it is played: what a trap leaves behind.
    package var announce: (@Sendable (UInt64) -> Void)?

    package init(_ swarm: Swarm, workers: Int) {
        precondition(workers > 0, "\(workers) workers play nothing")
        self.swarm = swarm
        self.workers = workers
    }

    /// One seed, as the fleet plays it.
    package func play(_ seed: UInt64) -> Swarm.Report {
        announce?(seed)
        var swarm = swarm
        swarm.checksEveryStep = swarm.checksEveryStep && seed.isMultiple(of: thoroughEvery)
        return swarm.run(seed: seed)
    }

    /// Hands out the reports in the order of their seeds. Goes on until `take` says no.
    package func run(_ seeds: ClosedRange<UInt64>, take: (Swarm.Report) throws -> Bool) async rethrows {
        try await withThrowingTaskGroup(of: Swarm.Report.self) { group in
            var next = seeds.lowerBound
            func start() {
                guard next <= seeds.upperBound else { return }
                let seed = next
                next += 1
                group.addTask { play(seed) }
            }
            for _ in 0..<workers { start() }
            var early: [UInt64: Swarm.Report] = [:]
            var due = seeds.lowerBound
            while let report = try await group.next() {
                early[report.seed] = report
                start()
                while let report = early.removeValue(forKey: due) {
                    due += 1
                    guard try take(report) else { return group.cancelAll() }
                }
            }
        }
    }
}

/// What many seeds came to.
package struct SwarmSummary: Sendable {
    package private(set) var seeds = 0
    package private(set) var violations = 0
    package private(set) var failedSeeds: [UInt64] = []
    package private(set) var simulated: Duration = .zero
    package private(set) var clientOperations = 0
    package private(set) var faults = FaultCounts()
    /// Of the traces' hashes, in order.
    package private(set) var traceHash: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func add(_ report: Swarm.Report) {
        seeds += 1
        violations += report.violations.count
        if !report.violations.isEmpty { failedSeeds.append(report.seed) }
        simulated += report.simulated
        clientOperations += report.clients.begun
        faults.add(report.faults)
        traceHash = (traceHash ^ report.traceHash) &* 0x0000_0100_0000_01B3
    }
}
