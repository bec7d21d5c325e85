import Authority
import NodeCore
import Primitives

/// Plays a scenario in a world of its own and compares what is printed with what was expected.
package struct ScenarioRunner: Sendable {
    package struct Outcome: Sendable {
        /// What each block printed.
        package let outputs: [[String]]
        /// Empty if every block printed what it should and no checker complained.
        package let failures: [String]
        package let traceHash: UInt64
        package let simulated: Duration
        package let traceLines: [String]
        /// What the story made go wrong, by class.
        package let faults: FaultCounts
        /// Nil unless it was asked for.
        package let recording: Recording?
        package var passed: Bool { failures.isEmpty }
    }

    struct NamedSession: Sendable {
        let id: SessionID
        let grantedAt: LogIndex
    }

    var world: World
    /// Sessions that the transcript named, e.g. `as=S1`; nil for a sign-in that was refused.
    var sessions: [String: NamedSession?] = [:]
    /// The refresh token that the holder of each named session has now, by its hash.
    var refreshTokens: [String: Bytes32] = [:]
    /// Every successor that was ever proposed, in order; `T1` is the first.
    var successors: [Bytes32] = []
    /// Locks that were granted and named, e.g. `as=L1`.
    var locks: [String: NamedLock] = [:]
    /// Requests that were begun and named, e.g. `as=P1`, and the node that each was asked on.
    var begun: [String: (request: RequestID, node: Int)] = [:]
    /// What clients saw of values.
    var values = StoryValues()
    private let scenario: Scenario

    /// `seed` overrides the scenario's own.
    package init(_ scenario: Scenario, seed: UInt64? = nil, keepsTraceLines: Bool = false, isRecorded: Bool = false) {
        self.scenario = scenario
        var settings = WorldSettings(nodes: scenario.nodes, seed: seed ?? scenario.seed)
        settings.keepsTraceLines = keepsTraceLines
        settings.snapshotAfterEntries = scenario.snapshotAfterEntries
        settings.isRecorded = isRecorded
        world = World(settings)
    }

    package mutating func run() throws(ScenarioError) -> Outcome {
        var outputs: [[String]] = []
        var failures: [String] = []
        for block in scenario.blocks {
            var output: [String] = []
            for command in block.commands { output += try runRecorded(command) }
            outputs.append(output)
            if output != block.expected { failures.append(Self.describe(block, output)) }
        }
        failures += (world.allViolations() + values.history.violations()).map { "broken: \($0)" }
        return Outcome(
            outputs: outputs, failures: failures, traceHash: world.trace.hash, simulated: world.now - .zero,
            traceLines: world.trace.lines, faults: world.faultCounts, recording: world.recording)
    }

    private mutating func runRecorded(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let begunAt = world.now
        let output = try run(command)
        world.recordCuts()
        world.recording?.note(caption: command.text, output: output, at: begunAt)
        world.recording?.finish(at: world.now)
        return output
    }

    private static func describe(_ block: Scenario.Block, _ output: [String]) -> String {
        (["line \(block.line): \(block.commands.map(\.text).joined(separator: "; "))"]
            + block.expected.map { "  expected  \($0)" } + output.map { "  printed   \($0)" })
            .joined(separator: "\n")
    }

    // MARK: Reading commands

    func nodes(_ command: Scenario.Command) throws(ScenarioError) -> [Int] {
        try nodes(command.arguments, command)
    }

    func nodes(_ names: [String], _ command: Scenario.Command) throws(ScenarioError) -> [Int] {
        var found: [Int] = []
        for name in names {
            guard let index = world.index(named: name) else {
                throw ScenarioError(
                    line: command.line, reason: "there is no node '\(name)'; nodes are n1...n\(world.nodeCount)")
            }
            found.append(index)
        }
        return found
    }

    func node(_ command: Scenario.Command) throws(ScenarioError) -> Int {
        guard let first = try nodes(command).first else {
            throw ScenarioError(
                line: command.line, reason: "'\(command.verb)' needs a node, as in '\(command.verb) n1'")
        }
        return first
    }

    func require(_ key: String, _ command: Scenario.Command) throws(ScenarioError) -> String {
        guard let value = command.option(key) else {
            throw ScenarioError(line: command.line, reason: "'\(command.verb)' needs \(key)=...")
        }
        return value
    }

    func span(_ text: String?, _ command: Scenario.Command) throws(ScenarioError) -> Duration {
        guard let text, let span = Duration(spelled: text) else {
            throw ScenarioError(
                line: command.line, reason: "'\(text ?? "")' is no time span; write for example 250ms, 3s, 5min or 2h")
        }
        return span
    }
}
