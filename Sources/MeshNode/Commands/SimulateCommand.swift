import ArgumentParser
import Foundation
import Primitives
import Simulator

/// `meshnode simulate`: plays partition scenarios.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Play network-partition scenarios in virtual time.",
        discussion: """
            Each file is a transcript: blocks of commands, a line '----', and what they must print. Whole nodes, network, \
            disks and clocks are simulated from the scenario's seed; equal seeds give equal runs. simulations/README.md \
            teaches the language. Exits with 1 if any transcript differs or any safety check fails.

            With --swarm no files are played: each seed draws faults, clients and sizes at random, mends everything after \
            a simulated minute, and must find itself again with nothing lost. A seed that fails is made as short as it \
            can be, and printed with the command that replays it.
            """)

    @Argument(help: "Scenario files.")
    var files: [String] = []

    @Flag(help: "Play random faults instead of files.")
    var swarm = false

    @Option(help: "The seeds of the swarm, as FIRST..LAST.")
    var seeds: SeedRange = SeedRange(first: 1, last: 20)

    @Option(help: "Of one seed, only the troubles with these numbers, as 3,9,14, or none.")
    var keep: String?

    @Option(name: .customLong("for"), help: "How long a seed's troubles go on, as 20s.")
    var length: String?

    @Option(help: "Write what the clients of one seed saw to this file (JSON lines: see simulations/README.md).")
    var history: String?

    @Flag(help: "Write what was printed back into the files as their expected lines.")
    var rewrite = false

    @Flag(help: "Print one line of JSON a file.")
    var json = false

    @Option(help: "Use this seed instead of the scenario's.")
    var seed: UInt64?

    @Option(help: "Write every event of the run to this file.")
    var trace: String?

    @Option(help: "Write a page to look at the run to this file (HTML, for one scenario).")
    var report: String?

    func validate() throws {
        if swarm != files.isEmpty { throw ValidationError("name scenario files, or say --swarm") }
        if !swarm, keep != nil || length != nil || history != nil {
            throw ValidationError("--keep, --for and --history belong to --swarm")
        }
        if swarm, seeds.first != seeds.last, keep != nil || history != nil || trace != nil {
            throw ValidationError("--keep, --history and --trace are about one seed: say for example --seeds 7..7")
        }
        if report != nil, files.count != 1 {
            throw ValidationError("--report shows one scenario; name exactly one file")
        }
    }

    func run() async throws {
        try await Failure.explained {
            var allPassed = true
            if swarm { allPassed = try await makePlayer().play() }
            for file in files {
                let passed = try play(file)
                allPassed = allPassed && passed
            }
            if !allPassed { throw ExitCode(1) }
        }
    }

    private func makePlayer() throws -> SwarmPlayer {
        var swarm = Swarm()
        if let keep {
            guard let numbers = Swarm.troubleNumbers(keep) else {
                throw ValidationError("--keep 3,9,14, not '\(keep)'")
            }
            swarm.keptTroubles = numbers
        }
        if let length {
            guard let span = Duration(spelled: length) else { throw ValidationError("--for 20s, not '\(length)'") }
            swarm.duration = span
        }
        return SwarmPlayer(swarm: swarm, seeds: seeds, json: json, trace: trace, history: history)
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
            var runner = ScenarioRunner(scenario, seed: seed, keepsTraceLines: trace != nil, isRecorded: report != nil)
            outcome = try runner.run()
        } catch {
            throw ConfigError(file: file, line: error.line, problem: error.reason, advice: "see simulations/README.md")
        }
        let wall = clock.now - start
        if let trace { try OutputFile.write(Data(outcome.traceLines.joined(separator: "\n").utf8), to: trace) }
        if rewrite { try OutputFile.write(Data(scenario.rewritten(with: outcome.outputs).utf8), to: file) }
        if let report, let recording = outcome.recording {
            let page = ReportPage(scenario, file: file, seed: seed, outcome: outcome, recording: recording)
            try OutputFile.write(page.render(), to: report)
        }
        try summarise(file, outcome, wall: wall)
        return outcome.passed
    }

    private func summarise(_ file: String, _ outcome: ScenarioRunner.Outcome, wall: Duration) throws {
        if json {
            try JSONLine.write(
                Line(
                    scenario: file, passed: outcome.passed, traceHash: Self.hex(outcome.traceHash),
                    simulatedSeconds: outcome.simulated.inSeconds, wallSeconds: wall.inSeconds,
                    faults: outcome.faults.byName, failures: outcome.failures))
            return
        }
        let figures =
            "\(outcome.simulated.spelled) simulated in \(wall.inMilliseconds) ms, trace \(Self.hex(outcome.traceHash))"
        print("\(outcome.passed ? "passed" : "FAILED")  \(file)  \(figures)")
        for failure in outcome.failures { print(failure) }
    }

    static func hex(_ hash: UInt64) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private struct Line: Encodable {
        let scenario: String
        let passed: Bool
        let traceHash: String
        let simulatedSeconds: Double
        let wallSeconds: Double
        let faults: [String: Int]
        let failures: [String]
    }
}
