import Primitives

/// How long a leader's rounds take until a quorum has answered, as a histogram: what E is measured against.
///
/// Buckets grow by a quarter (two bits of mantissa), so a percentile is at most a quarter too high and never too low;
/// old samples fade, because all counts are halved when there are enough. Integers only; kept by the leader alone.
struct QuorumRoundTrips: Sendable {
    /// Fewer than this say nothing about the slowest hundredth.
    static let samplesMin = 300
    private static let samplesMax = 4096
    /// Up to 2^20 units of 16 microseconds: sixteen seconds.
    private static let bucketCount = 80

    private var counts: [UInt32]
    private var total = 0

    init() { counts = Array(repeating: 0, count: Self.bucketCount) }

    mutating func add(_ span: Duration) {
        counts[Self.bucket(of: span)] += 1
        total += 1
        guard total >= Self.samplesMax else { return }
        for place in counts.indices { counts[place] /= 2 }
        total = counts.reduce(0) { $0 + Int($1) }
    }

    /// An upper bound of the span that 99 of 100 rounds stay within; nil as long as too few were seen.
    var percentile99: Duration? {
        guard total >= Self.samplesMin else { return nil }
        var slower = total / 100
        for place in counts.indices.reversed() {
            if Int(counts[place]) > slower { return Self.upperBound(of: place) }
            slower -= Int(counts[place])
        }
        return nil
    }

    mutating func removeAll() { self = QuorumRoundTrips() }

    private static func bucket(of span: Duration) -> Int {
        let units = UInt64(max(0, span.inNanoseconds)) / 16_000
        guard units >= 4 else { return Int(units) }
        let exponent = 63 - units.leadingZeroBitCount
        let mantissa = Int(units >> UInt64(exponent - 2)) & 3
        return min(bucketCount - 1, (exponent - 1) * 4 + mantissa)
    }

    private static func upperBound(of bucket: Int) -> Duration {
        guard bucket >= 4 else { return .microseconds(Int64(bucket + 1) * 16) }
        let exponent = bucket / 4 + 1
        return .microseconds(Int64((4 + bucket % 4 + 1) << (exponent - 2)) * 16)
    }
}
