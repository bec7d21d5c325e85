import Primitives
import Routing

/// Five unlike nodes and five routers in virtual time: enough of a mesh to price a routing policy.
///
/// Each node serves first come first served in its slots. A router sees a node only through reports, taken every
/// `reportInterval` and some milliseconds late, and through its own requests. The yardstick is an oracle that knows
/// every queue, every speed and the true length of every answer, and takes the place that finishes first.
struct QueueingWorld {
    struct Machine {
        let name: String
        let hasGPU: Bool
        let slots: Int
        let prefillPerSecond: Double
        let decodePerSecond: Double
        let crowding: Double
        let kind: BackendReport.Kind
        /// One way from any other node, in seconds.
        let distance: Double
    }

    enum Policy: Sendable {
        case router
        case oracle
        case leastConnections
        /// 100 ms per 100 tokens on a GPU, 1000 ms on a CPU, times (1 + CPU load), plus 500 ms a job, plus latency.
        case naiveFormula
    }

    enum Traffic: Sendable {
        case steady(perSecond: Double)
        /// `size` requests within 300 ms every `every` seconds, spread over all routers, and a trickle in between.
        case bursts(size: Int, every: Double)
    }

    static let machines = [
        Machine(
            name: "aurora", hasGPU: false, slots: 2, prefillPerSecond: 100, decodePerSecond: 12, crowding: 0.25,
            kind: .ollama, distance: 0.015),
        Machine(
            name: "vengeance", hasGPU: true, slots: 4, prefillPerSecond: 5000, decodePerSecond: 110,
            crowding: 0.25, kind: .ollama, distance: 0.01),
        Machine(
            name: "runpod-tx", hasGPU: true, slots: 8, prefillPerSecond: 6000, decodePerSecond: 120,
            crowding: 0.25, kind: .ollama, distance: 0.025),
        Machine(
            name: "robbiebook1", hasGPU: true, slots: 2, prefillPerSecond: 600, decodePerSecond: 45,
            crowding: 0.25, kind: .ollama, distance: 0.02),
        Machine(
            name: "sark", hasGPU: true, slots: 16, prefillPerSecond: 8000, decodePerSecond: 80, crowding: 0.05,
            kind: .openai, distance: 0.012),
    ]

    private struct Job {
        let arrival: Double
        let start: Double
        let end: Double
    }

    private struct Finish {
        let at: Double
        let router: Int
        let machine: Int
        let ticket: RequestTicket?
        let outcome: RequestOutcome
    }

    private let policy: Policy
    /// Whether routers are told the true length of the answer; otherwise they expect what they learned.
    private let isLengthKnown: Bool
    private var random: SeededRandom
    private var jobs: [[Job]] = machines.map { _ in [] }
    private var admitted: [UInt64] = machines.map { _ in 0 }
    private var routers: [Router]
    private var reported: [BackendReport]
    private var ownInFlight: [[Int]]
    private var pending: [Finish] = []

    init(policy: Policy, isLengthKnown: Bool = true, seed: UInt64) {
        self.policy = policy
        self.isLengthKnown = isLengthKnown
        random = SeededRandom(seed: seed)
        routers = Self.machines.map { _ in Router() }
        reported = Self.machines.map { BackendReport(name: "b", kind: $0.kind, slots: $0.slots) }
        ownInFlight = Self.machines.map { _ in Self.machines.map { _ in 0 } }
        for router in routers.indices { introduce(to: router) }
    }

    static func id(_ machine: Int) -> NodeID { NodeID(high: 0, low: UInt64(machine + 1)) }
    private static func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    private mutating func introduce(to router: Int) {
        for (index, machine) in Self.machines.enumerated() {
            let distance = index == router ? 0 : machine.distance + Self.machines[router].distance
            let gpus =
                machine.hasGPU
                ? [GPUReport(name: "gpu", load: 0, memoryUsedBytes: 0, memoryTotalBytes: 24 << 30, source: .configured)]
                : []
            let model = ModelReport(name: "llama3.1:8b", backend: 0, isLoaded: true, sizeBytes: 4_900_000_000)
            routers[router].update(
                NodeObservation(
                    node: Self.id(index), name: machine.name, isSelf: index == router,
                    roundTrip: .nanoseconds(Int64(distance * 2e9)),
                    vitals: Vitals(
                        cpuLoad: 0.2, cores: 8, memoryUsedBytes: 1 << 30, memoryTotalBytes: 64 << 30, gpus: gpus),
                    load: Load(clockMilliseconds: 1, backends: [reported[index]]),
                    catalogs: Catalog.makePages(model.map { [$0] } ?? []), receivedAt: .zero))
        }
    }

    /// Mean seconds from submission to the last token, of the requests after a third of them warmed everything up.
    mutating func run(_ traffic: Traffic, count: Int, reportInterval: Double) -> Double {
        var clock = 0.0
        var nextReport = 1.0
        var latencies: [Double] = []
        for number in 0..<count {
            clock = nextArrival(after: clock, number: number, traffic)
            while nextReport <= clock {
                settle(until: nextReport)
                report(at: nextReport)
                nextReport += reportInterval
            }
            settle(until: clock)
            let latency = submit(at: clock)
            if number >= count / 3 { latencies.append(latency) }
        }
        return latencies.reduce(0, +) / Double(latencies.count)
    }

    private mutating func unit() -> Double { Double(random.below(1 << 30) + 1) / Double(1 << 30) }

