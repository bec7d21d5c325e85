import Primitives
import Synchronization

/// How fast this node found itself to be, by model, for the others: moving averages over requests that had the backend
/// for themselves. It sees all that it serves, so its word corrects those who saw little.
///
/// Its word must be good, because it can keep work away: a speed is told only after several measurements, none of which
/// moves it far, and no longer than it is fresh. A `SpeedCheck` is several measurements in one.
package final class SpeedBoard: Sendable {
    package struct Speed: Hashable, Sendable {
        /// Tokens a second; nil while not known well and freshly.
        package var prefill: Double?
        package var decode: Double?

        package init(prefill: Double? = nil, decode: Double? = nil) {
            self.prefill = prefill
            self.decode = decode
        }
    }

    private struct Average {
        var rate = 0.0
        var count = 0
        var notedAt = Instant.zero
    }

    private struct Entry {
        var prefill = Average()
        var decode = Average()
    }

    package static let modelCountMax = 256
    /// The weight of the newest measurement: half of the memory is gone after about three.
    private static let newestWeight = 0.2
    /// The first answers of a server that has just started are slow.
    private static let toldFrom = 3
    /// One measurement moves an average at most as if it were this many times off.
    private static let surpriseMax = 4.0
    /// Shorter prompts and answers say little of the pace.
    static let prefillTokensMin = 16
    static let decodeTokensMin = 4
    private let freshFor: Duration
    private let entries = Mutex<[String: Entry]>([:])

    /// - Parameter freshFor: how long a speed is told after it was last confirmed. Long where checks renew it; short
    ///   where nothing would, so that a node that was measured while it was busy is hoped to be fast again.
    package init(freshFor: Duration = .seconds(120)) { self.freshFor = freshFor }

    package func speed(of model: String, now: Instant) -> Speed {
        let entry = entries.withLock { $0[model] } ?? Entry()
        return Speed(prefill: told(entry.prefill, now: now), decode: told(entry.decode, now: now))
    }

    /// When a decoding speed of that model was last measured; nil if never.
    package func measuredAt(_ model: String) -> Instant? {
        entries.withLock { $0[model] }.flatMap { $0.decode.count > 0 ? $0.decode.notedAt : nil }
    }

    /// `tokens` were read in `span`, without those that a cache held.
    package func notePrefill(_ model: String, tokens: Int, in span: Duration, now: Instant) {
        guard tokens >= Self.prefillTokensMin else { return }
        note(model, \.prefill, rate: Double(tokens) / span.inSeconds, now: now)
    }

    package func noteDecode(_ model: String, tokens: Int, in span: Duration, now: Instant) {
        guard tokens >= Self.decodeTokensMin else { return }
        note(model, \.decode, rate: Double(tokens) / span.inSeconds, now: now)
    }

    /// The best of several tries on an idle node. A machine shows its speed when nothing disturbs it, and disturbances
    /// only slow it down: a higher figure than before is believed at once, a lower one like any measurement.
    package func note(_ model: String, checked speed: Speed, now: Instant) {
        if let rate = speed.prefill { note(model, \.prefill, rate: rate, isChecked: true, now: now) }
        if let rate = speed.decode { note(model, \.decode, rate: rate, isChecked: true, now: now) }
    }

    /// A rate that is not finite or not positive, or of a model beyond the bound, changes nothing.
    private func note(
        _ model: String, _ figure: any WritableKeyPath<Entry, Average> & Sendable, rate: Double,
        isChecked: Bool = false, now: Instant
    ) {
        guard rate.isFinite, rate > 0 else { return }
        entries.withLock { entries in
            guard entries[model] != nil || entries.count < Self.modelCountMax else { return }
            var average = entries[model, default: Entry()][keyPath: figure]
            let wasTold = average.count >= Self.toldFrom
            average.count = min(average.count + 1, 1 << 20)
            average.notedAt = now
            if isChecked, !wasTold || rate > average.rate {
                average.rate = rate
                average.count = max(average.count, Self.toldFrom)
            } else if average.count == 1 {
                average.rate = rate
            } else {
                let bounded = min(max(rate, average.rate / Self.surpriseMax), average.rate * Self.surpriseMax)
                average.rate += (bounded - average.rate) * max(1 / Double(average.count), Self.newestWeight)
            }
            entries[model, default: Entry()][keyPath: figure] = average
        }
    }

    private func told(_ average: Average, now: Instant) -> Double? {
        average.count >= Self.toldFrom && now - average.notedAt <= freshFor ? average.rate : nil
    }
}
