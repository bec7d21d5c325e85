import ArgumentParser
import Primitives
import Routing

/// `meshnode bench route`: how long a routing decision takes, on one core.
///
/// Measured is what a prompt waits for under the gateway's lock: this node's own fresh load taken over, then the
/// decision among all nodes with its losers. Every node is a candidate with its own speeds, and between two decisions a
/// second passes and an outcome is learned, outside the measured span, so that no figure stays the same.
struct BenchRoute: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Time of a routing decision among 5 and 100 nodes.")

    @Option(help: "Decisions of each run; as many again are made first and not counted.")
    var decisions = 20_000

    @Option(help: "Seed of the figures.")
    var seed: UInt64 = 1

    func validate() throws {
        guard 1...10_000_000 ~= decisions else { throw ValidationError("--decisions takes 1 to 10,000,000") }
    }

    func run() throws {
        for count in [5, 100] {
            var nanoseconds = measure(nodes: count)
            nanoseconds.sort()
            let p99 = nanoseconds[nanoseconds.count * 99 / 100]
            try JSONLine.write(
                Line(
                    bench: "route", nodes: count, decisions: nanoseconds.count,
                    p50Nanoseconds: nanoseconds[nanoseconds.count / 2], p99Nanoseconds: p99,
                    worstNanoseconds: nanoseconds[nanoseconds.count - 1]))
        }
    }

    private func measure(nodes count: Int) -> [Int64] {
        var random = SeededRandom(seed: seed)
        var router = Router()
        router.update((0..<count).map { Self.observation($0, random: &random) })
        let clock = ContinuousClock()
        var spans: [Int64] = []
        spans.reserveCapacity(decisions)
        for number in 0..<decisions * 2 {
            let now = Instant.zero + .seconds(Int64(number + 1))
            let request = RoutingRequest(model: Self.model, promptTokens: 20 + random.below(2000))
            let load = Self.load(running: number % 4, at: now)
            let begun = clock.now
            router.update(Self.id(0), load: load, receivedAt: now)
            let result = router.decide(request, now: now, random: &random)
            let span = clock.now - begun
            if number >= decisions { spans.append(span.inNanoseconds) }
            guard case .success(let decision) = result else { preconditionFailure("a decision among \(count) failed") }
            let ticket = router.noteStarted(decision.winner, promptTokens: request.promptTokens, now: now)
            router.noteFinished(
                ticket,
                RequestOutcome(
                    .success, promptTokens: request.promptTokens, outputTokens: 100, prefillSeconds: 0.05,
                    decodeSeconds: 0.5 + Double(random.below(1000)) / 1000), now: now + .milliseconds(700))
        }
        return spans
    }

    private static let model = "llama3.1:8b"

    private static func id(_ index: Int) -> NodeID { NodeID(high: 0, low: UInt64(index + 1)) }

    private static func load(running: Int, at now: Instant) -> Load {
        Load(
            clockMilliseconds: UInt64((now - .zero).inMilliseconds + 1),
            backends: [BackendReport(name: "ollama", kind: .ollama, slots: 4, running: running)])
    }

    private static func observation(_ index: Int, random: inout SeededRandom) -> NodeObservation {
        let models = ModelReport(
            name: model, backend: 0, isLoaded: true, sizeBytes: 4_900_000_000,
            prefillTokensPerSecond: Double(500 + random.below(4000)),
            decodeTokensPerSecond: Double(20 + random.below(100)), loadSeconds: 8)
        return NodeObservation(
            node: id(index), name: "node-\(index)", isSelf: index == 0,
            roundTrip: .microseconds(Int64(200 + random.below(20_000))),
            vitals: Vitals(cpuLoad: 0.2, cores: 8, memoryUsedBytes: 0, memoryTotalBytes: 64 << 30),
            load: load(running: random.below(4), at: .zero), catalogs: Catalog.makePages(models.map { [$0] } ?? []),
            receivedAt: .zero)
    }

    private struct Line: Encodable {
        let bench: String
        let nodes: Int
        let decisions: Int
        let p50Nanoseconds: Int64
        let p99Nanoseconds: Int64
        let worstNanoseconds: Int64
    }
}