    private mutating func nextArrival(after clock: Double, number: Int, _ traffic: Traffic) -> Double {
        switch traffic {
        case .steady(let perSecond): clock + gap(mean: 1 / perSecond)
        case .bursts(let size, let every):
            // A burst, then ten single requests spread over the pause.
            number % (size + 10) < size ? clock + unit() * 0.6 / Double(size) : clock + every / 10
        }
    }

    /// Gaps of the given mean, lumpier than uniform: one in eight is drawn from a range more than twice as long.
    private mutating func gap(mean: Double) -> Double {
        random.chance(1, in: 8) ? mean * 4 * unit() : mean * 12 / 7 * unit()
    }

    /// Delivers what ended before `clock` to the router that asked.
    private mutating func settle(until clock: Double) {
        let due = pending.filter { $0.at <= clock }.sorted { $0.at < $1.at }
        pending.removeAll { $0.at <= clock }
        for finish in due {
            ownInFlight[finish.router][finish.machine] -= 1
            if let ticket = finish.ticket {
                routers[finish.router].noteFinished(ticket, finish.outcome, now: Self.instant(finish.at))
            }
        }
    }

    private mutating func report(at clock: Double) {
        for (index, machine) in Self.machines.enumerated() {
            jobs[index].removeAll { $0.end < clock - 60 }
            let present = jobs[index].filter { $0.arrival <= clock && $0.end > clock }
            let running = present.count { $0.start <= clock }
            let late = jobs[index].count { $0.arrival > clock }
            reported[index] = BackendReport(
                name: "b", kind: machine.kind, slots: machine.slots, running: running, queued: present.count - running,
                admitted: admitted[index] - UInt64(late))
            let load = Load(clockMilliseconds: UInt64(clock * 1000), backends: [reported[index]])
            for router in routers.indices {
                let delay = 0.01 + 0.04 * unit()
                routers[router].update(Self.id(index), load: load, receivedAt: Self.instant(clock + delay))
            }
        }
    }

    private mutating func submit(at clock: Double) -> Double {
        let router = random.below(routers.count)
        let prompt = 50 + random.below(1500)
        let output = 20 + random.below(380)
        // How much this run of the model differs from its mean; the same for every policy with the same seed.
        let noise = 0.9 + 0.2 * unit()
        var chance = random.fork()
        var ticket: RequestTicket?
        let target: Int
        switch policy {
        case .oracle:
            target = best {
                finish(at: $0, clock: clock, router: router, prompt: prompt, output: output, noise: noise).end
            }
        case .leastConnections:
            target = best { Double(ownInFlight[router][$0] + reported[$0].running + reported[$0].queued) }
        case .naiveFormula:
            target = best { machine in
                let perToken = Self.machines[machine].hasGPU ? 0.001 : 0.01
                let jobs = Double(reported[machine].running + reported[machine].queued)
                let distance = Self.distance(router, machine) * 2
                return Double(prompt + output) * perToken * 1.2 + 0.5 * jobs + distance
            }
        case .router:
            let request = RoutingRequest(
                model: "llama3.1:8b", promptTokens: prompt, outputTokens: isLengthKnown ? output : nil)
            let decision = routers[router].decide(request, now: Self.instant(clock), random: &chance)
            guard case .success(let chosen) = decision else { preconditionFailure("no node for a request") }
            target = Int(chosen.winner.node.low) - 1
            ticket = routers[router].noteStarted(chosen.winner, promptTokens: prompt, now: Self.instant(clock))
        }
        return serve(
            at: target, clock: clock, router: router, prompt: prompt, output: output, noise: noise, ticket: ticket)
    }

    private func best(_ cost: (Int) -> Double) -> Int {
        let costs = Self.machines.indices.map(cost)
        return Self.machines.indices.min { costs[$0] < costs[$1] } ?? 0
    }

    private static func distance(_ a: Int, _ b: Int) -> Double {
        a == b ? 0 : machines[a].distance + machines[b].distance
    }

    private func finish(
        at machine: Int, clock: Double, router: Int, prompt: Int, output: Int, noise: Double
    ) -> (start: Double, prefill: Double, decode: Double, end: Double) {
        let spec = Self.machines[machine]
        let arrival = clock + Self.distance(router, machine)
        let ends = jobs[machine].filter { $0.end > arrival }.map(\.end).sorted()
        let start = ends.count < spec.slots ? arrival : ends[ends.count - spec.slots]
        let beside = jobs[machine].count { $0.start <= start && $0.end > start }
        let prefill = Double(prompt) / spec.prefillPerSecond * noise
        let decode = Double(output) / spec.decodePerSecond * (1 + spec.crowding * Double(beside)) * noise
        return (start, prefill, decode, start + prefill + decode)
    }

    private mutating func serve(
        at machine: Int, clock: Double, router: Int, prompt: Int, output: Int, noise: Double, ticket: RequestTicket?
    ) -> Double {
        let run = finish(at: machine, clock: clock, router: router, prompt: prompt, output: output, noise: noise)
        let distance = Self.distance(router, machine)
        jobs[machine].append(Job(arrival: clock + distance, start: run.start, end: run.end))
        admitted[machine] += 1
        ownInFlight[router][machine] += 1
        let outcome = RequestOutcome(
            .success, promptTokens: prompt, outputTokens: output,
            firstByteAfter: .nanoseconds(Int64((run.start + run.prefill + distance - clock) * 1e9)))
        pending.append(
            Finish(at: run.end + distance, router: router, machine: machine, ticket: ticket, outcome: outcome))
        return run.end + distance - clock
    }
}
