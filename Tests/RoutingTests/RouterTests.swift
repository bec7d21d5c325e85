import Primitives
import Routing
import Testing

/// A router and what a test wants to ask of it, in few words. A class, so that expectations may call what changes it.
private final class Bench {
    var router = Router()
    var random = SeededRandom(seed: 42)
    var now = Instant.zero

    static func id(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }

    /// A node with one backend and one model at the given speeds.
    func add(
        _ number: UInt64, name: String? = nil, model: String = "llama3.1:8b", decode: Double? = 100, slots: Int = 4,
        running: Int = 0, isLoaded: Bool = true, standing: HealthTable.Standing = .alive, isAccepting: Bool = true,
        isHealthy: Bool = true, size: UInt64 = 4_900_000_000, pool: ModelReport.Pool = .generation,
        memory: UInt64 = 64 << 30
    ) {
        let models = ModelReport(
            name: model, backend: 0, pool: pool, isLoaded: isLoaded, sizeBytes: size, prefillTokensPerSecond: 4096,
            decodeTokensPerSecond: decode, loadSeconds: 8)
        router.update(
            NodeObservation(
                node: Self.id(number), name: name ?? "n\(number)", standing: standing, roundTrip: .milliseconds(10),
                vitals: Vitals(cpuLoad: 0, cores: 8, memoryUsedBytes: 0, memoryTotalBytes: memory),
                load: Load(
                    isAcceptingWork: isAccepting,
                    backends: [
                        BackendReport(
                            name: "ollama", kind: .ollama, isHealthy: isHealthy, slots: slots, running: running)
                    ]),
                catalogs: Catalog.makePages(models.map { [$0] } ?? []), receivedAt: now))
    }

    func decide(_ request: RoutingRequest) -> Result<RoutingDecision, RoutingRefusal> {
        router.decide(request, now: now, random: &random)
    }

    func winner(_ request: RoutingRequest) throws -> Candidate { try decide(request).get().winner }

    func start(_ candidate: Candidate) -> RequestTicket {
        router.noteStarted(candidate, promptTokens: 100, now: now)
    }

    func finish(_ ticket: RequestTicket, _ outcome: RequestOutcome, after span: Duration = .seconds(1)) {
        now += span
        router.noteFinished(ticket, outcome, now: now)
        router.health.checkInvariants()
    }
}

@Suite("Router")
struct RouterTests {
    private let chat = RoutingRequest(model: "llama3.1:8b", promptTokens: 100, outputTokens: 100)

    @Test("the faster node wins, and every term is accounted for")
    func explainAddsUp() throws {
        let bench = Bench()
        bench.add(1, decode: 16)
        bench.add(2, decode: 128, running: 1)
        bench.add(3, decode: 64, isLoaded: false)
        bench.add(4, standing: .gone)
        let decision = try bench.decide(chat).get()
        #expect(decision.winner.nodeName == "n2")
        #expect(decision.losers.map(\.nodeName) == ["n3", "n1"])
        #expect(decision.excluded.map(\.reason) == [.dead])
        for candidate in [decision.winner] + decision.losers {
            let e = candidate.estimate
            #expect(e.total == e.roundTrip + e.queue + e.load + e.prefill + e.decode + e.risk)
            #expect(e.total >= decision.eta)
        }
        let explanation = RoutingExplanation(decision)
        for place in [explanation.winner] + explanation.losers {
            let t = place.terms
            let sum = t.roundTrip + t.queue + t.load + t.prefill + t.decode + t.risk
            #expect(abs(sum - place.eta) < 1e-6)
        }
    }

