import Foundation
import Primitives
import Simulator

/// `meshproof mutations`: plants each bug of `PlantedBug` in turn and plays seeds until something finds it, in a
/// process of its own, since many bugs are found by a trap. What the swarm does not find, the stories under simulations/
/// may: because a checker complains ("broken"), or because the story goes otherwise than it was written down.
struct MutationSuite {
    let seedsMax: Int
    let only: [String]?

    private struct Finding {
        let bug: String
        /// Nil: nothing found it.
        let seeds: Int?
        let finder: String
    }

    /// What is judged first: the same seeds and stories with nothing planted must pass, or "found" means nothing.
    private static let noBug = "none"
    /// Where to look for a bug of which it is known on which side of the mesh it is.
    private enum Aim: Hashable {
        /// Every other seed looks closely at this.
        case focus(SwarmPlan.Focus)
        /// So many nodes that observers fetch from observers: with fewer the leader serves every one itself.
        case crowd

        static let all = SwarmPlan.Focus.allCases.map(focus) + [crowd]

        var name: String {
            switch self {
            case .focus(let focus): focus.rawValue
            case .crowd: "crowd"
            }
        }
    }

    /// Each aim that some bug is looked for with, and the plain seeds.
    private static let controls = [noBug] + Set(aims.values).map { "\(noBug)-\($0.name)" }.sorted()
    private static let aims: [PlantedBug: Aim] = {
        var aims: [PlantedBug: Aim] = [.fetchesUncommitted: .crowd, .freshAtArrival: .crowd]
        for bug in [
            PlantedBug.voteComparesLength, .staleVotesCount, .restartForgetsPromise, .votesNearLeader,
            .preVoteNearLeader, .roundsOfOtherTerms,
        ] {
            aims[bug] = .focus(.elections)
        }
        for bug in [PlantedBug.handOverForgotten, .lateOrderObeyed, .staleAppendReplies, .followsOlderTerms] {
            aims[bug] = .focus(.handOvers)
        }
        for bug in [
            PlantedBug.jointNeedsNewOnly, .changeDuringChange, .jointLeftEarly, .jointSkipped,
            .configurationNotRolledBack,
        ] {
            aims[bug] = .focus(.membership)
        }
        for bug in [PlantedBug.readContextReused, .followerReadWithoutRound] { aims[bug] = .focus(.reads) }
        for bug in [PlantedBug.faultyAcknowledges, .faultyVotes, .lossNotCounted, .damageIsTorn] {
            aims[bug] = .focus(.disks)
        }
        for bug in [PlantedBug.timeoutInOneStep, .shortPromiseCounts, .promiseNotDurable] {
            aims[bug] = .focus(.timeouts)
        }
        return aims
    }()
    private static let otherwise = "(told otherwise)"
    /// A seed takes a second or less. One that takes this many never ends, and that is a find as well.
    private static let patience: UInt32 = 120

    func run() async throws {
        #if MUTATIONS
            let bugs = PlantedBug.allCases.map(\.rawValue).filter { only?.contains($0) ?? true }
            try await judge(all: Self.controls) { control in
                guard control.finder.isEmpty else { throw ProofError("with nothing planted: \(row(control))") }
            }
            var findings: [Finding] = []
            let begin = Date()
            try await judge(all: bugs) { finding in
                findings.append(finding)
                Self.say(row(finding))
                let progress = "\(findings.count) of \(bugs.count) bugs, \(Int(Date().timeIntervalSince(begin))) s"
                FileHandle.standardError.write(Data((progress + "\n").utf8))
            }
            let missed = findings.filter(\.finder.isEmpty).count
            let doubtful = findings.filter { $0.finder.hasSuffix(Self.otherwise) }.count
            let seeds = findings.compactMap(\.seeds).sorted()
            let median = seeds.isEmpty ? 0 : seeds[seeds.count / 2]
            Self.say("\n\(findings.count - missed - doubtful) of \(findings.count) bugs found, median \(median) seeds")
            Self.say("\(doubtful) only made a story go otherwise, which may be lawful; \(missed) left no trace")
            if missed + doubtful > 0 { exit(1) }
        #else
            throw ProofError("this build holds no bugs to plant: build with -Xswiftc -DMUTATIONS (make proof)")
        #endif
    }

    private func child(_ bug: String) throws -> Child {
        try Child(CommandLine.arguments[0], ["mutant", bug, "\(seedsMax)"])
    }

