import Primitives

/// The log as records build it up: what recovery replays.
struct WALReplay: Sendable {
    private(set) var entries: [Entry] = []
    private(set) var terms: WALTermRuns
    var doubt: WALDoubt?
    /// The number of the next record.
    private(set) var nextNumber: UInt64
    /// The files so far.
    private(set) var segments: [WALSegmentSpan] = []

    /// Begins after `base`, with record `number`.
    init(base: LogPosition = .zero, number: UInt64 = 1) {
        terms = WALTermRuns(base: base)
        nextNumber = number
    }

    mutating func begin(_ header: WALSegmentHeader) {
        segments.append(WALSegmentSpan(number: header.segment, base: header.base))
        doubt = header.doubt
    }

    /// False, and nothing has changed, if the record is not the next one or contradicts the log: rot that fooled the
    /// checksum, or a write that went elsewhere.
    mutating func apply(_ record: WALRecord) -> Bool {
        guard record.number == nextNumber else { return false }
        switch record.kind {
        case .entry(let entry):
            guard terms.append(LogPosition(index: entry.index, term: entry.term)) else { return false }
            entries.append(entry)
        case .truncate(let index):
            let before = terms.lastIndex
            guard terms.truncate(after: index) else { return false }
            entries.removeLast(before - index)
            for place in segments.indices where segments[place].base.index > index { segments[place].isUndercut = true }
        case .restart(let position):
            entries.removeAll()
            terms = WALTermRuns(base: position)
        case .settle:
            break
        }
        doubt = Self.doubt(doubt, after: record.kind)
        nextNumber += 1
        return true
    }

    /// A doubt is over when it is declared settled, or once the log holds an entry at or beyond the doubtful one that
    /// is no older: only a leader elected since can have sent it, and whatever was committed is in that leader's log
    /// (Raft §5.4.3), hence in ours before this entry.
    static func doubt(_ doubt: WALDoubt?, after kind: WALRecord.Kind) -> WALDoubt? {
        switch kind {
        case .entry(let entry): return Self.doubt(doubt, at: LogPosition(index: entry.index, term: entry.term))
        case .restart(let position): return Self.doubt(doubt, at: position)
        case .truncate: return doubt
        case .settle: return nil
        }
    }

    static func doubt(_ doubt: WALDoubt?, at end: LogPosition) -> WALDoubt? {
        guard let doubt, end.index < doubt.last.index || end.term < doubt.last.term else { return nil }
        return doubt
    }
}
