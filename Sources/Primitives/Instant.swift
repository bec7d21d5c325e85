/// A moment on one node's own monotonic clock: nanoseconds since an arbitrary start.
///
/// Instants of two nodes are never compared. The runtime supplies them (`CLOCK_BOOTTIME` on Linux, so that a suspended
/// laptop notices; virtual time in the simulator); cores only do arithmetic.
///
/// Here, and in the other small types of this module, `@usableFromInline` and `@inlinable` let other modules compare
/// and add without a call through a witness: each message does so dozens of times.
@usableFromInline package struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    @usableFromInline package let nanoseconds: Int64

    @inlinable package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    @inlinable package static var zero: Instant { Instant(nanoseconds: 0) }
    /// Later than any moment that is ever reached: "no deadline".
    @inlinable package static var distantFuture: Instant { Instant(nanoseconds: .max) }

    @inlinable package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at `distantFuture`, and as far in the past.
    @inlinable package static func + (instant: Instant, span: Duration) -> Instant {
        let nanoseconds = span.inNanoseconds
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(nanoseconds)
        return overflow ? (nanoseconds < 0 ? .distantPast : .distantFuture) : Instant(nanoseconds: sum)
    }

    /// Saturates likewise.
    @inlinable package static func - (instant: Instant, span: Duration) -> Instant {
        Instant(nanoseconds: difference(instant.nanoseconds, span.inNanoseconds))
    }

    /// The span from `earlier` to `later`; negative if they are the other way round. Saturates at about 292 years.
    @inlinable package static func - (later: Instant, earlier: Instant) -> Duration {
        Duration(wholeNanoseconds: difference(later.nanoseconds, earlier.nanoseconds))
    }

    @inlinable static var distantPast: Instant { Instant(nanoseconds: .min) }

    @inlinable static func difference(_ a: Int64, _ b: Int64) -> Int64 {
        let (result, overflow) = a.subtractingReportingOverflow(b)
        return overflow ? (b > 0 ? .min : .max) : result
    }

    @inlinable package static func += (instant: inout Instant, span: Duration) { instant = instant + span }

    @usableFromInline package var description: String { Duration.nanoseconds(nanoseconds).description }
}

extension Duration {
    /// `Duration.nanoseconds` without its calls into 128-bit arithmetic.
    @inlinable package init(wholeNanoseconds nanoseconds: Int64) {
        self.init(attoseconds: Int128(nanoseconds) &* 1_000_000_000)
    }

    /// The given fraction of this span in whole nanoseconds, rounded toward zero. Traps beyond 292 years.
    @inlinable package func scaled(by numerator: Int64, over denominator: Int64) -> Duration {
        Duration(wholeNanoseconds: inNanoseconds * numerator / denominator)
    }

    /// Whole nanoseconds, saturating at about 292 years.
    @inlinable package var inNanoseconds: Int64 {
        // Spans of up to 18 s fit one word, and nearly all do.
        if let word = UInt64(exactly: attoseconds) { return Int64(word / 1_000_000_000) }
        return inNanosecondsOfAnySize
    }

    @usableFromInline var inNanosecondsOfAnySize: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }

    @inlinable package var inMilliseconds: Int64 { inNanoseconds / 1_000_000 }

    /// For display and for estimates that never enter replicated state.
    package var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
