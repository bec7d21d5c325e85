import Primitives
import Raft

/// What the mesh's election timeout should be: at least five times the round trip that 99 of 100 of a leader's rounds to
/// a quorum stay within, since fewer lets ordinary delay look like death, and more only makes failover slower.
///
///     5 x p99 above E          -> raise at once, to 7 x p99
///     7 x p99 below half of E  -> lower, to 7 x p99
///     else                     -> leave it: between the two lies room for a network that varies
package enum ElectionTimeoutPolicy: Hashable, Sendable {
    /// The same on every node's configuration; committed once if the log says something else.
    case pinned(Duration)
    /// Measured, within these bounds.
    case measured(ClosedRange<Duration>)

    /// 60 ms suits machines of one room with a processor to spare; ten seconds any network that works at all.
    package static let standard = ElectionTimeoutPolicy.measured(.milliseconds(60)...(.seconds(10)))
    private static let step: Int64 = 10_000_000

    /// The timeout to change to; nil to leave it. `percentile99` is nil while too little was measured.
    package func decide(current: Duration, percentile99: Duration?) -> Duration? {
        switch self {
        case .pinned(let timeout):
            return timeout == current ? nil : timeout
        case .measured(let bounds):
            guard let percentile99 else { return nil }
            let roomy = Self.rounded(percentile99 * 7, within: bounds)
            let isTooShort = percentile99 * 5 > current && roomy > current
            let isTooLong = roomy * 2 < current
            return isTooShort || isTooLong || !bounds.contains(current) ? roomy : nil
        }
    }

    /// To whole steps of ten milliseconds, upwards.
    private static func rounded(_ span: Duration, within bounds: ClosedRange<Duration>) -> Duration {
        let steps = (span.inNanoseconds + step - 1) / step
        return min(max(.nanoseconds(steps * step), bounds.lowerBound), bounds.upperBound)
    }
}
