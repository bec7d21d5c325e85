/// The local health multiplier (Lifeguard §IV-A): a node that misses answers it was owed suspects itself first, and
/// gives everyone more time. 0 is healthy.
///
/// Deviation: only waits are prolonged, not the intervals between probes. Probing is also how the score recovers.
struct LocalHealth: Sendable {
    private(set) var score = 0
    let scoreMax: Int

    init(scoreMax: Int) {
        precondition(scoreMax >= 0, "local health limit \(scoreMax) is negative")
        self.scoreMax = scoreMax
    }

    /// What probe timeouts and the shortest suspicion are multiplied by.
    var multiplier: Int { score + 1 }

    mutating func improve() { score = max(0, score - 1) }

    mutating func worsen(by penalty: Int = 1) {
        precondition(penalty >= 0, "penalty \(penalty) is negative")
        score = min(scoreMax, score + penalty)
    }
}
