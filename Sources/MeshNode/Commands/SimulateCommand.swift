import ArgumentParser
import Foundation
import Primitives
import Simulator

/// `meshnode simulate`: plays partition scenarios.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Play network-partition scenarios in virtual time.",
        discussion: """
            Each file is a transcript: blocks of commands, a line '----', and what they must print. Whole nodes, network,
            disks and clocks are simulated from the scenario's seed; equal seeds give equal runs. simulations/README.md
            teaches the language. Exits with 1 if any transcript differs or any safety check fails.
            """)

    @Argument(help: "Scenario files.")
    var files: [String]

    @Flag(help: "Write what was printed back into the files as their expected lines.")
    var rewrite = false

    @Flag(help: "Print one line of JSON a file.")
    var json = false

    @Option(help: "Use this seed instead of the scenario's.")
    var seed: UInt64?

    @Option(help: "Write every event of the run to this file.")
    var trace: String?

    func run() async throws {
        try await Failure.explained {
            var allPassed = true
            for file in files {
                let passed = try play(file)
                allPassed = allPassed && passed
            }
            if !allPassed { throw ExitCode(1) }
        }
    }

    private func play(_ file: String) throws -> Bool {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ConfigError(file: file, problem: "cannot be read", advice: "check the path")
        }
        let scenario: Scenario
        let outcome: ScenarioRunner.Outcome
        let clock = ContinuousClock()
        let start = clock.now
        do throws(ScenarioError) {
            scenario = try ScenarioParser.parse(String(decoding: data, as: UTF8.self))
            var runner = ScenarioRunner(scenario, seed: seed, keepsTraceLines: trace != nil)
            outcome = try runner.run()
        } catch {
            throw ConfigError(file: file, line: error.line, problem: error.reason, advice: "see simulations/README.md")
        }
        let wall = clock.now - start
        if let trace { try Data(outcome.traceLines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: trace)) }
        if rewrite {
            try Data(scenario.rewritten(with: outcome.outputs).utf8).write(to: URL(fileURLWithPath: file))
        }
        try report(file, outcome, wall: wall)
        return outcome.passed
    }

    private func report(_ file: String, _ outcome: ScenarioRunner.Outcome, wall: Duration) throws {
        if json {
            try JSONLine.write(
                Line(
                    scenario: file, passed: outcome.passed, traceHash: hex(outcome.traceHash),
                    simulatedSeconds: outcome.simulated.inSeconds, wallSeconds: wall.inSeconds,
                    failures: outcome.failures))
            return
        }
        let figures = "\(outcome.simulated.spelled) simulated in \(wall.inMilliseconds) ms, trace \(hex(outcome.traceHash))"
        print("\(outcome.passed ? "passed" : "FAILED")  \(file)  \(figures)")
        for failure in outcome.failures { print(failure) }
    }

    private func hex(_ hash: UInt64) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private struct Line: Encodable {
        let scenario: String
        let passed: Bool
        let traceHash: String
        let simulatedSeconds: Double
        let wallSeconds: Double
        let failures: [String]
    }
}
