import Primitives

/// What a replica found on its disk when it started.
package struct RecoveredLog: Sendable {
    package let hardState: HardState
    /// Every entry from index 1 on, without a gap.
    package let entries: [Entry]
    /// The identity of a last record whose body is unreadable. The replica may have acknowledged that entry, so it
    /// votes, for itself too, only for logs that reach at least this far, until a leader has sent the entry again.
    package let doubtfulTail: LogPosition?

    package init(hardState: HardState = HardState(), entries: [Entry] = [], doubtfulTail: LogPosition? = nil) {
        self.hardState = hardState
        self.entries = entries
        self.doubtfulTail = doubtfulTail
    }
}
