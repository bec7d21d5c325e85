import ArgumentParser
import Foundation
import Primitives
import Simulator

/// `FIRST..LAST`, both played.
struct SeedRange: ExpressibleByArgument, CustomStringConvertible {
    let first: UInt64
    let last: UInt64

    init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }

    init?(argument: String) {
        let ends = argument.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
        guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last, last < .max else { return nil }
        self.init(first: first, last: last)
    }

    var description: String { "\(first)..\(last)" }
}

/// `meshnode simulate --swarm`: random faults, seed by seed, and what they were in the end.
struct SwarmPlayer {
    let seeds: SeedRange
    let json: Bool
    let trace: String?

    /// False if any seed broke a promise.
    func play() throws -> Bool {
        var swarm = Swarm()
        swarm.keepsTraceLines = trace != nil
        var total = FaultCounts()
        var failed: [UInt64] = []
        for seed in seeds.first...seeds.last {
            let report = swarm.run(seed: seed)
            total.add(report.faults)
            if !report.violations.isEmpty { failed.append(seed) }
            try summarise(report)
            if let trace {
                try Data(report.traceLines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: trace))
            }
        }
        if !json { summarise(total, failed: failed) }
        return failed.isEmpty
    }

    private func summarise(_ report: Swarm.Report) throws {
        let hash = SimulateCommand.hex(report.traceHash)
        if json {
            try JSONLine.write(
                Line(
                    seed: report.seed, nodes: report.plan.nodes, passed: report.violations.isEmpty, traceHash: hash,
                    simulatedSeconds: report.simulated.inSeconds, answered: report.clients.answered,
                    faults: report.faults.byName, failures: report.violations))
            return
        }
        let verdict = report.violations.isEmpty ? "passed" : "FAILED"
        let size = "\(report.plan.nodes) nodes, \(report.clients.answered) answers"
        print("\(verdict)  seed \(report.seed), \(size), trace \(hash)")
        for violation in report.violations { print("  \(violation)") }
    }

    private func summarise(_ total: FaultCounts, failed: [UInt64]) {
        let occurred = total.occurred
        print("\(occurred.count) of \(FaultClass.allCases.count) classes of faults were met:")
        print(occurred.map { "\($0.fault.name) \($0.count)" }.joined(separator: ", "))
        if !failed.isEmpty { print("failed seeds: \(failed.map(String.init).joined(separator: " "))") }
    }

    private struct Line: Encodable {
        let seed: UInt64
        let nodes: Int
        let passed: Bool
        let traceHash: String
        let simulatedSeconds: Double
        let answered: Int
        let faults: [String: Int]
        let failures: [String]
    }
}
