import Primitives
import Synchronization

/// How fast this node found itself to be, by model, for the others: moving averages over requests that had the backend
/// for themselves. It sees all that it serves, so its word corrects those who saw little.
///
/// Its word must be good, because it can keep work away: a speed is told only after several measurements, none of which
/// moves it far, and no longer than it is fresh.
package final class SpeedBoard: Sendable {
    package struct Speed: Hashable, Sendable {
        /// Tokens a second; nil while not known well and freshly.
        package var prefill: Double?
        package var decode: Double?
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

    private static let modelCountMax = 256
    /// The weight of the newest measurement: half of the memory is gone after about three.
    private static let newestWeight = 0.2
    /// The first answers of a server that has just started are slow.
    private static let toldFrom = 3
    private static let freshFor: Duration = .seconds(120)
    /// One measurement moves an average at most as if it were this many times off.
    private static let surpriseMax = 4.0
    /// Shorter prompts and answers say little of the pace.
    private static let prefillTokensMin = 16
    private static let decodeTokensMin = 4
    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    package func speed(of model: String, now: Instant) -> Speed {
        let entry = entries.withLock { $0[model] } ?? Entry()
        return Speed(prefill: Self.told(entry.prefill, now: now), decode: Self.told(entry.decode, now: now))
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

    /// A rate that is not finite or not positive, or of a model beyond the bound, changes nothing.
    private func note(
        _ model: String, _ figure: any WritableKeyPath<Entry, Average> & Sendable, rate: Double, now: Instant
    ) {
        guard rate.isFinite, rate > 0 else { return }
        entries.withLock { entries in
            guard entries[model] != nil || entries.count < Self.modelCountMax else { return }
            var average = entries[model, default: Entry()][keyPath: figure]
            average.count = min(average.count + 1, 1 << 20)
            average.notedAt = now
            if average.count == 1 {
                average.rate = rate
            } else {
                let bounded = min(max(rate, average.rate / Self.surpriseMax), average.rate * Self.surpriseMax)
                average.rate += (bounded - average.rate) * max(1 / Double(average.count), Self.newestWeight)
            }
            entries[model, default: Entry()][keyPath: figure] = average
        }
    }

    private static func told(_ average: Average, now: Instant) -> Double? {
        average.count >= toldFrom && now - average.notedAt <= freshFor ? average.rate : nil
    }
}
