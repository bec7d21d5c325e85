import Primitives

/// Holds a node's claim of how recent its state is (`AppliedFreshness`) against true time: what anybody knew to be
/// committed before that moment must be applied there.
package struct FreshnessChecker: Sendable {
    /// When that much was first known to be committed; ascending in both.
    private var known: [(at: Instant, through: LogIndex)] = []

    package init() {}

    package mutating func noteCommitted(through index: LogIndex, at now: Instant) {
        guard index > known.last?.through ?? .zero else { return }
        known.append((now, index))
    }

    /// - Parameter moment: true time. What was learned in that very instant may be missing.
    package func judge(claimed moment: Instant, applied: LogIndex) -> String? {
        // Claims are of late, so the search begins at the end.
        guard let due = known.last(where: { $0.at < moment }), due.through > applied else { return nil }
        return "freshness: \(due.through) was committed at \(due.at), and only \(applied) is called so at \(moment)"
    }
}
