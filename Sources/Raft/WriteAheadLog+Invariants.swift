import Primitives

extension WriteAheadLog {
    /// Traps with the values if the bookkeeping contradicts itself. For tests and the simulator, after each step.
    package func checkInvariants() {
        terms.checkInvariants()
        let header = active.header
        precondition(header.owner == owner, "segment \(header.segment) belongs to \(header.owner.replica)")
        precondition(
            header.recordsOffset <= active.end && active.end <= active.zeroedThrough && active.end % 8 == 0,
            "records end at \(active.end), file written through \(active.zeroedThrough)")
        precondition(
            isRetired
                || segments.last
                    == WALSegmentSpan(
                        number: header.segment, base: header.base, isUndercut: segments.last?.isUndercut ?? false),
            "the active file \(header.segment) is not the last of \(segments.map(\.number))")
        precondition(
            snapshots.count <= SnapshotFile.keptCount && zip(snapshots, snapshots.dropFirst()).allSatisfy { $0 < $1 },
            "snapshots \(snapshots) are out of order")
        precondition(
            nextNumber >= header.firstNumber && nextNumber - header.firstNumber <= UInt64(header.recordMax),
            "record \(nextNumber) is outside segment \(header.segment), which begins at \(header.firstNumber)")
        precondition(
            terms.last.term <= slots.state.term,
            "the log reaches term \(terms.last.term), the hard state only \(slots.state.term)")
    }
}
