import Primitives

/// This replica's reading of log time: what the last leader's message said, plus own time since it arrived.
///
/// Only leaders write their reading into entries and heartbeats; a new leader goes on from what it last received, so a
/// span of ten seconds stays one across leaders, and a crash of all of them stops the clock.
struct LogClock: Sendable {
    private var base: LogTime
    private var baseAt: Instant

    init(recovered: LogTime, now: Instant) {
        base = recovered
        baseAt = now
    }

    func time(at now: Instant) -> LogTime { now > baseAt ? base + (now - baseAt) : base }

    /// A leader's message said `time`. Older statements, delayed on the way, change nothing.
    mutating func observe(_ time: LogTime, at now: Instant) {
        guard time >= base else { return }
        base = time
        baseAt = now
    }
}
