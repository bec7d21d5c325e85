import Primitives

/// A rate limit with a burst: holds up to `capacity` tokens and gains `perSecond` of them.
///
/// Counted in billionths of a token, in integers, so that a year of refilling loses nothing to rounding.
package struct TokenBucket: Hashable, Sendable {
    private static let unit: Int64 = 1_000_000_000
    /// Keeps `capacity` and a refill over years within 64 bits.
    package static let capacityMax = 1_000_000

    package let capacity: Int
    package let perSecond: Int
    /// Billionths of a token at `refilledAt`.
    private var level: Int64
    private var refilledAt: Instant

    /// Starts full. Traps unless both figures are in 1...`capacityMax`.
    package init(capacity: Int, perSecond: Int, now: Instant) {
        precondition(
            1...Self.capacityMax ~= capacity && 1...Self.capacityMax ~= perSecond,
            "bucket of \(capacity) tokens at \(perSecond) a second")
        self.capacity = capacity
        self.perSecond = perSecond
        level = Int64(capacity) * Self.unit
        refilledAt = now
    }

    /// Takes `count` tokens, or nothing at all.
    package mutating func take(_ count: Int = 1, now: Instant) -> Bool {
        refill(now: now)
        let cost = Int64(count) * Self.unit
        guard level >= cost else { return false }
        level -= cost
        return true
    }

    /// How long until `count` tokens are there; zero if they are. Never for more than `capacity`.
    package func delay(_ count: Int = 1, now: Instant) -> Duration? {
        guard count <= capacity else { return nil }
        var future = self
        future.refill(now: now)
        let missing = Int64(count) * Self.unit - future.level
        if missing <= 0 { return .zero }
        return .nanoseconds((missing + Int64(perSecond) - 1) / Int64(perSecond))
    }

    /// Whole tokens there now.
    package func available(now: Instant) -> Int {
        var future = self
        future.refill(now: now)
        return Int(future.level / Self.unit)
    }

    /// A clock that steps back gains nothing and loses nothing.
    private mutating func refill(now: Instant) {
        guard now > refilledAt else { return }
        let full = Int64(capacity) * Self.unit
        let (gain, overflow) = (now - refilledAt).inNanoseconds.multipliedReportingOverflow(by: Int64(perSecond))
        level = overflow || gain >= full - level ? full : level + gain
        refilledAt = now
    }
}
