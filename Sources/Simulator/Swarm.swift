import Primitives

/// Random faults under load, from one seed: what no transcript thought of.
///
/// Each seed draws a `SwarmPlan`: how many nodes, which kinds of trouble are on and how clients behave. Features that
/// are off matter as much as those that are on: a run in which everything happens at once hides what two faults do to
/// each other (Groce et al., "Swarm Testing", ISSTA 2012). A safety phase with faults comes first; then everything is
/// mended, and the mesh must find itself again, with nothing that a client was promised lost or contradicted.
package struct Swarm: Sendable {
    package struct Report: Sendable {
        package let seed: UInt64
        package let plan: SwarmPlan
        package let traceHash: UInt64
        package let simulated: Duration
        package let faults: FaultCounts
        package let clients: ClientWorkload.Tally
        /// Empty in a correct run.
        package let violations: [String]
        package let traceLines: [String]
    }

    /// As many as the plan says, unless set.
    package var nodes: Int?
    /// How long faults and clients go on.
    package var duration: Duration = .seconds(60)
    package var operationInterval: Duration = .milliseconds(50)
    package var checksEveryStep = true
    package var keepsTraceLines = false
    /// How long a mended mesh may take to agree on a primary.
    package var convergenceLimit: Duration = .seconds(60)

    package init() {}

    package func run(seed: UInt64) -> Report {
        var random = SeededRandom(seed: seed ^ 0xFA17)
        let plan = SwarmPlan(nodes: nodes, random: &random)
        var settings = WorldSettings(nodes: plan.nodes, seed: seed)
        settings.checksEveryStep = checksEveryStep
        settings.keepsTraceLines = keepsTraceLines
        var run = SwarmRun(world: World(settings), plan: plan, random: random, settings: self)
        let violations = run.play()
        return Report(
            seed: seed, plan: plan, traceHash: run.world.trace.hash, simulated: run.world.now - .zero,
            faults: run.world.faultCounts, clients: run.clients.tally, violations: violations,
            traceLines: run.world.trace.lines)
    }
}
