import Primitives

/// How fast worlds run: a healthy mesh with clients, for some simulated minutes. Whoever calls measures wall time.
package struct SimulationBenchmark: Sendable {
    package struct Report: Hashable, Sendable {
        package let simulated: Duration
        /// Events that a node was handed.
        package let steps: Int
        /// Client operations answered with success.
        package let operations: Int
        /// Client operations refused, unknown or never answered; 0 in a healthy mesh.
        package let failures: Int
        package let traceHash: UInt64
        /// Empty in a correct run.
        package let violations: [String]
    }

    package var nodes = 5
    package var seed: UInt64 = 1
    package var simulated: Duration = .seconds(600)
    package var operationsPerSecond = 20
    /// The election timeout is five of these.
    package var heartbeatInterval: Duration = .milliseconds(60)
    /// Real sealed frames instead of clear ones.
    package var isSealed = false
    /// Hold what nodes say against what they said before.
    package var isOverheard = false

    package init() {}

    package func run() -> Report {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.checksEveryStep = false
        settings.isOverheard = isOverheard
        settings.isSealed = isSealed
        settings.heartbeatInterval = heartbeatInterval
        settings.electionTimeout = heartbeatInterval * 5
        var world = World(settings)
        var clients = ClientWorkload(random: SeededRandom(seed: seed &+ 1))
        for node in 0..<nodes { world.start(node) }
        let interval = Duration.seconds(1) / operationsPerSecond
        world.run(for: .seconds(5))
        while world.now < .zero + simulated {
            clients.step(&world)
            world.run(for: interval)
            world.checkLogs()
        }
        world.run(for: .seconds(5))
        clients.collect(&world)
        return Report(
            simulated: world.now - .zero, steps: world.trace.eventCount, operations: clients.tally.succeeded,
            failures: clients.tally.refused + clients.tally.unknown + clients.tally.abandoned,
            traceHash: world.trace.hash, violations: world.allViolations() + clients.violations())
    }
}
