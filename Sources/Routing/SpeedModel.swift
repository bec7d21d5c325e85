import Primitives

/// How fast each model runs on each backend, learned from outcomes.
///
/// Intuition: reading the weights limits decoding, so one machine takes about the same time per token *and byte of
/// weights* with every model. A backend therefore has a base pace per byte, a model on it a pace of its own once it was
/// seen. The first known of these is believed: seen here, told by the serving node, base pace times size, a hopeful
/// prior by kind of hardware (hopeful, so that an untried node gets tried). Kept as times, not rates: expected duration
/// is what decisions need, and the mean of rates would hide the slow runs.
package struct SpeedModel: Sendable {
    /// Entries beyond this many make the model forget everything and learn anew.
    package static let entryCountMax = 65_536

    package struct Forecast: Hashable, Sendable {
        /// Seconds per prompt token, for a request alone.
        package let prefillPace: Double
        /// Seconds per output token, for a request alone.
        package let decodePace: Double
        /// Seconds until a cold model is in memory.
        package let loadSeconds: Double
        /// Slowdown of decoding for each further request running beside it: 0.25 means 25% each.
        package let crowding: Double

        package init(prefillPace: Double, decodePace: Double, loadSeconds: Double, crowding: Double) {
            self.prefillPace = prefillPace
            self.decodePace = decodePace
            self.loadSeconds = loadSeconds
            self.crowding = crowding
        }
    }

    struct Key: Hashable, Sendable {
        let node: NodeID
        let backend: String
        /// Nil for the backend itself.
        let model: String?
    }

    private struct ModelEntry: Sendable {
        let backend: Int
        var isLoaded: Bool
        var sizeBytes: Double
        /// What the serving node says, in seconds; nil where it says nothing.
        var reportedPrefillPace: Double?
        var reportedDecodePace: Double?
        var reportedLoadSeconds: Double?
        var prefill = Pace()
        var decode = Pace()
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

    private struct BackendEntry: Sendable {
        var slowdown: Double
        var hasGPU: Bool
        /// Seconds per prompt token and byte of weights.
        var prefillPerByte = Pace()
        var decodePerByte = Pace()
        var loadPerByte = Pace()
        var crowding: Double
        /// Seconds in a slot, of any request.
        var service = Pace()
    }

    private static let unknownSizeBytes = 4e9
    private var positions: [Key: Int] = [:]
    private var models: [ModelEntry] = []
    private var backends: [BackendEntry] = []

    package init() {}

    package var entryCount: Int { positions.count }

    /// Finds or makes the entry of a model and refreshes what its node says of it. Nil when full: `forget` and retry.
    mutating func enter(
        node: NodeID, model: ModelReport, backend: BackendReport, hasGPU: Bool
    ) -> Int? {
        guard positions.count + 2 <= Self.entryCountMax else { return nil }
        let backendPosition = enterBackend(node: node, backend: backend, hasGPU: hasGPU)
        let key = Key(node: node, backend: backend.name, model: model.name)
        if let known = positions[key] {
            models[known].renew(from: model)
            return known
        }
        positions[key] = models.count
        models.append(ModelEntry(backend: backendPosition, model))
        return models.count - 1
    }

    mutating func forget() { self = SpeedModel() }

    private mutating func enterBackend(node: NodeID, backend: BackendReport, hasGPU: Bool) -> Int {
        let key = Key(node: node, backend: backend.name, model: nil)
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

    func forecast(_ entry: Int) -> Forecast {
        let model = models[entry]
        let backend = backends[model.backend]
        let size = model.sizeBytes
        let slow = backend.slowdown
        return Forecast(
            prefillPace: model.prefill.mean ?? model.reportedPrefillPace
                ?? backend.prefillPerByte.mean.map { $0 * size } ?? size * slow / (backend.hasGPU ? 1.6e13 : 4e11),
            decodePace: model.decode.mean ?? model.reportedDecodePace
                ?? backend.decodePerByte.mean.map { $0 * size } ?? size * slow / (backend.hasGPU ? 6e11 : 4e10),
            loadSeconds: model.load.mean ?? model.reportedLoadSeconds
                ?? backend.loadPerByte.mean.map { $0 * size } ?? 0.5 + size / 1e9,
            crowding: backend.crowding)
    }

    /// Mean seconds that requests spend in a slot of that model's backend; nil before the first.
    func serviceSeconds(_ entry: Int) -> Double? { backends[models[entry].backend].service.mean }

    func isLoaded(_ entry: Int) -> Bool { models[entry].isLoaded }

    /// It answered, so it is in memory, whatever the last report said.
    mutating func noteLoaded(_ entry: Int) { models[entry].isLoaded = true }

    mutating func notePrefill(_ entry: Int, secondsPerToken: Double) {
        models[entry].prefill.note(secondsPerToken)
        backends[models[entry].backend].prefillPerByte.note(secondsPerToken / models[entry].sizeBytes)
    }

    /// `beside` other requests ran at the same time. Alone it teaches the pace, in company what company costs.
    mutating func noteDecode(_ entry: Int, secondsPerToken: Double, beside: Int) {
        guard secondsPerToken.isFinite, secondsPerToken > 0 else { return }
        let position = models[entry].backend
        let company = Double(max(0, beside))
        if company >= 1, let alone = models[entry].decode.mean {
            let seen = min(max(0, (secondsPerToken / alone - 1) / company), 4)
            backends[position].crowding += (seen - backends[position].crowding) * 0.1
        }
        let alone = secondsPerToken / (1 + backends[position].crowding * company)
        // In company only a part of the surprise is the model's own.
        models[entry].decode.note(alone, weight: company >= 1 ? 0.25 : 1)
        backends[position].decodePerByte.note(alone / models[entry].sizeBytes, weight: company >= 1 ? 0.25 : 1)
    }

    mutating func noteLoad(_ entry: Int, seconds: Double) {
        models[entry].load.note(seconds)
        backends[models[entry].backend].loadPerByte.note(seconds / models[entry].sizeBytes)
    }

    mutating func noteService(_ entry: Int, seconds: Double) {
        backends[models[entry].backend].service.note(seconds)
    }

    /// The first byte took longer than `seconds`, without anyone knowing how much longer: the pace is at least that.
    mutating func noteMissedFirstByte(_ entry: Int, seconds: Double, promptTokens: Int) {
        let floor = seconds / Double(max(1, promptTokens))
        if floor > forecast(entry).prefillPace { models[entry].prefill.note(floor) }
    }

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

/// A running mean of positive figures: plain over the first few, then exponential, so that old speeds fade.
struct Pace: Hashable, Sendable {
    private static let weightMin = 0.15
    private(set) var mean: Double?
    private var weightSum = 0.0

    init() {}

    mutating func note(_ value: Double, weight: Double = 1) {
        guard value.isFinite, value > 0 else { return }
        guard let old = mean else {
            mean = value
            weightSum = weight
            return
        }
        weightSum += weight
        mean = old + (value - old) * max(weight / weightSum, Self.weightMin * weight)
    }
}
