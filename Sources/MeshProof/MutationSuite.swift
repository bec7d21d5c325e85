import Foundation
import Primitives
import Simulator

/// `meshproof mutations`: plants each bug of `PlantedBug` in turn and plays seeds until something finds it, in a process
/// of its own, since many bugs are found by a trap. What the swarm does not find, the stories under simulations/ may.
struct MutationSuite {
    let seedsMax: Int
    let only: [String]?

    private struct Finding {
        let bug: PlantedBug
        /// Nil: nothing found it.
        let seeds: Int?
        let finder: String
    }

    func run() throws {
        #if MUTATIONS
            let bugs = PlantedBug.allCases.filter { only?.contains($0.rawValue) ?? true }
            var findings: [Finding] = []
            let width = Proof.processors
            for start in stride(from: 0, to: bugs.count, by: width) {
                let batch = try bugs[start..<min(start + width, bugs.count)].map { bug in
                    (bug, try Child(CommandLine.arguments[0], ["mutant", bug.rawValue, "\(seedsMax)"]))
                }
                for (bug, child) in batch {
                    let finding = judge(bug, child.finish())
                    Self.say(row(finding))
                    findings.append(finding)
                }
            }
            let caught = findings.filter { $0.finder != "" }
            let seeds = findings.map { $0.seeds ?? .max }.sorted()
            let median = seeds.isEmpty ? 0 : seeds[seeds.count / 2]
            Self.say("\n\(caught.count) of \(findings.count) bugs found, median \(median) seeds")
            if caught.count < findings.count { exit(1) }
        #else
            throw ProofError("this build holds no bugs to plant: build with -Xswiftc -DMUTATIONS (make proof)")
        #endif
    }

    private func row(_ finding: Finding) -> String {
        let seeds = finding.seeds.map(String.init) ?? "-"
        return "| `\(finding.bug)` | \(finding.finder.isEmpty ? "NOT FOUND" : finding.finder) | \(seeds) |"
    }

    private func judge(_ bug: PlantedBug, _ end: (output: String, errors: String, status: Int32)) -> Finding {
        let seeds = end.output.split(separator: "\n").last { $0.hasPrefix("seed ") }.flatMap { Int($0.dropFirst(5)) }
        if let found = end.output.split(separator: "\n").last(where: { $0.hasPrefix("found ") }) {
            return Finding(bug: bug, seeds: seeds, finder: String(found.dropFirst(6)))
        }
        if let found = end.output.split(separator: "\n").last(where: { $0.hasPrefix("story ") }) {
            return Finding(bug: bug, seeds: nil, finder: String(found.dropFirst(6)))
        }
        guard end.status != 0 else { return Finding(bug: bug, seeds: nil, finder: "") }
        return Finding(bug: bug, seeds: seeds, finder: Self.trap(in: end.errors))
    }

    /// The place of the first frame that is of our sources: optimised code keeps no messages.
    private static func trap(in errors: String) -> String {
        let frame = errors.split(separator: "\n").first { $0.contains("/Sources/") || $0.contains(" at Sources/") }
        let file = frame?.split(separator: "/").last?.split(separator: ":").first
        return "trap in \(file.map(String.init) ?? "a core")"
    }

    // MARK: One bug

    /// Plays seeds with the bug until one fails, then stories. Says which seed it plays before it plays it.
    static func runMutant(_ arguments: [String]) async throws {
        #if MUTATIONS
            guard arguments.count >= 2, let bug = PlantedBug(rawValue: arguments[0]),
                let seedsMax = UInt64(arguments[1])
            else {
                throw ProofError("mutant BUG SEEDS")
            }
            PlantedBug.current = bug
            for seed in 1...max(1, seedsMax) where seedsMax > 0 {
                say("seed \(seed)")
                var swarm = Swarm()
                swarm.checksEveryStep = seed.isMultiple(of: 4)
                swarm.duration = .seconds(40)
                let report = swarm.run(seed: seed)
                guard let first = report.violations.first else { continue }
                return say("found \(shortened(first))")
            }
            try tellStories()
        #endif
    }

    private static func tellStories() throws {
        let folder = URL(fileURLWithPath: "simulations")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".scenario")
        }
        for name in names.sorted() {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            var runner = ScenarioRunner(try ScenarioParser.parse(text))
            guard try runner.run().passed else { return say("story \(name)") }
        }
    }

    /// What was broken, without the time and what follows the colon.
    private static func shortened(_ violation: String) -> String {
        let text = violation.drop { $0.isNumber || $0 == "." || $0 == " " }
        return String(text.prefix { $0 != ":" }.prefix(40))
    }

    private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
