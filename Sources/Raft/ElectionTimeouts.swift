import Primitives

/// The election timeout E as the log states it, in two numbers so that it can change while leases are held.
///
/// A lease is safe as long as no voter that confirmed it forgets a leader's word sooner than the leader trusts it. So every
/// answer to a heartbeat says for how long the vote is withheld (`HeartbeatReply.promise`), and only answers that promise
/// enough renew the lease. That a voter is dead, or missed a change, then costs nothing but its own word. A change takes
/// two steps, as joint consensus does for voters, so that the lease does not lapse on the way:
///
///     a --> lease min(a, b), patience max(a, b) --committed--> b
///
/// In the first, everyone's old promise is long enough; when it is committed, a quorum's new one is.
package struct ElectionTimeouts: Hashable, Sendable {
    /// Outside this nothing is agreed on, nor decoded.
    package static let range: ClosedRange<Duration> = .milliseconds(10)...(.seconds(60))

    /// What is wanted.
    package let timeout: Duration
    /// What may still be gone by; equal to `timeout` when the change is over.
    package let former: Duration

    /// Traps unless both are whole microseconds in `range`.
    package init(_ timeout: Duration, former: Duration? = nil) {
        self.timeout = timeout
        self.former = former ?? timeout
        precondition(isValid, "election timeouts \(timeout) and \(self.former)")
    }

    /// What leaders measure their lease by.
    package var lease: Duration { planted(.timeoutInOneStep) ? max(timeout, former) : min(timeout, former) }
    /// For how long voters withhold their votes after a leader's word, and what elections and quorum checks wait for.
    package var patience: Duration { max(timeout, former) }
    package var isSettled: Bool { timeout == former }
    /// The second step.
    package var settled: ElectionTimeouts { ElectionTimeouts(timeout) }

    private var isValid: Bool {
        [timeout, former].allSatisfy { Self.range.contains($0) && $0.inNanoseconds.isMultiple(of: 1000) }
    }

    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(timeout.inNanoseconds / 1000))
        writer.writeVarint(UInt64(former.inNanoseconds / 1000))
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        timeout = try Self.readMicroseconds(&reader)
        former = try Self.readMicroseconds(&reader)
        guard isValid else { throw .invalid("election timeouts") }
    }

    private static func readMicroseconds(_ reader: inout ByteReader) throws(DecodeError) -> Duration {
        let microseconds = try reader.readVarint()
        guard microseconds <= 60_000_000 else { throw .tooLong }
        return .microseconds(Int64(microseconds))
    }
}
