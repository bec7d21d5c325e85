/// A moment on one node's own monotonic clock: nanoseconds since an arbitrary start.
///
/// Instants of two nodes are never compared. The runtime supplies them (`CLOCK_BOOTTIME` on Linux, so that a suspended
/// laptop notices; virtual time in the simulator); cores only do arithmetic.
package struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static let zero = Instant(nanoseconds: 0)
    /// Later than any moment that is ever reached: "no deadline".
    package static let distantFuture = Instant(nanoseconds: .max)

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at `distantFuture`, and as far in the past.
    package static func + (instant: Instant, span: Duration) -> Instant {
        let nanoseconds = span.inNanoseconds
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(nanoseconds)
        return overflow ? (nanoseconds < 0 ? .distantPast : .distantFuture) : Instant(nanoseconds: sum)
    }

    /// Saturates likewise.
    package static func - (instant: Instant, span: Duration) -> Instant {
        Instant(nanoseconds: difference(instant.nanoseconds, span.inNanoseconds))
    }

    /// The span from `earlier` to `later`; negative if they are the other way round. Saturates at about 292 years.
    package static func - (later: Instant, earlier: Instant) -> Duration {
        .nanoseconds(difference(later.nanoseconds, earlier.nanoseconds))
    }

    private static let distantPast = Instant(nanoseconds: .min)

    private static func difference(_ a: Int64, _ b: Int64) -> Int64 {
        let (result, overflow) = a.subtractingReportingOverflow(b)
        return overflow ? (b > 0 ? .min : .max) : result
    }

    package static func += (instant: inout Instant, span: Duration) { instant = instant + span }

    package var description: String { Duration.nanoseconds(nanoseconds).description }
}

extension Duration {
    /// Whole nanoseconds, saturating at about 292 years.
    package var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }

    package var inMilliseconds: Int64 { inNanoseconds / 1_000_000 }

    /// For display and for estimates that never enter replicated state.
    package var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