    /// As many at a time as there are processors; handed out in the order in which they end.
    private func judge(all bugs: [String], take: (Finding) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Finding.self) { group in
            for (place, bug) in bugs.enumerated() {
                if place >= Proof.processors, let finding = try await group.next() { try take(finding) }
                group.addTask { try judge(bug, try child(bug).finish()) }
            }
            while let finding = try await group.next() { try take(finding) }
        }
    }

    private func row(_ finding: Finding) -> String {
        let seeds = finding.seeds.map(String.init) ?? "-"
        return "| `\(finding.bug)` | \(finding.finder.isEmpty ? "NOT FOUND" : finding.finder) | \(seeds) |"
    }

    private func judge(_ bug: String, _ end: Child.End) throws -> Finding {
        let lines = end.output.split(separator: "\n")
        func last(_ word: String) -> String? {
            lines.last { $0.hasPrefix(word + " ") }.map { String($0.dropFirst(word.count + 1)) }
        }
        let story = last("story")
        let seeds = story == nil ? last("seed").flatMap { Int($0) } : nil
        if let found = last("found") { return Finding(bug: bug, seeds: seeds, finder: found) }
        if end.isSignal, end.status == SIGALRM {
            return Finding(bug: bug, seeds: seeds, finder: "a seed that never ends")
        }
        if end.isTrap {
            let finder = Self.trap(in: end.errors) + (story.map { ", \($0)" } ?? "")
            return Finding(bug: bug, seeds: seeds, finder: finder)
        }
        guard end.status == 0 else { throw ProofError("\(bug): ended with \(end.status): \(end.errors.prefix(400))") }
        return Finding(bug: bug, seeds: nil, finder: "")
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
            let numbers = arguments.dropFirst().compactMap { UInt64($0) }
            guard let last = numbers.first, numbers.count < 3 else { throw ProofError("mutant BUG LAST [FIRST]") }
            let first = numbers.dropFirst().first ?? 1
            let name = arguments[0]
            PlantedBug.current = PlantedBug(rawValue: name)
            guard PlantedBug.current != nil || controls.contains(name) else { throw ProofError("no bug \(name)") }
            let aim = PlantedBug.current.flatMap { aims[$0] } ?? Aim.all.first { name == "\(noBug)-\($0.name)" }
            for seed in first..<max(first, last + 1) {
                say("seed \(seed)")
                alarm(patience)
                let report = swarm(for: seed, aim).run(seed: seed)
                guard let first = report.violations.first else { continue }
                return say("found \(shortened(first))")
            }
            alarm(0)
            try tellStories()
        #endif
    }

    /// Most bugs show at once. For the others it alternates, from the 41st seed on, with three nodes and few requests: then
    /// one node's mistake makes a majority, and more trouble is seen in the same time.
    private static func swarm(for seed: UInt64, _ aim: Aim?) -> Swarm {
        var swarm = Swarm()
        if case .focus(let focus) = aim, seed.isMultiple(of: 2) { swarm.focus = focus }
        swarm.checksEveryStep = seed.isMultiple(of: 4)
        swarm.duration = .seconds(40)
        if seed > 40, seed % 4 < 2 {
            swarm.nodes = 3
            swarm.operationInterval = .milliseconds(150)
        }
        if aim == .crowd { swarm.nodes = 14 }
        return swarm
    }

    private static func tellStories() throws {
        let folder = URL(fileURLWithPath: "simulations")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".scenario")
        }
        for name in names.sorted() {
            say("story \(name)")
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            var runner = ScenarioRunner(try ScenarioParser.parse(text))
            let outcome = try? runner.run()
            if let outcome, outcome.passed { continue }
            let failures = outcome?.failures ?? ["a command could not be obeyed"]
            FileHandle.standardError.write(Data(failures.joined(separator: "\n").utf8))
            let isBroken = failures.contains { $0.hasPrefix("broken: ") }
            return say("found \(name.dropLast(".scenario".count)) \(isBroken ? "(broken)" : otherwise)")
        }
    }

    /// What was broken, without the time and what follows the colon.
    private static func shortened(_ violation: String) -> String {
        let text = violation.drop { $0.isNumber || $0 == "." || $0 == " " }
        return String(text.prefix { $0 != ":" }.prefix(40))
    }

    private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
