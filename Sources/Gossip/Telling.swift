import Primitives

/// What one peer was told in person of our unsigned sections, and how soon it may be told more.
///
/// The pace is a leaky bucket kept as a virtual schedule: each telling moves the schedule on by an interval, and may come
/// as early as a burst before it. So what seldom changes is told at once, and what changes every moment is told at a steady
/// rate, always with the newest content.
///
///     schedule          |--interval--|--interval--|
///                                     allowedAt ... scheduledAt
struct Telling: Sendable {
    /// Our version counter as of the last telling: later publications are owed.
    private(set) var version: UInt64 = 0
    private var scheduledAt: Instant

    /// Tellings that may follow each other at once after a quiet time.
    static let burst = 3

    init(now: Instant) { scheduledAt = now }

    /// When a telling may leave at the earliest.
    func allowedAt(interval: Duration) -> Instant { scheduledAt - interval * (Self.burst - 1) }

    /// A datagram of its own left.
    mutating func spend(_ interval: Duration, upTo version: UInt64, now: Instant) {
        scheduledAt = max(scheduledAt, now) + interval
        self.version = version
    }

    /// It went along with something that was sent anyway.
    mutating func ride(upTo version: UInt64) { self.version = version }

    /// The peer is new, or back: it knows nothing of us.
    mutating func forget() { version = 0 }
}
