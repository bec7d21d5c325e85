import Primitives
import Synchronization

/// Token buckets by key: each key may spend its burst at once, then a steady rate. Safe from any thread.
///
/// Bounded: when full, all buckets that have refilled are dropped; if none has, a new key is refused, because forgetting
/// a spent bucket would hand out its burst again.
package final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var updatedAt: Instant
    }

    private let perSecond: Double
    private let burst: Double
    private let keyCountMax: Int
    private let buckets = Mutex<[String: Bucket]>([:])

    /// - Parameters:
    ///   - perMinute: the steady rate. Raising it lets one caller take more from the others.
    ///   - burst: what an idle caller may spend at once.
    package init(perMinute: Int, burst: Int, keyCountMax: Int = 10_000) {
        perSecond = Double(perMinute) / 60
        self.burst = Double(burst)
        self.keyCountMax = keyCountMax
    }

    /// Spends one token. Returns nil, or how many whole seconds until there is one.
    package func spend(_ key: String, now: Instant) -> Int? {
        buckets.withLock { buckets in
            var bucket = buckets[key] ?? Bucket(tokens: burst, updatedAt: now)
            refill(&bucket, now: now)
            guard bucket.tokens >= 1 else {
                buckets[key] = bucket
                return max(Int(((1 - bucket.tokens) / perSecond).rounded(.up)), 1)
            }
            if buckets[key] == nil, buckets.count >= keyCountMax {
                drop(refilledBy: now, from: &buckets)
                guard buckets.count < keyCountMax else { return 1 }
            }
            bucket.tokens -= 1
            buckets[key] = bucket
            return nil
        }
    }

    /// Gives back a token that turned out not to count, e.g. for a password that was right.
    package func refund(_ key: String) {
        buckets.withLock { buckets in
            guard let tokens = buckets[key]?.tokens else { return }
            buckets[key]?.tokens = min(tokens + 1, burst)
        }
    }

    private func refill(_ bucket: inout Bucket, now: Instant) {
        let passed = max((now - bucket.updatedAt).inSeconds, 0)
        bucket.tokens = min(bucket.tokens + passed * perSecond, burst)
        bucket.updatedAt = now
    }

    private func drop(refilledBy now: Instant, from buckets: inout [String: Bucket]) {
        buckets = buckets.filter { _, bucket in
            bucket.tokens + (now - bucket.updatedAt).inSeconds * perSecond < burst
        }
    }
}
