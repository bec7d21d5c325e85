import Primitives

/// One file of the log, as compaction sees it.
struct WALSegmentSpan: Hashable, Sendable {
    let number: UInt64
    /// The log's end just before the file's first record.
    let base: LogPosition
    /// A later truncation went back to before the base: a replay cannot begin with this file.
    var isUndercut = false
}

/// Snapshots and what they make superfluous (Raft §7).
///
///     publish:  header, sync, rename, directory sync     the snapshot is durable
///               a restart record, sync                   only if the log ends before it, or contradicts it
///               remove the third snapshot, then, oldest first and each followed by a directory sync,
///               the segments wholly before the older of the two snapshots that stay
///
/// A crash in between leaves a log that still reaches back far enough, and files that the next publication removes.
extension WriteAheadLog {
    mutating func plan(_ step: SnapshotStep) -> [DiskOperation] {
        switch step {
        case .slice(let offset, let bytes): SnapshotFile.planSlice(offset: offset, bytes)
        case .publish(let metadata, let id, _): SnapshotFile.planPublication(metadata, id, owner: owner)
        }
    }

    /// What to remove once the snapshot of `index` is durable.
    mutating func planRemovals(published index: LogIndex) -> [DiskOperation] {
        snapshots.removeAll { $0 == index }
        snapshots.append(index)
        var operations: [DiskOperation] = []
        while snapshots.count > SnapshotFile.keptCount {
            operations += [.remove(file: SnapshotFile.name(snapshots.removeFirst())), .syncDirectory]
        }
        guard snapshots.count == SnapshotFile.keptCount else { return operations }
        let limit = snapshots[0]
        guard let first = segments.lastIndex(where: { $0.base.index <= limit && !$0.isUndercut }) else {
            return operations
        }
        for segment in segments[..<first] {
            operations += [.remove(file: WALSegmentHeader.fileName(segment.number)), .syncDirectory]
        }
        segments.removeFirst(first)
        return operations
    }

    mutating func noteUndercut(_ index: LogIndex) {
        for place in segments.indices where segments[place].base.index > index { segments[place].isUndercut = true }
    }

    /// The last plan found no space and nothing of it counts: goes on as `before` it. The operations that did run only
    /// wrote where the next plan writes again. Generations of the hard state are never used twice.
    package mutating func rollBack(to before: WriteAheadLog, failed write: DurableWrite) {
        let (slots, sequence) = (slots, lastSequence)
        self = before
        self.slots = slots
        lastSequence = sequence
        isHardStateUncertain = isHardStateUncertain || write.hardState != nil
        if case .slice? = write.snapshot { hasAbandonedSnapshot = true }
    }
}
