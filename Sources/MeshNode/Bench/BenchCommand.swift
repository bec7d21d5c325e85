import ArgumentParser
import Foundation
import Primitives
import Simulator

/// `meshnode bench`: measurements, one line of JSON each.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure, and print one line of JSON a figure.",
        subcommands: [
            BenchCodec.self, BenchFlood.self, BenchGossip.self, BenchHandshake.self, BenchHostile.self, BenchMesh.self,
            BenchRaft.self,
            BenchRoute.self, BenchSimulator.self, EmptyAgent.self,
        ])
}

/// `meshnode bench sim`: how much faster than real time the simulator is.
struct BenchSimulator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sim", abstract: "Simulated time over wall time on one core.")

    @Option(help: "Nodes of the simulated mesh.")
    var nodes = 5

    @Option(help: "Simulated minutes.")
    var minutes = 10

    @Option(help: "Seed of the run.")
    var seed: UInt64 = 1

    func validate() throws {
        guard 1...9 ~= nodes, 1...10_000 ~= minutes else {
            throw ValidationError("--nodes takes 1 to 9, --minutes 1 to 10,000.")
        }
    }

    func run() async throws {
        var benchmark = SimulationBenchmark()
        benchmark.nodes = nodes
        benchmark.seed = seed
        benchmark.simulated = .seconds(60 * minutes)
        let clock = ContinuousClock()
        let start = clock.now
        let result = benchmark.run()
        let wall = (clock.now - start).inSeconds
        try JSONLine.write(
            Line(
                bench: "sim", nodes: nodes, simulatedSeconds: result.simulated.inSeconds, wallSeconds: wall,
                timesRealTime: result.simulated.inSeconds / wall, steps: result.steps,
                clientOperations: result.operations,
                failures: result.failures, violations: result.violations.count))
    }

    private struct Line: Encodable {
        let bench: String
        let nodes: Int
        let simulatedSeconds: Double
        let wallSeconds: Double
        let timesRealTime: Double
        let steps: Int
        let clientOperations: Int
        let failures: Int
        let violations: Int
    }
}
