import Primitives

/// How fast each model runs on each backend, learned from outcomes.
///
/// Intuition: reading the weights limits decoding, so one machine takes about the same time per token *and byte of
/// weights* with every model. A backend therefore has a base pace per byte, a model on it a pace of its own once it was
/// seen. What the serving node measured counts beside what is seen here. Where it says nothing, the first
/// known of these is believed: seen here, base pace times size, a hopeful prior (hopeful, so that an untried node gets
/// tried). What was seen fades (`FadingPace`) towards the next of them.
///
/// The prior is the best that was seen or told of the same kind of hardware, slowed as configured: an untried backend is
/// no better than that, and a little better than nothing new. No sample counts for more than `surpriseMax` times what was
/// expected: a machine that was still starting, or a stall, is not a speed.
///
/// One server behind several nodes is as fast for each of them, but for what they add: what is seen of it at one teaches
/// about all, and of what they tell of it the best counts, since disturbances only slow a measurement down.
///
/// Kept as times, not rates: expected duration is what decisions need, and the mean of rates would hide the slow runs.
package struct SpeedModel: Sendable {
    /// Entries beyond this many make the model forget everything and learn anew.
    package static let entryCountMax = 65_536
    /// Raising it learns a wrong prior faster and lets a single bad sample do more harm.
    static let surpriseMax = 4.0
    /// An untried backend against the best of its kind: below 1, so that it is tried at all; near 1, so that the best is
    /// seldom left for it.
    private static let hope = 0.85
    /// Seconds by which the fixed cost of requests usually differs from what is expected: first bytes that miss their
    /// forecast by little say nothing of the pace.
    static let overheadSpread = 0.05
    /// Below this confidence a backend no longer stands for its kind.
    static let confidenceMin = 0.03

    package struct Forecast: Hashable, Sendable {
        /// Seconds before anything of a prompt is read, whatever its length.
        package let overhead: Double
        /// Seconds per prompt token, for a request alone.
        package let prefillPace: Double
        /// Seconds per output token, for a request alone.
        package let decodePace: Double
        /// Seconds until a cold model is in memory.
        package let loadSeconds: Double
        /// Slowdown of decoding for each further request running beside it: 0.25 means 25% each.
        package let crowding: Double

        package init(
            overhead: Double = 0, prefillPace: Double, decodePace: Double, loadSeconds: Double, crowding: Double
        ) {
            self.overhead = overhead
            self.prefillPace = prefillPace
            self.decodePace = decodePace
            self.loadSeconds = loadSeconds
            self.crowding = crowding
        }
    }

    struct Key: Hashable, Sendable {
        let node: NodeID
        let backend: String
        let server: UInt32
        /// Nil for the backend itself.
        let model: String?
    }

    private struct SharedKey: Hashable, Sendable {
        let server: UInt32
        let model: String
    }

    struct ModelEntry: Sendable {
        let backend: Int
        /// Where the same model at the same server is listed, as other nodes know it; nil if nobody else can.
        var shared: Int?
        var isLoaded: Bool
        var sizeBytes: Double
        /// What the serving node says, in seconds; nil where it says nothing.
        var reportedPrefillPace: Double?
        var reportedDecodePace: Double?
        var reportedLoadSeconds: Double?
        var prefill = FadingPace()
        var decode = FadingPace()
        var load = Pace()

        init(backend: Int, _ model: ModelReport) {
            self.backend = backend
            isLoaded = false
            sizeBytes = 0
            renew(from: model)
        }

        mutating func renew(from model: ModelReport) {
            isLoaded = model.isLoaded
            sizeBytes = SpeedModel.size(of: model)
            reportedPrefillPace = model.prefillTokensPerSecond.map { 1 / $0 }
            reportedDecodePace = model.decodeTokensPerSecond.map { 1 / $0 }
            reportedLoadSeconds = model.loadSeconds
        }
    }

    struct BackendEntry: Sendable {
        var slowdown: Double
        var hasGPU: Bool
        /// Seconds per prompt token and byte of weights.
        var prefillPerByte = FadingPace()
        var decodePerByte = FadingPace()
        /// Seconds of any request before its prompt is read.
        var overhead = FadingPace()
        /// Seconds of silence of attempts that were given up since the last answer.
        var silence = FadingPace()
        var loadPerByte = Pace()
        var crowding: Double
        /// Seconds in a slot, of any request.
        var service = Pace()
    }

    /// One kind of hardware, by its best known backend without its slowdown; starts as an assumption.
    struct Kind: Sendable {
        var prefillPerByte: Best
        var decodePerByte: Best
        var overhead = Best(0)

        static let gpu = Kind(prefillPerByte: Best(1 / 1.6e13), decodePerByte: Best(1 / 6e11))
        static let processor = Kind(prefillPerByte: Best(1 / 4e11), decodePerByte: Best(1 / 4e10))
    }

    /// The least of some figures, quick to fall and slow to rise: when the only known backend stalls, the others are
    /// not thought to stall with it.
    struct Best: Sendable {
        private static let rise = 0.1
        /// What an untried backend is expected to show.
        private(set) var expected: Double
        private var least: Double?

        init(_ assumed: Double) { expected = assumed }

        /// - Parameter value: infinite if nothing is known now.
        mutating func note(_ value: Double) {
            guard value.isFinite else { return }
            least = least.map { value < $0 ? value : $0 + (value - $0) * Self.rise } ?? value
            expected = (least ?? value) * SpeedModel.hope
        }
    }

    private static let unknownSizeBytes = 4e9
    private var positions: [Key: Int] = [:]
    private var sharedPositions: [SharedKey: Int] = [:]
    /// Entries of one model at one server.
    var shared: [[Int]] = []
    var models: [ModelEntry] = []
    var backends: [BackendEntry] = []
    var gpu = Kind.gpu
    var processor = Kind.processor

    package init() {}

    package var entryCount: Int { positions.count }

    /// Finds or makes the entry of a model and refreshes what its node says of it. Nil when full: `forget` and retry.
    mutating func enter(
        node: NodeID, model: ModelReport, backend: BackendReport, hasGPU: Bool
    ) -> Int? {
        guard positions.count + 2 <= Self.entryCountMax else { return nil }
        let backendPosition = enterBackend(node: node, backend: backend, hasGPU: hasGPU)
        noteReported(model, slowdown: backend.slowdown, hasGPU: hasGPU)
        let key = Key(node: node, backend: backend.name, server: backend.server, model: model.name)
        if let known = positions[key] {
            models[known].renew(from: model)
            return known
        }
        positions[key] = models.count
        models.append(ModelEntry(backend: backendPosition, model))
        if backend.server != 0 { share(models.count - 1, SharedKey(server: backend.server, model: model.name)) }
        return models.count - 1
    }

    private mutating func share(_ entry: Int, _ key: SharedKey) {
        let position = sharedPositions[key] ?? shared.count
        if position == shared.count {
            sharedPositions[key] = position
            shared.append([])
        }
        shared[position].append(entry)
        models[entry].shared = position
    }

    mutating func forget() { self = SpeedModel() }

    /// What one node measured of itself tells what may be hoped of others of its kind that have not measured yet.
    private mutating func noteReported(_ model: ModelReport, slowdown: Double, hasGPU: Bool) {
        var kind = hasGPU ? gpu : processor
        let perByte = 1 / (Self.size(of: model) * slowdown)
        if let rate = model.prefillTokensPerSecond { kind.prefillPerByte.note(perByte / rate) }
        if let rate = model.decodeTokensPerSecond { kind.decodePerByte.note(perByte / rate) }
        if hasGPU { gpu = kind } else { processor = kind }
    }

    private mutating func enterBackend(node: NodeID, backend: BackendReport, hasGPU: Bool) -> Int {
        let key = Key(node: node, backend: backend.name, server: backend.server, model: nil)
        if let known = positions[key] {
            backends[known].slowdown = backend.slowdown
            backends[known].hasGPU = hasGPU
            return known
        }
        positions[key] = backends.count
        backends.append(
            BackendEntry(slowdown: backend.slowdown, hasGPU: hasGPU, crowding: Self.priorCrowding(backend.kind)))
        return backends.count - 1
    }

    func forecast(_ entry: Int, now: Instant) -> Forecast {
        let model = models[entry]
        let backend = backends[model.backend]
        let kind = backend.hasGPU ? gpu : processor
        let size = model.sizeBytes
        let slow = backend.slowdown
        let prefill = backend.prefillPerByte.mean(or: kind.prefillPerByte.expected * slow, now: now) * size
        let decode = backend.decodePerByte.mean(or: kind.decodePerByte.expected * slow, now: now) * size
        return Forecast(
            overhead: backend.overhead.sum(or: kind.overhead.expected * slow, now: now)
                + backend.silence.sum(or: 0, now: now),
            prefillPace: Self.pace(
                model.prefill, told: told(model) { $0.reportedPrefillPace }, hoped: prefill, now: now),
            decodePace: Self.pace(
                model.decode, told: told(model) { $0.reportedDecodePace }, hoped: decode, now: now),
            loadSeconds: model.load.mean ?? model.reportedLoadSeconds
                ?? backend.loadPerByte.mean.map { $0 * size } ?? 0.5 + size / 1e9,
            crowding: backend.crowding)
    }

    /// What the serving node says, or whoever else serves from the same server: the best, slowed as this node slows it.
    private func told(_ model: ModelEntry, _ pace: (ModelEntry) -> Double?) -> Double? {
        guard let list = model.shared, shared[list].count > 1 else { return pace(model) }
        var best = Double.infinity
        for other in shared[list] {
            if let told = pace(models[other]) { best = min(best, told / backends[models[other].backend].slowdown) }
        }
        return best.isFinite ? best * backends[model.backend].slowdown : nil
    }

    /// What was seen here beside what the serving node measured; only where it measured nothing, beside a hope.
    private static func pace(_ seen: FadingPace, told: Double?, hoped: Double, now: Instant) -> Double {
        told.map { seen.mean(besideMeasured: $0, now: now) } ?? seen.mean(or: hoped, now: now)
    }

    /// Mean seconds that requests spend in a slot of that model's backend; nil before the first.
    func serviceSeconds(_ entry: Int) -> Double? { backends[models[entry].backend].service.mean }

    func isLoaded(_ entry: Int) -> Bool { models[entry].isLoaded }

    /// How many times as long the backend's agent makes everything last; see `BackendReport.slowdown`.
    func slowdown(_ entry: Int) -> Double { backends[models[entry].backend].slowdown }

    private static func size(of model: ModelReport) -> Double {
        if model.sizeBytes > 0 { return Double(model.sizeBytes) }
        // Four-bit weights, the common case.
        if model.parametersMillions > 0 { return Double(model.parametersMillions) * 0.6e6 }
        return unknownSizeBytes
    }

    private static func priorCrowding(_ kind: BackendReport.Kind) -> Double {
        switch kind {
        case .ollama: 0.25
        case .openai: 0.05
        case .demo: 0
        }
    }
}
