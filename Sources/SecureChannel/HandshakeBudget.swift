import Primitives

/// How much work unproven sources may cause. A handshake costs the responder four multiplications on a curve, a forged
/// one the first of them; established sessions cost none and are never limited.
///
/// Each source address has a few handshakes a second, and all together more. Who exceeds either is asked for a cookie,
/// and who shows one has a share of its own. A full table (spoofed sources) means cookies for everybody, no more.
struct HandshakeBudget: Sendable {
    static let perSource = 20
    static let perSourceWithCookie = 100
    static let all = 300
    static let sourcesMax = 1024

    private struct Source: Hashable {
        let high: UInt64
        let low: UInt64
        let hasCookie: Bool
    }

    private var windowStart: Instant = .zero
    private var total = 0
    private var counts: [Source: Int] = [:]

    /// Takes one handshake out of this second's budget; false if there is none left.
    mutating func take(_ endpoint: Endpoint, hasCookie: Bool, now: Instant) -> Bool {
        if now - windowStart >= .seconds(1) {
            windowStart = now
            total = 0
            counts.removeAll(keepingCapacity: true)
        }
        let source = Source(high: endpoint.high, low: endpoint.low, hasCookie: hasCookie)
        let count = counts[source] ?? 0
        guard count < (hasCookie ? Self.perSourceWithCookie : Self.perSource),
            hasCookie || total < Self.all, count > 0 || counts.count < Self.sourcesMax
        else { return false }
        counts[source] = count + 1
        total += 1
        return true
    }
}
