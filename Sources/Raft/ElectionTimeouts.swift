import Primitives

/// The election timeout E as the log states it, in two numbers so that it can change while leases are held.
///
/// A lease is safe as long as no voter forgets a leader's word sooner than the leader trusts it: the leader's number must
/// not exceed any voter's. A replica that has not received the newest statement goes by the one before. So a change
/// takes two steps, as joint consensus does for voters:
///
///     a --> lease min(a, b), patience max(a, b) --every voter holds it--> b
///
/// Whichever of two successive statements a leader and a voter go by, lease <= patience. From the first to the last it
/// need not be, hence the second step waits for every voter, not for a quorum.
package struct ElectionTimeouts: Hashable, Sendable {
    /// Outside this nothing is agreed on, nor decoded.
    package static let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(60))

    /// What leaders measure their lease by.
    package let lease: Duration
    /// For how long voters withhold their votes after a leader's word, and what elections and quorum checks wait for.
    package let patience: Duration

    /// Traps unless both are whole microseconds in `range`, the lease not above the patience.
    package init(lease: Duration, patience: Duration) {
        self.lease = lease
        self.patience = patience
        precondition(isValid, "election timeouts \(lease) and \(patience)")
    }

    package init(_ timeout: Duration) { self.init(lease: timeout, patience: timeout) }

    package var isSettled: Bool { lease == patience }

    /// The first step towards `timeout`.
    package func towards(_ timeout: Duration) -> ElectionTimeouts {
        ElectionTimeouts(lease: min(lease, timeout), patience: max(patience, timeout))
    }

    private var isValid: Bool {
        Self.range.contains(lease) && Self.range.contains(patience) && lease <= patience
            && lease.inNanoseconds.isMultiple(of: 1000) && patience.inNanoseconds.isMultiple(of: 1000)
    }

    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(lease.inNanoseconds / 1000))
        writer.writeVarint(UInt64(patience.inNanoseconds / 1000))
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        lease = try Self.readMicroseconds(&reader)
        patience = try Self.readMicroseconds(&reader)
        guard isValid else { throw .invalid("election timeouts") }
    }

    private static func readMicroseconds(_ reader: inout ByteReader) throws(DecodeError) -> Duration {
        let microseconds = try reader.readVarint()
        guard microseconds <= 60_000_000 else { throw .tooLong }
        return .microseconds(Int64(microseconds))
    }
}
