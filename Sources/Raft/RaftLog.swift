import Primitives

/// The log in memory (Raft §5.3): entries from index 1 to `lastIndex`, appended in constant amortised time.
package struct RaftLog: Sendable {
    private var entries: [Entry]

    /// Traps unless the entries are consecutive from index 1 and their terms ascend.
    package init(_ entries: [Entry] = []) {
        self.entries = []
        self.entries.reserveCapacity(entries.count)
        for entry in entries { append(entry) }
    }

    package var lastIndex: LogIndex { LogIndex(UInt64(entries.count)) }
    package var lastTerm: Term { entries.last?.term ?? .zero }
    package var lastTime: LogTime { entries.last?.time ?? .zero }
    package var lastPosition: LogPosition { LogPosition(index: lastIndex, term: lastTerm) }

    /// The term of the entry at `index`; zero for index 0, nil beyond the end.
    package func term(at index: LogIndex) -> Term? {
        if index == .zero { return .zero }
        return index <= lastIndex ? entries[offset(of: index)].term : nil
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
        precondition(index <= lastIndex, "cannot keep \(index): last index is \(lastIndex)")
        entries.removeLast(lastIndex - index)
    }

    /// The entries in `(after, through]`.
    package func entries(after: LogIndex, through: LogIndex) -> [Entry] {
        precondition(after <= through && through <= lastIndex, "no entries \(after)..\(through) of \(lastIndex)")
        return Array(entries[Int(after.value)..<Int(through.value)])
    }

    /// The entries after `index` whose payloads fit `bytes`, at least one if there is any.
    package func entries(after index: LogIndex, bytes: Int) -> [Entry] {
        let start = Int(index.value)
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

    /// The last position not after `bound.index` whose term is not later than `bound.term`: where two logs that
    /// disagree at `bound` may agree at best. Skips a whole conflicting term at once.
    package func lastPosition(notAfter bound: LogPosition) -> LogPosition {
        var index = min(bound.index, lastIndex)
        while index > .zero, entries[offset(of: index)].term > bound.term { index = index.previous }
        return LogPosition(index: index, term: term(at: index) ?? .zero)
    }

    private func offset(of index: LogIndex) -> Int { Int(index.value) - 1 }
}
