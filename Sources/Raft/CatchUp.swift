import Primitives

/// Whether a learner keeps up, so that its vote would not hold commits up (thesis §4.2.1).
///
/// In rounds: each asks for what the log held when the round began. A round that takes less than an election timeout
/// shows that the next one would be short as well; a longer one starts the wait anew, and so does reaching the end of the
/// log, since the round after that is empty.
///
///     begin: target = end of the log --acknowledged within E--> ready, next round
///                                    --later------------------> not ready, next round
struct CatchUp: Sendable {
    private var target: LogIndex
    private var beganAt: Instant
    /// Since when every round was short.
    private var readySince: Instant?

    init(target: LogIndex, at now: Instant) {
        self.target = target
        beganAt = now
    }

    /// The learner holds everything through `match`.
    mutating func note(match: LogIndex, last: LogIndex, timeout: Duration, at now: Instant) {
        guard match >= target else { return }
        let isShort = now - beganAt <= timeout
        readySince = isShort ? readySince ?? now : match >= last ? now : nil
        target = last
        beganAt = now
    }

    /// Kept up for `span`, and is not late now.
    func isReady(match: LogIndex, for span: Duration, timeout: Duration, at now: Instant) -> Bool {
        guard let readySince, match >= target || now - beganAt <= timeout else { return false }
        return now - readySince >= span
    }
}
