import Primitives

/// How recent what this node has applied is. Consensus proves that everything committed before a moment lies within an index
/// (`Freshness.confirmedAt`); here that moment counts once the index is applied, and the one before it until then: a node that
/// is one entry behind for a moment knows all that it knew.
package struct AppliedFreshness: Sendable {
    /// Everything committed before it is applied here. Nil until the node has caught up for the first time in this life.
    package private(set) var reachedAt: Instant?
    private var awaited: (moment: Instant, index: LogIndex)?

    mutating func note(confirmedAt: Instant?, within index: LogIndex, applied: LogIndex) {
        if let awaited, awaited.index <= applied {
            reachedAt = awaited.moment
            self.awaited = nil
        }
        guard let confirmedAt else { return }
        if index <= applied {
            (reachedAt, awaited) = (confirmedAt, nil)
        } else if awaited == nil {
            // Later ones wait their turn: under steady writes the newest is never applied yet.
            awaited = (confirmedAt, index)
        }
    }
}
