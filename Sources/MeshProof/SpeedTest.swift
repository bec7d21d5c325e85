import Foundation
import Primitives
import Simulator

/// `meshproof speed`: how many simulated hours of a cluster of five pass in a minute, on every processor at once.
struct SpeedTest {
    let minutes: Int
    let heartbeatMilliseconds: Int

    func run() async throws {
        let benchmarks = (0..<Proof.processors).map { number in
            var benchmark = SimulationBenchmark()
            benchmark.seed = UInt64(number + 1)
            benchmark.simulated = .seconds(60 * minutes)
            benchmark.operationsPerSecond = 27
            benchmark.heartbeatInterval = .milliseconds(heartbeatMilliseconds)
            return benchmark
        }
        let begin = Date()
        let reports = await withTaskGroup(of: SimulationBenchmark.Report.self) { group in
            for benchmark in benchmarks { group.addTask { benchmark.run() } }
            return await group.reduce(into: [SimulationBenchmark.Report]()) { $0.append($1) }
        }
        let wall = Date().timeIntervalSince(begin)
        let simulated = reports.reduce(0.0) { $0 + Double($1.simulated.components.seconds) }
        let operations = reports.reduce(0) { $0 + $1.operations }
        let violations = reports.flatMap(\.violations)
        print(
            String(
                format: "%d processors, five nodes, %.1f simulated hours in %.1f s", reports.count, simulated / 3600,
                wall))
        print(
            String(
                format: "%.1f cluster-hours a minute, %.1f client operations a simulated second, %.2f us a step",
                simulated / 3600 / (wall / 60), Double(operations) / simulated,
                wall * Double(reports.count) * 1e6 / Double(reports.reduce(0) { $0 + $1.steps })))
        print(
            """
            heartbeats every \(heartbeatMilliseconds) ms, clear transport, election and lease safety at every step, logs at every operation; \
            without the checkers that overhear messages
            """)
        if !violations.isEmpty { throw ProofError(violations.joined(separator: "\n")) }
    }
}
