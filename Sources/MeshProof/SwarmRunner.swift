import Foundation
import Primitives
import Simulator

/// `meshproof swarm`: many seeds on every processor; what fails is shrunk and printed with the command that replays it.
/// A trap ends the process that plays, so that is a child (`swarm-part`), and `TrapWatch` tells which seed it was.
struct SwarmRunner {
    let seeds: ClosedRange<UInt64>
    let isJSON: Bool

    func run() async throws {
        var fleet = SwarmFleet(Swarm(), workers: Proof.processors)
        fleet.announce = { TrapWatch.note(.begun, $0) }
        var summary = SwarmSummary()
        let begin = Date()
        await fleet.run(seeds) { report in
            summary.add(report)
            if !report.violations.isEmpty { tell(report, fleet) }
            TrapWatch.note(.ended, report.seed)
            return true
        }
        let wall = Date().timeIntervalSince(begin)
        if isJSON { try printJSON(summary, wall: wall) } else { printText(summary, wall: wall) }
        if summary.violations > 0 { exit(1) }
    }

    private func tell(_ report: Swarm.Report, _ fleet: SwarmFleet) {
        var swarm = fleet.swarm
        swarm.checksEveryStep = report.seed.isMultiple(of: fleet.thoroughEvery)
        let shrunk = SwarmShrinker(swarm).shrink(report)
        var lines = ["FAILED  seed \(report.seed)"] + report.violations.map { "  \($0)" }
        lines += ["replay: \(shrunk.command)", "as a scenario:", shrunk.scenario]
        FileHandle.standardError.write(Data((lines.joined(separator: "\n") + "\n").utf8))
    }

    private func printText(_ summary: SwarmSummary, wall: Double) {
        let hours = Double(summary.simulated.components.seconds) / 3600
        print("\(summary.seeds) seeds, \(summary.violations) violations, \(summary.clientOperations) client operations")
        print(String(format: "%.1f simulated hours in %.0f s, trace %@", hours, wall, Proof.hex(summary.traceHash)))
        print(summary.faults.occurred.map { "\($0.fault.name) \($0.count)" }.joined(separator: ", "))
    }

    private func printJSON(_ summary: SwarmSummary, wall: Double) throws {
        let faults = Dictionary(uniqueKeysWithValues: summary.faults.occurred.map { ($0.fault.name, $0.count) })
        let line: [String: Any] = [
            "seeds": summary.seeds, "violations": summary.violations,
            "simulated_seconds": Double(summary.simulated.components.seconds), "wall_seconds": wall,
            "client_operations": summary.clientOperations, "faults": faults,
            "trace_hash": Proof.hex(summary.traceHash), "failed_seeds": summary.failedSeeds,
        ]
        let data = try JSONSerialization.data(withJSONObject: line, options: [.sortedKeys])
        print(String(decoding: data, as: UTF8.self))
    }
}
