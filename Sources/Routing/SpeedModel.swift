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
    private static let overheadSpread = 0.05
    /// Below this confidence a backend no longer stands for its kind.
    private static let confidenceMin = 0.03

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

    private struct BackendEntry: Sendable {
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
    private struct Kind: Sendable {
        var prefillPerByte: Best
        var decodePerByte: Best
        var overhead = Best(0)

        static let gpu = Kind(prefillPerByte: Best(1 / 1.6e13), decodePerByte: Best(1 / 6e11))
        static let processor = Kind(prefillPerByte: Best(1 / 4e11), decodePerByte: Best(1 / 4e10))
    }

    /// The least of some figures, quick to fall and slow to rise: when the only known backend stalls, the others are
    /// not thought to stall with it.
    private struct Best: Sendable {
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
    private var models: [ModelEntry] = []
    private var backends: [BackendEntry] = []
    private var gpu = Kind.gpu
    private var processor = Kind.processor

    package init() {}

    package var entryCount: Int { positions.count }

    /// Finds or makes the entry of a model and refreshes what its node says of it. Nil when full: `forget` and retry.
    mutating func enter(
        node: NodeID, model: ModelReport, backend: BackendReport, hasGPU: Bool
    ) -> Int? {
        guard positions.count + 2 <= Self.entryCountMax else { return nil }
        let backendPosition = enterBackend(node: node, backend: backend, hasGPU: hasGPU)
        noteReported(model, slowdown: backend.slowdown, hasGPU: hasGPU)
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

    /// What one node measured of itself tells what may be hoped of others of its kind that have not measured yet.
    private mutating func noteReported(_ model: ModelReport, slowdown: Double, hasGPU: Bool) {
        var kind = hasGPU ? gpu : processor
        let perByte = 1 / (Self.size(of: model) * slowdown)
        if let rate = model.prefillTokensPerSecond { kind.prefillPerByte.note(perByte / rate) }
        if let rate = model.decodeTokensPerSecond { kind.decodePerByte.note(perByte / rate) }
        if hasGPU { gpu = kind } else { processor = kind }
    }

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

    func forecast(_ entry: Int, now: Instant) -> Forecast {
        let model = models[entry]
        let backend = backends[model.backend]
        let kind = backend.hasGPU ? gpu : processor
        let size = model.sizeBytes
        let slow = backend.slowdown
        let prefill = backend.prefillPerByte.mean(or: kind.prefillPerByte.expected * slow, now: now) * size
        let decode = backend.decodePerByte.mean(or: kind.decodePerByte.expected * slow, now: now) * size
        return Forecast(
            overhead: backend.overhead.sum(or: kind.overhead.expected * slow, now: now) + backend.silence.sum(or: 0, now: now),
            prefillPace: Self.pace(model.prefill, told: model.reportedPrefillPace, hoped: prefill, now: now),
            decodePace: Self.pace(model.decode, told: model.reportedDecodePace, hoped: decode, now: now),
            loadSeconds: model.load.mean ?? model.reportedLoadSeconds
                ?? backend.loadPerByte.mean.map { $0 * size } ?? 0.5 + size / 1e9,
            crowding: backend.crowding)
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

    // MARK: Learning

    /// It answered: its model is in memory, whatever the last report said, and it is not silent.
    mutating func noteAnswer(_ entry: Int) {
        models[entry].isLoaded = true
        backends[models[entry].backend].silence = FadingPace()
    }

    /// `tokens` were read in `seconds`, and nothing else is in that figure. A few tokens say little.
    mutating func notePrefill(_ entry: Int, seconds: Double, tokens: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let expected = forecast(entry, now: now).prefillPace
        let pace = Self.bounded(seconds / Double(tokens), around: expected)
        notePrefillPace(entry, pace, weight: Double(tokens) / Double(tokens + 64), now: now)
    }

    /// What a request took beyond reading and writing.
    mutating func noteOverhead(_ entry: Int, seconds: Double, now: Instant) {
        noteOverhead(entry, seconds: seconds, expected: forecast(entry, now: now).overhead, weight: 1, now: now)
    }

    /// The first byte came after `seconds`, of which nobody says how much was reading. What differs from the forecast is
    /// put down to the fixed cost or to the pace, whichever is the less certain for a prompt of this length.
    mutating func noteFirstByte(_ entry: Int, seconds: Double, tokens: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let forecast = forecast(entry, now: now)
        let reading = forecast.prefillPace * Double(tokens)
        let expected = forecast.overhead + reading
        let limit = max(expected * Self.surpriseMax, expected + Self.overheadSpread)
        let surprise = min(max(seconds, expected / Self.surpriseMax), limit) - expected
        let share = reading * reading / (reading * reading + Self.overheadSpread * Self.overheadSpread)
        let pace = Self.bounded((reading + surprise * share) / Double(tokens), around: forecast.prefillPace)
        notePrefillPace(entry, pace, weight: share, now: now)
        noteOverhead(
            entry, seconds: forecast.overhead + surprise * (1 - share), expected: forecast.overhead, weight: 1 - share,
            now: now)
    }

    /// `beside` other requests ran at the same time. Alone it teaches the pace, in company what company costs.
    mutating func noteDecode(_ entry: Int, seconds: Double, tokens: Int, beside: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let secondsPerToken = seconds / Double(tokens)
        let position = models[entry].backend
        let company = Double(max(0, beside))
        if company >= 1, let alone = models[entry].decode.mean {
            let seen = min(max(0, (secondsPerToken / alone - 1) / company), 4)
            backends[position].crowding += (seen - backends[position].crowding) * 0.1
        }
        let alone = Self.bounded(
            secondsPerToken / (1 + backends[position].crowding * company), around: forecast(entry, now: now).decodePace)
        // In company only a part of the surprise is the model's own; a few tokens say little.
        let weight = (company >= 1 ? 0.25 : 1) * Double(tokens) / Double(tokens + 4)
        models[entry].decode.note(alone, weight: weight, now: now)
        backends[position].decodePerByte.note(alone / models[entry].sizeBytes, weight: weight, now: now)
        renewKind(of: position, now: now)
    }

    mutating func noteLoad(_ entry: Int, seconds: Double) {
        models[entry].load.note(seconds)
        backends[models[entry].backend].loadPerByte.note(seconds / models[entry].sizeBytes)
    }

    mutating func noteService(_ entry: Int, seconds: Double) {
        backends[models[entry].backend].service.note(seconds)
    }

    /// The first byte took longer than `seconds`, without anyone knowing how much longer. Counts until the next answer.
    mutating func noteMissedFirstByte(_ entry: Int, seconds: Double, promptTokens: Int, now: Instant) {
        let forecast = forecast(entry, now: now)
        let silence = seconds - forecast.overhead - forecast.prefillPace * Double(promptTokens)
        backends[models[entry].backend].silence.note(silence, now: now)
    }

    private mutating func notePrefillPace(_ entry: Int, _ pace: Double, weight: Double, now: Instant) {
        let position = models[entry].backend
        models[entry].prefill.note(pace, weight: weight, now: now)
        backends[position].prefillPerByte.note(pace / models[entry].sizeBytes, weight: weight, now: now)
        renewKind(of: position, now: now)
    }

    private mutating func noteOverhead(
        _ entry: Int, seconds: Double, expected: Double, weight: Double, now: Instant
    ) {
        let position = models[entry].backend
        let limit = max(expected * Self.surpriseMax, Self.overheadSpread)
        // Never zero: no overhead is knowledge too.
        backends[position].overhead.note(min(max(seconds, 1e-6), limit), weight: weight, now: now)
        renewKind(of: position, now: now)
    }

    /// The best of its kind may have changed. Minima: the order of backends does not matter.
    private mutating func renewKind(of backend: Int, now: Instant) {
        let hasGPU = backends[backend].hasGPU
        var prefill = Double.infinity
        var decode = Double.infinity
        var overhead = Double.infinity
        for other in backends where other.hasGPU == hasGPU {
            if let known = Self.known(other.prefillPerByte, now: now) { prefill = min(prefill, known / other.slowdown) }
            if let known = Self.known(other.decodePerByte, now: now) { decode = min(decode, known / other.slowdown) }
            if let known = Self.known(other.overhead, now: now) { overhead = min(overhead, known / other.slowdown) }
        }
        var kind = hasGPU ? gpu : processor
        kind.prefillPerByte.note(prefill)
        kind.decodePerByte.note(decode)
        kind.overhead.note(overhead)
        if hasGPU { gpu = kind } else { processor = kind }
    }

    private static func known(_ pace: FadingPace, now: Instant) -> Double? {
        pace.confidence(now: now) >= confidenceMin ? pace.mean : nil
    }

    private static func bounded(_ value: Double, around expected: Double) -> Double {
        min(max(value, expected / surpriseMax), expected * surpriseMax)
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