    @Test("each reason to leave a node out is named")
    func exclusions() throws {
        let bench = Bench()
        bench.add(1)
        bench.add(2, standing: .gone)
        bench.add(3, model: "mistral:7b")
        bench.add(4, isAccepting: false)
        bench.add(5, isHealthy: false)
        bench.add(6)
        bench.add(7, isLoaded: false, size: 200 << 30)
        bench.router.update(NodeObservation(node: Bench.id(8), name: "n8", receivedAt: .zero))
        bench.add(9)
        let doomed = try bench.winner(
            RoutingRequest(model: "llama3.1:8b", excluded: [1, 6].map(Bench.id), preferredNode: Bench.id(9)))
        #expect(doomed.node == Bench.id(9))
        for _ in 0..<3 { bench.finish(bench.start(doomed), RequestOutcome(.failure)) }
        var request = chat
        request.excluded = [Bench.id(6)]
        let decision = try bench.decide(request).get()
        #expect(decision.winner.node == Bench.id(1))
        #expect(
            decision.excluded.map(\.reason) == [
                .dead, .noSuchModel, .notAccepting, .unhealthy, .alreadyTried, .doesNotFit, .noReport, .breakerOpen,
            ])
        request.excluded.append(Bench.id(1))
        guard case .failure(.noNodeAvailable(let reasons)) = bench.decide(request) else {
            Issue.record("a node was found")
            return
        }
        #expect(reasons.count == 9)
    }

    @Test("an unknown model is refused with the names that are known, of living nodes only")
    func unknownModel() {
        let bench = Bench()
        bench.add(1, model: "b:1")
        bench.add(2, model: "a:1")
        bench.add(3, model: "c:1", standing: .gone)
        #expect(bench.decide(chat) == .failure(.noSuchModel(known: ["a:1", "b:1"])))
        bench.router.remove(Bench.id(1))
        #expect(bench.decide(chat) == .failure(.noSuchModel(known: ["a:1"])))
    }

    @Test(
        "a name finds itself first, then its implicit tag, and nothing else",
        arguments: [
            ("llama3", "llama3:latest"), ("llama3:latest", "llama3"), ("host:5000/team/m", "host:5000/team/m:latest"),
            ("llama3:8b", nil), ("host:5000/m:8b", nil),
        ])
    func aliases(name: String, alias: String?) {
        #expect(ModelName.alias(of: name) == alias)
    }

    @Test("the exact name is preferred to its alias")
    func exactFirst() throws {
        let bench = Bench()
        bench.add(1, model: "m:latest", decode: 512)
        #expect(try bench.winner(RoutingRequest(model: "m")).model == "m:latest")
        bench.add(2, model: "m", decode: 8)
        #expect(try bench.winner(RoutingRequest(model: "m")).node == Bench.id(2))
    }

    @Test("embedding requests do not reach generation models")
    func pools() throws {
        let bench = Bench()
        bench.add(1)
        bench.add(2, pool: .embedding)
        #expect(try bench.winner(RoutingRequest(model: "llama3.1:8b", pool: .embedding)).node == Bench.id(2))
        #expect(try bench.winner(chat).node == Bench.id(1))
    }

    @Test("a model in no embedding pool embeds where it generates; generating on an embedding model is refused")
    func poolFallback() throws {
        let bench = Bench()
        bench.add(1)
        #expect(try bench.winner(RoutingRequest(model: "llama3.1:8b", pool: .embedding)).node == Bench.id(1))
        bench.add(1, pool: .embedding)
        #expect(bench.decide(chat) == .failure(.noSuchModel(known: ["llama3.1:8b"])))
    }

    @Test("a catalogue that only renews its rates is believed at once")
    func renewedRates() throws {
        let bench = Bench()
        bench.add(1, decode: 128)
        bench.add(2, decode: 64)
        #expect(try bench.winner(chat).node == Bench.id(1))
        bench.add(1, decode: 32)
        #expect(try bench.winner(chat).node == Bench.id(2))
    }

    @Test("equals share the work, and the preferred one of them takes it")
    func nearTies() throws {
        let bench = Bench()
        bench.add(1)
        bench.add(2)
        bench.add(3, decode: 50)
        var wins: [NodeID: Int] = [:]
        for _ in 0..<1000 { wins[try bench.winner(chat).node, default: 0] += 1 }
        #expect(wins[Bench.id(1), default: 0] > 400)
        #expect(wins[Bench.id(2), default: 0] > 400)
        #expect(wins[Bench.id(3)] == nil)
        var request = chat
        request.preferredNode = Bench.id(2)
        for _ in 0..<50 { #expect(try bench.winner(request).node == Bench.id(2)) }
        request.preferredNode = Bench.id(3)
        for _ in 0..<50 { #expect(try bench.winner(request).node != Bench.id(3)) }
    }

    @Test("own requests count at once, before any report, and only until they end")
    func ownInFlight() throws {
        let bench = Bench()
        bench.add(1, decode: 128, slots: 1)
        bench.add(2, decode: 80, slots: 1)
        let first = bench.start(try bench.winner(chat))
        #expect(first.node == Bench.id(1))
        let second = bench.start(try bench.winner(chat))
        #expect(second.node == Bench.id(2))
        #expect(bench.router.health.ownInFlight(at: Bench.id(1)) == 1)
        bench.finish(first, RequestOutcome(.cancelled))
        bench.finish(first, RequestOutcome(.cancelled))
        #expect(bench.router.health.ownInFlight(at: Bench.id(1)) == 0)
        #expect(try bench.winner(chat).node == Bench.id(1))
    }

    @Test("a suspected node is used only when it is far better")
    func suspects() throws {
        let bench = Bench()
        bench.add(1, decode: 128, standing: .suspect)
        bench.add(2, decode: 64)
        #expect(try bench.winner(chat).node == Bench.id(2))
        bench.add(2, decode: 1)
        #expect(try bench.winner(chat).node == Bench.id(1))
    }

    @Test("a silent first byte makes a node look slower before anything failed")
    func missedFirstByte() throws {
        let bench = Bench()
        bench.add(1, decode: 128)
        bench.add(2, decode: 64)
        let ticket = bench.start(try bench.winner(chat))
        #expect(ticket.node == Bench.id(1))
        bench.now += .seconds(5)
        bench.router.noteMissedFirstByte(ticket, now: bench.now)
        bench.finish(ticket, RequestOutcome(.cancelled))
        #expect(try bench.winner(chat).node == Bench.id(2))
    }

    @Test("seen speed overrides what the node says of itself, but no sample by more than four times")
    func learning() throws {
        let bench = Bench()
        bench.add(1, decode: 128)
        bench.add(2, decode: 64)
        var seen: [Double] = []
        for _ in 0..<30 {
            var request = chat
            request.excluded = [Bench.id(2)]
            let ticket = bench.start(try bench.winner(request))
            // 100 tokens in 10 s, alone.
            bench.finish(
                ticket,
                RequestOutcome(.success, promptTokens: 100, outputTokens: 101, firstByteAfter: .milliseconds(50)),
                after: .milliseconds(10_050))
            seen.append(try bench.winner(request).estimate.decode)
        }
        #expect(seen[0] > 1.5 && seen[0] < 100.0 / 128 * 4)
        #expect(abs(seen[29] - 10) < 0.5)
        #expect(try bench.winner(chat).node == Bench.id(2))
    }

    @Test("an untried model is priced by its size on a backend that is known")
    func sizeFactor() throws {
        let bench = Bench()
        bench.add(1, model: "big:70b", decode: nil, size: 40_000_000_000)
        let both = ["small:8b": UInt64(5_000_000_000), "big:70b": 40_000_000_000].sorted { $0.key < $1.key }
        let models = both.compactMap { ModelReport(name: $0.key, backend: 0, isLoaded: true, sizeBytes: $0.value) }
        for page in Catalog.makePages(models) { bench.router.update(Bench.id(1), catalog: page) }
        let small = RoutingRequest(model: "small:8b", promptTokens: 100, outputTokens: 100)
        for _ in 0..<40 {
            bench.finish(
                bench.start(try bench.winner(small)),
                RequestOutcome(
                    .success, promptTokens: 100, outputTokens: 100, firstByteAfter: .milliseconds(110),
                    prefillSeconds: 0.1, decodeSeconds: 1), after: .milliseconds(1110))
        }
        let big = try bench.winner(RoutingRequest(model: "big:70b", promptTokens: 100, outputTokens: 100))
        #expect(abs(big.estimate.decode - 8) < 0.3)
        #expect(abs(big.estimate.prefill - 0.8) < 0.05)
    }

    @Test("a ticket survives its node's removal, return and change of backends")
    func staleTickets() throws {
        let bench = Bench()
        bench.add(1)
        bench.add(2)
        let ticket = bench.start(try bench.winner(chat))
        bench.router.remove(Bench.id(1))
        bench.router.remove(Bench.id(2))
        bench.router.noteMissedFirstByte(ticket, now: bench.now)
        bench.finish(ticket, RequestOutcome(.success, outputTokens: 10, firstByteAfter: .milliseconds(1)))
        bench.add(2)
        bench.add(1)
        let again = bench.start(try bench.winner(chat))
        bench.router.update(again.node, load: Load(backends: []), receivedAt: bench.now)
        bench.finish(again, RequestOutcome(.success, outputTokens: 10, firstByteAfter: .milliseconds(1)))
        #expect(try bench.winner(chat).node != again.node)
    }

    @Test("a refusal by the target is no failure")
    func bounces() throws {
        let bench = Bench()
        bench.add(1)
        for _ in 0..<10 { bench.finish(bench.start(try bench.winner(chat)), RequestOutcome(.bounced)) }
        #expect(try bench.winner(chat).estimate.risk == 0)
    }

    @Test("the header is short ASCII whatever the names are, and says how many it leaves out")
    func header() throws {
        let bench = Bench()
        bench.add(1, name: "böse\r\nX-Evil: 1", decode: 256)
        for number in UInt64(2)...60 { bench.add(number, name: "node-with-a-long-name-\(number)", decode: 100) }
        let header = try bench.decide(chat).get().header
        #expect(header.utf8.count <= RoutingDecision.headerBytesMax)
        #expect(header.utf8.allSatisfy { 0x20...0x7E ~= $0 })
        #expect(header.hasPrefix("b__se__X-Evil__1/ollama eta="))
        #expect(header.contains("; +"))
        let lone = Bench()
        lone.add(1, name: "vengeance", decode: 128)
        lone.add(2, name: "sark", standing: .gone)
        #expect(
            try lone.decide(chat).get().header
                == "vengeance/ollama eta=816ms rtt=10ms queue=0ms load=0ms prefill=24ms decode=781ms risk=0ms; sark:dead"
        )
    }

    @Test("the same questions with the same seed get the same answers")
    func replay() throws {
        func winners() throws -> [NodeID] {
            let bench = Bench()
            for number in (UInt64(1)...20).reversed() { bench.add(number) }
            return try (0..<200).map { _ in
                let winner = try bench.winner(chat)
                bench.now += .milliseconds(100)
                _ = bench.start(winner)
                return winner.node
            }
        }
        #expect(try winners() == winners())
    }
}
