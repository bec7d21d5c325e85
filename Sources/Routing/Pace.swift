import Primitives

/// A running mean of positive figures: plain over the first few, then exponential, so that old ones fade.
struct Pace: Hashable, Sendable {
    static let weightMin = 0.15
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

/// A running mean that is believed less the longer ago it was confirmed.
///
/// A place that looked bad is not chosen, and what is not chosen teaches nothing: without forgetting, one bad sample
/// would exile it for ever. So doubt grows with time, and in doubt the hopeful alternative counts. A sample that
/// confirms what was known restores the old certainty: a place that is truly slow is tried less and less often.
struct FadingPace: Hashable, Sendable {
    /// After this long the confidence is half, after three times as long a tenth.
    private static let halfLife: Duration = .seconds(60)
    /// In samples; with it, a place once well known is tried again after ten minutes at the latest.
    private static let confidenceMax = 10.0
    /// Samples at which knowledge and alternative count the same.
    private static let doubt = 0.35
    /// The same where the alternative was measured too.
    private static let doubtOfMeasured = 1.4
    /// Within this factor a sample confirms the mean.
    private static let agreement = 1.5

    private(set) var mean: Double?
    /// At `notedAt`, in samples.
    private var confidence = 0.0
    private var notedAt = Instant.zero
    /// The last sample lay well above (1) or below (-1) the mean, or confirmed it (0).
    private var lastSurprise = 0

    init() {}

    /// One surprise may be chance. A second in the same direction says that the mean is wrong: it counts for half at once.
    /// - Parameter weight: 0...1, how much the sample says about the figure.
    mutating func note(_ value: Double, weight: Double = 1, now: Instant) {
        guard value.isFinite, value > 0, weight > 0 else { return }
        if let old = mean {
            let surprise = value >= old * Self.agreement ? 1 : value <= old / Self.agreement ? -1 : 0
            var held = surprise == 0 ? confidence : confidence(now: now)
            if surprise != 0, surprise == lastSurprise { held = min(held, weight) }
            lastSurprise = surprise
            confidence = min(held + weight, Self.confidenceMax)
            mean = old + (value - old) * max(weight / confidence, Pace.weightMin * weight)
        } else {
            mean = value
            confidence = weight
        }
        notedAt = now
    }

    func confidence(now: Instant) -> Double {
        let age = max(0, (now - notedAt).inSeconds) / Self.halfLife.inSeconds
        return confidence / (1 + age * age)
    }

    /// The mean as far as it is believed, `alternative` for the rest. Rates are mixed, not times: half a belief that a
    /// place takes for ever must not outweigh the hope that it does not.
    func mean(or alternative: Double, now: Instant) -> Double {
        guard let mean else { return alternative }
        let trust = trust(now: now)
        return 1 / (trust / mean + (1 - trust) / alternative)
    }

    /// The same for figures whose alternative may be zero.
    func sum(or alternative: Double, now: Instant) -> Double {
        guard let mean else { return alternative }
        return alternative + (mean - alternative) * trust(now: now)
    }

    /// The same beside a figure that somebody measured as well, rather than hoped: a single odd sample of ours does not
    /// outweigh it, and several do.
    func mean(besideMeasured other: Double, now: Instant) -> Double {
        guard let mean else { return other }
        return other + (mean - other) * trust(now: now, doubt: Self.doubtOfMeasured)
    }

    /// 0..<1
    private func trust(now: Instant, doubt: Double = Self.doubt) -> Double {
        // Squared: what is well known is not diluted, and what has faded soon counts for nothing.
        let confidence = confidence(now: now)
        let square = confidence * confidence
        return square / (square + doubt * doubt)
    }
}
