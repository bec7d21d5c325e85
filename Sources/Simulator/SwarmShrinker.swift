import Primitives

/// Makes a failing seed short: leaves out troubles as long as it still fails in the same way, by halves, quarters and so
/// on (Zeller and Hildebrandt's delta debugging, 2002). Bounded by a number of runs.
package struct SwarmShrinker: Sendable {
    package struct Shrunk: Sendable {
        package let swarm: Swarm
        package let report: Swarm.Report

        /// What to say to `meshnode simulate` to see it again.
        package var command: String {
            let kept = report.troubles.map { "\($0.number)" }.joined(separator: ",")
            return "meshnode simulate --swarm --seeds \(report.seed)..\(report.seed)"
                + " --keep \(kept.isEmpty ? "none" : kept) --for \(swarm.duration.spelled)"
        }

        /// A scenario that can be kept under simulations/. What it prints is wrong until the defect is mended.
        package var scenario: String {
            let kept = report.troubles.map { "\($0.number)" }.joined(separator: ",")
            let lines = [
                "# Found by the swarm: \(report.violations.first ?? "nothing")", "seed \(report.seed)", "",
                "swarm keep=\(kept.isEmpty ? "none" : kept) for=\(swarm.duration.spelled)", "----",
            ]
            return (lines + report.troubles.map(\.line) + [Self.verdict]).joined(separator: "\n") + "\n"
        }

        static let verdict = "nothing lost or contradicted"
    }

    package var runsMax = 120
    private let swarm: Swarm

    package init(_ swarm: Swarm) { self.swarm = swarm }

    package func shrink(_ report: Swarm.Report) -> Shrunk {
        var runs = 0
        var best = Shrunk(swarm: swarm, report: report)
        let kind = Self.kind(of: report)
        func fails(_ kept: [Int], _ duration: Duration) -> Bool {
            guard runs < runsMax else { return false }
            runs += 1
            var swarm = swarm
            swarm.keptTroubles = Set(kept)
            swarm.duration = duration
            let report = swarm.run(seed: report.seed)
            guard Self.kind(of: report) == kind else { return false }
            best = Shrunk(swarm: swarm, report: report)
            return true
        }
        var kept = report.troubles.map(\.number)
        _ = fails(kept, min(swarm.duration, report.simulated))
        var pieces = 2
        while !kept.isEmpty, runs < runsMax {
            let size = max(1, (kept.count + pieces - 1) / pieces)
            let starts = stride(from: 0, to: kept.count, by: size)
            let smaller = starts.lazy.map { start in
                Array(kept[..<start] + kept[min(start + size, kept.count)...])
            }.first { fails($0, best.swarm.duration) }
            if let smaller {
                kept = smaller
                pieces = max(2, pieces - 1)
            } else if size == 1 {
                break
            } else {
                pieces *= 2
            }
        }
        return best
    }

    /// What is said before the colon, without the time.
    private static func kind(of report: Swarm.Report) -> Substring? {
        guard let first = report.violations.first else { return nil }
        let text = first.drop { $0.isNumber || $0 == "." || $0 == " " }
        return text.prefix { $0 != ":" }.prefix(18)
    }
}
