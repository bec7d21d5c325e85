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

    /// Saturates at `distantFuture`.
    package static func + (instant: Instant, span: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.inNanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    package static func - (instant: Instant, span: Duration) -> Instant {
        Instant(nanoseconds: instant.nanoseconds - span.inNanoseconds)
    }

    /// The span from `earlier` to `later`; negative if they are the other way round.
    package static func - (later: Instant, earlier: Instant) -> Duration {
        .nanoseconds(later.nanoseconds - earlier.nanoseconds)
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
