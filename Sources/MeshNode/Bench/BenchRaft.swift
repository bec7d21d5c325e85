import ArgumentParser
import Foundation
import NIOCore
import NIOPosix
import Primitives
import Synchronization

/// `meshnode bench raft`: writes, reads and changes of the primary, through the HTTP port of real agents on loopback,
/// with every sync and seal of the product.
struct BenchRaft: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft", abstract: "Writes, linearizable reads, failover and hand-over of a real mesh on loopback.",
        discussion: """
            Starts three agents of a configurations folder in a temporary directory and ends them afterwards. Each client asks in a
            closed loop on a connection of its own; clients are spread over the nodes. Failover is the time from kill -9 of the
            primary until a write that was sent afterwards is accepted; hand-over the longest time between two accepted writes of
            one client while the preferred primary takes over again.
            """)

    @Option(help: "Folder with the nodes' configurations.")
    var configs = "configs"

    @Option(help: "Nodes of the mesh, by name.")
    var nodes = "aurora,vengeance,sark"

    @Option(parsing: .upToNextOption, help: "Numbers of clients.")
    var clients = [1, 64, 256]

    @Option(parsing: .upToNextOption, help: "What they do: put, get (linearizable).")
    var actions = LoadAction.allCases

    @Option(help: "Seconds of each run, after one that does not count.")
    var seconds = 5.0

    @Option(help: "Bytes of a value.")
    var valueBytes = 256

    @Option(help: "How often the primary is killed. Each takes about five seconds.")
    var kills = 0

    @Option(help: "Election timeout of the mesh in milliseconds.")
    var electionTimeout = 400

    func validate() throws {
        guard clients.allSatisfy({ 1...4096 ~= $0 }), 0...10_000 ~= kills, seconds > 0 else {
            throw ValidationError("--clients takes 1 to 4096, --kills 0 to 10,000, --seconds what is above 0")
        }
    }

    func run() async throws {
        try await Failure.explained {
            let mesh = try await BenchAgents.start(
                configs: configs, names: nodes.split(separator: ",").map(String.init),
                electionTimeoutMilliseconds: electionTimeout)
            defer { mesh.stop() }
            for count in clients {
                for action in actions {
                    try JSONLine.write(try await measure(action, clients: count, mesh.targets))
                }
            }
            guard kills > 0 else { return }
            let spans = try await PrimaryChanges(mesh: mesh).measure(kills: kills)
            try JSONLine.write(SpanLine("failover", spans.failovers, electionTimeoutMs: electionTimeout))
            try JSONLine.write(SpanLine("hand_over", spans.handOvers, electionTimeoutMs: electionTimeout))
        }
    }

    private func measure(_ action: LoadAction, clients count: Int, _ targets: [LoadTarget]) async throws -> LoadLine {
        let load = LoadRun(action: action, valueBytes: valueBytes, warmUp: .seconds(1), span: .seconds(seconds))
        let answers = try await load.run(clients: count, targets)
        let spans = answers.filter(\.isSuccess).map { ($0.heardAt - $0.sentAt).inMillisecondsExactly }.sorted()
        return LoadLine(
            action: action.rawValue, clients: count, valueBytes: valueBytes, operations: spans.count,
            perSecond: (Double(spans.count) / seconds).rounded(), errors: answers.count - spans.count,
            p50Ms: spans.percentile(50), p99Ms: spans.percentile(99), maxMs: spans.last ?? 0)
    }

    private struct LoadLine: Encodable {
        let bench = "raft"
        let action: String
        let clients: Int
        let valueBytes: Int
        let operations: Int
        let perSecond: Double
        let errors: Int
        let p50Ms: Double
        let p99Ms: Double
        let maxMs: Double
    }

    private struct SpanLine: Encodable {
        let bench = "raft"
        let action: String
        let electionTimeoutMs: Int
        let count: Int
        let p50Ms: Double
        let p99Ms: Double
        let maxMs: Double
        /// Sorted.
        let allMs: [Double]

        init(_ action: String, _ spans: [Duration], electionTimeoutMs: Int) {
            self.action = action
            self.electionTimeoutMs = electionTimeoutMs
            allMs = spans.map(\.inMillisecondsExactly).sorted()
            count = allMs.count
            p50Ms = allMs.percentile(50)
            p99Ms = allMs.percentile(99)
            maxMs = allMs.last ?? 0
        }
    }
}

extension [Double] {
    /// Of sorted figures, by the nearest rank; 0 where there are none.
    fileprivate func percentile(_ percent: Int) -> Double {
        isEmpty ? 0 : self[Swift.max(0, (count * percent + 99) / 100 - 1)]
    }
}

extension Duration {
    /// To the microsecond.
    fileprivate var inMillisecondsExactly: Double { (inSeconds * 1e6).rounded() / 1e3 }
}
