import Primitives

/// The term of every entry, as runs: the log's last term after a truncation, without keeping the entries. Bounded by
/// the number of elections that left entries, a few bytes each.
struct WALTermRuns: Hashable, Sendable {
    private struct Run: Hashable, Sendable {
        let first: LogIndex
        let term: Term
    }

    private var runs: [Run] = []
    private(set) var lastIndex = LogIndex.zero

    var last: LogPosition { LogPosition(index: lastIndex, term: runs.last?.term ?? .zero) }

    /// False, and nothing has changed, if the entry does not follow (Raft §5.3): then the bytes it came from lie.
    mutating func append(_ position: LogPosition) -> Bool {
        guard position.index == lastIndex.next, position.term >= last.term else { return false }
        if runs.isEmpty || position.term > last.term { runs.append(Run(first: position.index, term: position.term)) }
        lastIndex = position.index
        return true
    }

    /// False, and nothing has changed, if there is no such index.
    mutating func truncate(after index: LogIndex) -> Bool {
        guard index <= lastIndex else { return false }
        lastIndex = index
        while let run = runs.last, run.first > index { runs.removeLast() }
        return true
    }

    func checkInvariants() {
        precondition(runs.isEmpty == (lastIndex == .zero), "\(runs.count) runs of terms up to index \(lastIndex)")
        precondition(runs.isEmpty || runs[0].first == LogIndex(1), "the log begins after index 1")
        for (run, next) in zip(runs, runs.dropFirst()) {
            precondition(
                run.first < next.first && run.term < next.term, "term \(next.term) at \(next.first) is out of order")
        }
    }
}
