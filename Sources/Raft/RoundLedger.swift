import Primitives

/// The leader's questions "do you still follow me?" and when each was asked.
///
/// A quorum's answers to round r prove that nobody else was elected before r was sent: each of those voters refuses
/// its vote for E from when it received r. So the lease counts from the send time, never from the arrival of answers
/// (thesis §6.4.1). Numbers are never reused within a process, terms tell processes apart.
struct RoundLedger: Sendable {
    /// More than are open in practice; beyond it the oldest is forgotten, which only makes the lease end earlier.
    static let openMax = 64

    private struct Round: Sendable {
        let number: UInt64
        let sentAt: Instant
    }

    private(set) var last: UInt64 = 0
    /// The greatest round that a quorum answered in this leadership; 0 if none.
    private(set) var confirmed: UInt64 = 0
    /// When it, or an older confirmed round, was sent.
    private(set) var confirmedSentAt: Instant?
    private var open: [Round] = []

    mutating func begin(at now: Instant) -> UInt64 {
        last += 1
        if open.count == Self.openMax { open.removeFirst() }
        open.append(Round(number: last, sentAt: now))
        return last
    }

    /// Returns whether this is news.
    mutating func confirm(through number: UInt64) -> Bool {
        guard number > confirmed else { return false }
        precondition(number <= last, "round \(number) was never sent: the last is \(last)")
        confirmed = number
        let answered = open.prefix { $0.number <= number }
        if let latest = answered.last { confirmedSentAt = latest.sentAt }
        open.removeFirst(answered.count)
        return true
    }

    /// A new leadership: nothing of an earlier one counts.
    mutating func restart() {
        confirmed = 0
        confirmedSentAt = nil
        open.removeAll(keepingCapacity: true)
    }
}
