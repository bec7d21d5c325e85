import Primitives

/// A smoothed round trip to one member and the timeout that follows from it (RFC 6298 §2, in whole nanoseconds).
struct RoundTrip: Sendable {
    /// Nil until the first answer.
    private(set) var smoothed: Int64?
    private var variation: Int64 = 0
    /// The three last samples, the newest first; zero where there is none yet.
    private var recent: SIMD4<Int64> = .zero

    mutating func record(_ sample: Duration) {
        // A sample beyond a minute is a stalled process, not a path.
        let sample = min(max(0, sample.inNanoseconds), 60_000_000_000)
        recent = SIMD4(sample, recent.x, recent.y, 0)
        guard let mean = smoothed else {
            smoothed = sample
            variation = sample / 2
            return
        }
        variation = (3 * variation + abs(mean - sample)) / 4
        smoothed = (7 * mean + sample) / 8
    }

    /// The middle one of the three last samples, so that one late answer moves nobody; of fewer, the least.
    var median: Duration {
        guard recent.y > 0 else { return .nanoseconds(recent.x) }
        guard recent.z > 0 else { return .nanoseconds(min(recent.x, recent.y)) }
        return .nanoseconds(max(min(recent.x, recent.y), min(max(recent.x, recent.y), recent.z)))
    }

    /// How long to wait for an answer: the mean plus four deviations. Nil while nothing was measured.
    var timeout: Duration? {
        smoothed.map { .nanoseconds($0 + 4 * variation) }
    }
}
