import Primitives

/// What a replica found on its disk when it started.
package struct RecoveredLog: Sendable {
    package let hardState: HardState
    /// The newest snapshot; nil if there is none.
    package let snapshot: SnapshotMetadata?
    /// Just before the first entry: zero, or a position that the snapshot covers.
    package let base: LogPosition
    /// Every entry after the base, without a gap. Where they end before the snapshot, they are empty, and the base is
    /// the snapshot's position.
    package let entries: [Entry]
    /// The identity of a last record whose body is unreadable. The replica may have acknowledged that entry, so it
    /// votes, for itself too, only for logs that reach at least this far, until a leader has sent the entry again.
    package let doubtfulTail: LogPosition?
    /// The replica certainly acknowledged what is missing through `doubtfulTail`: it neither votes nor acknowledges
    /// until a leader has sent it again.
    package let isFaulty: Bool

    package init(
        hardState: HardState = HardState(), snapshot: SnapshotMetadata? = nil, base: LogPosition = .zero,
        entries: [Entry] = [], doubtfulTail: LogPosition? = nil, isFaulty: Bool = false
    ) {
        precondition(
            base.index <= snapshot?.position.index ?? .zero,
            "the log begins after \(base), beyond the snapshot of \(String(describing: snapshot?.position))")
        self.hardState = hardState
        self.snapshot = snapshot
        self.base = base
        self.isFaulty = isFaulty
        self.entries = entries
        self.doubtfulTail = doubtfulTail
    }
}
