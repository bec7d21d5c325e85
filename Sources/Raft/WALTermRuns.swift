import Primitives

/// The term of every entry after a base, as runs: the log's last term after a truncation, without keeping the entries. Bounded by
/// the number of elections that left entries, a few bytes each.
struct WALTermRuns: Hashable, Sendable {
    private struct Run: Hashable, Sendable {
        let first: LogIndex
        let term: Term
    }

    private var runs: [Run] = []
    /// Just before the first entry.
    let base: LogPosition
    private(set) var lastIndex: LogIndex

    init(base: LogPosition = .zero) {
        self.base = base
        lastIndex = base.index
    }

    var last: LogPosition { LogPosition(index: lastIndex, term: runs.last?.term ?? base.term) }

    /// Nil outside of the log; the base is inside.
    func term(at index: LogIndex) -> Term? {
        guard base.index <= index, index <= lastIndex else { return nil }
        return runs.last { $0.first <= index }?.term ?? base.term
    }

    /// False, and nothing has changed, if the entry does not follow (Raft §5.3): then the bytes it came from lie.
    mutating func append(_ position: LogPosition) -> Bool {
        guard position.index == lastIndex.next, position.term >= last.term else { return false }
        if runs.isEmpty || position.term > last.term { runs.append(Run(first: position.index, term: position.term)) }
        lastIndex = position.index
        return true
    }

    /// False, and nothing has changed, if there is no such index.
    mutating func truncate(after index: LogIndex) -> Bool {
        guard base.index <= index, index <= lastIndex else { return false }
        lastIndex = index
        while let run = runs.last, run.first > index { runs.removeLast() }
        return true
    }

    func checkInvariants() {
        precondition(runs.isEmpty == (lastIndex == base.index), "\(runs.count) runs of terms up to index \(lastIndex)")
        precondition(
            runs.isEmpty || runs[0].first == base.index.next && runs[0].term >= base.term,
            "the log does not begin after \(base)")
        for (run, next) in zip(runs, runs.dropFirst()) {
            precondition(
                run.first < next.first && run.term < next.term, "term \(next.term) at \(next.first) is out of order")
        }
    }
}
