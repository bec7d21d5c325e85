import Primitives

/// Random faults under load, from one seed: what no transcript thought of.
///
/// Each seed draws a `SwarmPlan`: how many nodes, which kinds of trouble are on, how the mesh is configured and how
/// clients behave. Features that are off matter as much as those that are on: a run in which everything happens at once
/// hides what two faults do to each other (Groce et al., "Swarm Testing", ISSTA 2012). A safety phase with faults comes
/// first; then everything is mended, and the mesh must find itself and serve again, with nothing that a client was
/// promised lost or contradicted.
///
/// Each trouble draws from a generator of its own, so that one can be left out without changing the others: that is how
/// `SwarmShrinker` finds those that matter.
package struct Swarm: Sendable {
    package struct Report: Sendable {
        package let seed: UInt64
        package let plan: SwarmPlan
        package let traceHash: UInt64
        package let simulated: Duration
        package let faults: FaultCounts
        package let clients: ClientWorkload.Tally
        package let history: History
        package let troubles: [Trouble]
        /// Empty in a correct run.
        package let violations: [String]
        package let traceLines: [String]
    }

    /// Something that was done to the mesh.
    package struct Trouble: Sendable {
        /// Counted through the run, those that were left out included.
        package let number: Int
        package let at: Instant
        package let text: String
        package var line: String { "\(Trace.stamp(at))  \(text)" }
    }

    /// As many as the plan says, unless set.
    package var nodes: Int?
    /// What to look at closely; nil: as the plan says.
    package var focus: SwarmPlan.Focus?
    /// How long faults and clients go on.
    package var duration: Duration = .seconds(60)
    package var operationInterval: Duration = .milliseconds(35)
    /// Whether everything is mended at the end, and must converge; most of a short run's time goes there.
    package var mends = true
    package var checksEveryStep = true
    /// Whether the checkers that go by messages look on. They change nothing.
    package var isOverheard = true
    package var keepsTraceLines = false
    /// How long a mended mesh may take to agree on a primary.
    package var convergenceLimit: Duration = .seconds(60)
    /// Only these troubles, by number; nil: all.
    package var keptTroubles: Set<Int>?

    package init() {}

    /// `3,9,14`, or `none`; nil for anything else.
    package static func troubleNumbers(_ text: String) -> Set<Int>? {
        if text == "none" { return [] }
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        return numbers.contains(nil) ? nil : Set(numbers.compactMap { $0 })
    }

    /// One seed in 64 has so many nodes that observers fetch from observers (`ObserverTree`).
    private static func crowd(seed: UInt64) -> Int? { seed % 64 == 33 ? 14 + Int(seed / 64 % 8) : nil }

    package func run(seed: UInt64) -> Report {
        var random = SeededRandom(seed: seed ^ 0xFA17)
        let plan = SwarmPlan(nodes: nodes ?? Self.crowd(seed: seed), focus: focus, random: &random)
        var settings = plan.worldSettings(seed: seed)
        settings.checksEveryStep = checksEveryStep
        settings.isOverheard = isOverheard
        settings.keepsTraceLines = keepsTraceLines
        var run = SwarmRun(world: World(settings), plan: plan, random: random, settings: self)
        let violations = run.play()
        return Report(
            seed: seed, plan: plan, traceHash: run.world.trace.hash, simulated: run.world.now - .zero,
            faults: run.world.faultCounts, clients: run.clients.tally, history: run.clients.history,
            troubles: run.troubles, violations: violations, traceLines: run.world.trace.lines)
    }
}
