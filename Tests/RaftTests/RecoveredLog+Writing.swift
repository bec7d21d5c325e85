import Primitives
import Raft

extension RecoveredLog {
    /// What the disk holds once this write is durable, or as much of it as a crash leaves: the first `kept` entries.
    /// As the log on disk does, the file log reaches back to the snapshot before the newest, and a doubt is kept until an
    /// entry at or beyond it is there or it is declared settled.
    func after(_ write: DurableWrite, kept: Int? = nil) -> RecoveredLog {
        var (snapshot, base, entries) = (snapshot, base, entries)
        if case .publish(let metadata, _, let voidsLog)? = write.snapshot {
            if voidsLog {
                (base, entries) = (metadata.position, [])
            } else if let previous = snapshot?.position, previous.index > base.index {
                entries.removeFirst(previous.index - base.index)
                base = previous
            }
            snapshot = metadata
        }
        if let keep = write.truncateAfter, keep < base.index + entries.count {
            entries.removeLast(base.index + entries.count - keep)
        }
        let count = kept ?? write.entries.count
        let isWhole = count == write.entries.count
        entries += write.entries.prefix(count)
        let end = entries.last.map { LogPosition(index: $0.index, term: $0.term) } ?? base
        let isSettled = write.settlesDoubt && isWhole
        let tail = doubtfulTail.flatMap { end >= $0 || isSettled ? nil : $0 }
        return RecoveredLog(
            hardState: write.hardState ?? hardState, snapshot: snapshot, base: base, entries: entries,
            doubtfulTail: tail, isFaulty: isFaulty && tail != nil)
    }

    /// As recovery hands it over: a log that ends before the snapshot goes on after it.
    func recovered() -> RecoveredLog {
        guard let position = snapshot?.position, position.index > base.index + entries.count else { return self }
        return RecoveredLog(
            hardState: hardState, snapshot: snapshot, base: position, doubtfulTail: doubtfulTail, isFaulty: isFaulty)
    }

    func with(entries: [Entry], doubtfulTail: LogPosition?, isFaulty: Bool = false) -> RecoveredLog {
        RecoveredLog(
            hardState: hardState, snapshot: snapshot, base: base, entries: entries, doubtfulTail: doubtfulTail,
            isFaulty: isFaulty)
    }

    /// Whether log or snapshot hold the entry.
    func holds(_ entry: Entry) -> Bool {
        if let snapshot, entry.index <= snapshot.position.index { return true }
        guard entry.index > base.index, entry.index - base.index <= entries.count else { return false }
        return entries[entry.index - base.index - 1].term == entry.term
    }
}

extension DurableWrite {
    /// Needs no space.
    var isReduced: Bool { entries.isEmpty && truncateAfter == nil && snapshot == nil && !settlesDoubt }
}
