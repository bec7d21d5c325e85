import Primitives

/// This replica's reading of log time: what the last leader's message said, plus own time since it arrived.
///
/// Only leaders write their reading into entries and heartbeats; a new leader goes on from what it last received, so a
/// span of ten seconds stays one across leaders, and a crash of all of them stops the clock. A leader whose disk lagged
/// behind what the one before it had said is behind with its time too, and its word counts: who went on by the earlier
/// one would, elected next, skip the difference, and locks would end before their time.
struct LogClock: Sendable {
    /// Of the leader that said it.
    private var term: Term = .zero
    private var base: LogTime
    private var baseAt: Instant

    init(recovered: LogTime, now: Instant) {
        base = recovered
        baseAt = now
    }

    func time(at now: Instant) -> LogTime {
        if planted(.logTimeRunsFast), now > baseAt { return base + (now - baseAt) + (now - baseAt) }
        return now > baseAt ? base + (now - baseAt) : base
    }

    /// The leader's message said `time`. Its older statements, delayed on the way, change nothing.
    mutating func observe(_ time: LogTime, in term: Term, at now: Instant) {
        guard time >= base || term > self.term else { return }
        self.term = term
        base = time
        baseAt = now
    }
}
