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
    /// The greatest round that a quorum answered with a promise long enough for the lease; never beyond `confirmed`.
    private(set) var promised: UInt64 = 0
    /// Until when the promises to it make the lease last.
    private(set) var promisedUntil: Instant?
    private var promisedSentAt: Instant?
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
        if let latest = open.last(where: { $0.number <= number }) { confirmedSentAt = latest.sentAt }
        return true
    }

    /// A quorum's promises to round `number` allow for a lease of this length from its send time.
    mutating func promise(through number: UInt64, lease: Duration) {
        guard number > promised else { return }
        precondition(number <= confirmed, "round \(number) is promised, and answered only through \(confirmed)")
        promised = number
        let answered = open.prefix { $0.number <= number }
        if let latest = planted(.leaseFromAnswer) ? open.last : answered.last { promisedSentAt = latest.sentAt }
        open.removeFirst(answered.count)
        promisedUntil = promisedSentAt.map { $0 + (planted(.leaseTooLong) ? lease + lease : lease) }
    }

    /// The lease is shorter from now on, also where it counts from an earlier round.
    mutating func shorten(to lease: Duration) {
        if let promisedSentAt, let until = promisedUntil { promisedUntil = min(until, promisedSentAt + lease) }
    }

    /// A new leadership: nothing of an earlier one counts.
    mutating func restart() {
        if planted(.roundsOfOtherTerms) { last = 0 }
        confirmed = 0
        confirmedSentAt = nil
        promised = 0
        promisedSentAt = nil
        promisedUntil = nil
        open.removeAll(keepingCapacity: true)
    }
}
