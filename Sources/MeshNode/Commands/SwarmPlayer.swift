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

/// `meshnode simulate --swarm`: random faults, seed by seed on every processor, and what they were in the end.
struct SwarmPlayer {
    let swarm: Swarm
    let seeds: SeedRange
    let json: Bool
    let trace: String?
    let history: String?

    /// False if any seed broke a promise.
    func play() async throws -> Bool {
        var swarm = swarm
        swarm.keepsTraceLines = trace != nil
        let fleet = SwarmFleet(swarm, workers: max(1, ProcessInfo.processInfo.activeProcessorCount))
        var summary = SwarmSummary()
        let clock = ContinuousClock()
        let begin = clock.now
        try await fleet.run(seeds.first...seeds.last) { report in
            summary.add(report)
            if let trace { try write(report.traceLines, to: trace) }
            if let history { try write(report.history.events.map(\.line), to: history) }
            try tell(report, fleet)
            return true
        }
        let wall = clock.now - begin
        if json { try JSONLine.write(Total(summary, wall: wall)) } else { tell(summary, wall: wall) }
        return summary.violations == 0
    }

    private func write(_ lines: [String], to path: String) throws {
        try OutputFile.write(Data((lines.joined(separator: "\n") + "\n").utf8), to: path)
    }

    /// One line a seed. One that failed is played again with less and less, until only what matters is left.
    private func tell(_ report: Swarm.Report, _ fleet: SwarmFleet) throws {
        guard !report.violations.isEmpty else {
            if json { return }
            let size = "\(report.plan.nodes) nodes, \(report.clients.answered) answers"
            return print("passed  seed \(report.seed), \(size), trace \(SimulateCommand.hex(report.traceHash))")
        }
        var swarm = fleet.swarm
        swarm.checksEveryStep = report.seed.isMultiple(of: fleet.thoroughEvery)
        let shrunk = SwarmShrinker(swarm).shrink(report)
        let lines =
            ["FAILED  seed \(report.seed)"] + report.violations.map { "  \($0)" }
            + ["replay: \(shrunk.command)", "as a scenario:", shrunk.scenario]
        if json {
            FileHandle.standardError.write(Data((lines.joined(separator: "\n") + "\n").utf8))
        } else {
            print(lines.joined(separator: "\n"))
        }
    }

    private func tell(_ summary: SwarmSummary, wall: Duration) {
        let occurred = summary.faults.occurred
        print("\(occurred.count) of \(FaultClass.allCases.count) classes of faults were met:")
        print(occurred.map { "\($0.fault.name) \($0.count)" }.joined(separator: ", "))
        print(
            "\(summary.seeds) seeds, \(summary.violations) violations, \(summary.clientOperations) client operations,"
                + " \(summary.simulated.spelled) simulated in \(wall.inMilliseconds) ms,"
                + " trace \(SimulateCommand.hex(summary.traceHash))")
        if !summary.failedSeeds.isEmpty {
            print("failed seeds: \(summary.failedSeeds.map(String.init).joined(separator: " "))")
        }
    }

    private struct Total: Encodable {
        let seeds: Int
        let violations: Int
        let simulatedSeconds: Double
        let wallSeconds: Double
        let clientOperations: Int
        let faults: [String: Int]
        let traceHash: String
        let failedSeeds: [UInt64]

        init(_ summary: SwarmSummary, wall: Duration) {
            seeds = summary.seeds
            violations = summary.violations
            simulatedSeconds = summary.simulated.inSeconds
            wallSeconds = wall.inSeconds
            clientOperations = summary.clientOperations
            faults = summary.faults.byName
            traceHash = SimulateCommand.hex(summary.traceHash)
            failedSeeds = summary.failedSeeds
        }
    }
}
