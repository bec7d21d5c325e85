import Primitives

/// The log in memory (Raft §5.3, §7): the entries after `base`, appended in constant amortised time. What lies at or
/// before the base is covered by a snapshot and gone; of the base itself, position and time are remembered.
///
///     1 ............ base | base + 1 ............... lastIndex
///     in the snapshot     | entries, some of which the snapshot may cover too, kept for followers that lag a little
package struct RaftLog: Sendable {
    /// Just before the first entry that is still here; zero as long as nothing was compacted.
    package private(set) var base: LogPosition
    private var baseTime: LogTime
    private var entries: [Entry]

    /// Traps unless the entries are consecutive from the base on and their terms ascend.
    package init(_ entries: [Entry] = [], base: LogPosition = .zero, baseTime: LogTime = .zero) {
        self.base = base
        self.baseTime = baseTime
        self.entries = []
        self.entries.reserveCapacity(entries.count)
        for entry in entries { append(entry) }
    }

    package var lastIndex: LogIndex { base.index + entries.count }
    package var lastTerm: Term { entries.last?.term ?? base.term }
    package var lastTime: LogTime { entries.last?.time ?? baseTime }
    package var lastPosition: LogPosition { LogPosition(index: lastIndex, term: lastTerm) }

    /// The term of the entry at `index`, the base included; nil before it and beyond the end.
    package func term(at index: LogIndex) -> Term? {
        if index == base.index { return base.term }
        return index > base.index && index <= lastIndex ? entries[offset(of: index)].term : nil
    }

    /// The log time of the entry at `index`, which must be the base or held here.
    package func time(at index: LogIndex) -> LogTime {
        index == base.index ? baseTime : entries[offset(of: index)].time
    }

    package subscript(index: LogIndex) -> Entry { entries[offset(of: index)] }

    package mutating func append(_ entry: Entry) {
        precondition(
            entry.index == lastIndex.next, "entry \(entry.index) does not follow last index \(lastIndex)")
        precondition(entry.term >= lastTerm, "term \(entry.term) at \(entry.index) is before \(lastTerm)")
        entries.append(entry)
    }

    /// Drops every entry after `index`.
    package mutating func truncate(after index: LogIndex) {
        precondition(
            base.index <= index && index <= lastIndex,
            "cannot keep \(index): the log holds \(base.index) to \(lastIndex)")
        entries.removeLast(lastIndex - index)
    }

    /// The entries in `(after, through]`.
    package func entries(after: LogIndex, through: LogIndex) -> [Entry] {
        precondition(
            base.index <= after && after <= through && through <= lastIndex,
            "no entries \(after)..\(through) of \(base.index)..\(lastIndex)")
        return Array(entries[(after - base.index)..<(through - base.index)])
    }

    /// The entries after `index` whose payloads fit `bytes`, at least one if there is any.
    package func entries(after index: LogIndex, bytes: Int) -> [Entry] {
        precondition(base.index <= index, "the entries after \(index) are gone: the log begins after \(base.index)")
        let start = index - base.index
        let limit = min(entries.count, start + RaftMessage.entryCountMax)
        var end = start
        var total = 0
        while end < limit {
            total += entries[end].payload.count
            if total > bytes, end > start { break }
            end += 1
        }
        return Array(entries[start..<end])
    }

    /// Whether the entries after `index` do not all fit one append of so many payload bytes.
    func exceeds(_ bytes: Int, after index: LogIndex) -> Bool {
        guard lastIndex - index <= RaftMessage.entryCountMax else { return true }
        var total = 0
        for entry in entries[(index - base.index)...] {
            total += entry.payload.count
            if total > bytes { return true }
        }
        return false
    }

    /// The last position not after `bound.index` whose term is not later than `bound.term`: where two logs that
    /// disagree at `bound` may agree at best. Skips a whole conflicting term at once. A place before the base cannot be
    /// judged here: then it is `bound`, or the place before the base.
    package func lastPosition(notAfter bound: LogPosition) -> LogPosition {
        if bound.index < base.index { return bound }
        var index = min(bound.index, lastIndex)
        while index > base.index, entries[offset(of: index)].term > bound.term { index = index.previous }
        guard let term = term(at: index), term <= bound.term else {
            return LogPosition(index: index.previous, term: bound.term)
        }
        return LogPosition(index: index, term: term)
    }

    private func offset(of index: LogIndex) -> Int { (index - base.index) - 1 }
}

// MARK: - Compaction

extension RaftLog {
    /// Forgets the entries through `index`, which a snapshot covers (Raft §7).
    package mutating func compact(through index: LogIndex) {
        precondition(index <= lastIndex, "cannot compact through \(index): last index is \(lastIndex)")
        guard index > base.index else { return }
        let last = entries[offset(of: index)]
        entries.removeFirst(index - base.index)
        base = LogPosition(index: last.index, term: last.term)
        baseTime = last.time
    }

    /// Forgets everything: the log goes on after a snapshot that it does not reach, or contradicts.
    package mutating func restart(after position: LogPosition, time: LogTime) {
        entries.removeAll()
        base = position
        baseTime = time
    }

    /// Where to compact to so that of what lies at or before `index` no more than so many entries and bytes stay.
    package func compactionPoint(before index: LogIndex, keepingEntries count: Int, bytes: Int) -> LogIndex {
        let end = min(index, lastIndex)
        var point = end
        var kept = 0
        while point > base.index, end - point < count {
            kept += entries[offset(of: point)].payload.count
            if kept > bytes { break }
            point = point.previous
        }
        return max(point, base.index)
    }
}
