import Primitives
import Raft
import Testing

@Suite struct RaftLogTests {
    /// Entries 1 to 8 with these terms.
    private let terms: [UInt64] = [1, 1, 2, 2, 4, 4, 4, 6]

    private func log(compactedThrough index: UInt64 = 0) -> RaftLog {
        var log = RaftLog(SoloReplica.entries(terms))
        log.compact(through: LogIndex(index))
        return log
    }

    @Test("a compacted log answers for its base and what follows as the whole log does", arguments: 0...8)
    func compaction(base: UInt64) {
        let whole = log()
        let short = log(compactedThrough: base)
        #expect(short.base == LogPosition(index: LogIndex(base), term: base == 0 ? .zero : Term(terms[Int(base) - 1])))
        #expect(short.lastPosition == whole.lastPosition && short.lastTime == whole.lastTime)
        for index in 0...UInt64(9) {
            let expected = index < base ? nil : whole.term(at: LogIndex(index))
            #expect(short.term(at: LogIndex(index)) == expected, "term at \(index)")
        }
        for start in base...8 {
            for end in start...8 {
                let (start, end) = (LogIndex(start), LogIndex(end))
                #expect(short.entries(after: start, through: end) == whole.entries(after: start, through: end))
            }
            #expect(short.entries(after: LogIndex(start), bytes: 2) == whole.entries(after: LogIndex(start), bytes: 2))
        }
    }

    @Test("entries go on after a base, and truncation stops at it")
    func growth() {
        var log = log(compactedThrough: 8)
        #expect(log.lastIndex == LogIndex(8) && log.lastTerm == Term(6))
        for entry in SoloReplica.entries([6, 7], after: 8) { log.append(entry) }
        #expect(log.lastPosition == LogPosition(index: LogIndex(10), term: Term(7)))
        log.truncate(after: LogIndex(8))
        #expect(log.lastIndex == LogIndex(8))
        log.compact(through: LogIndex(3))
        #expect(log.base.index == LogIndex(8), "compaction never goes back")
    }

    @Test("a log restarted after a snapshot begins there, whatever it held")
    func restart() {
        var log = log(compactedThrough: 2)
        log.restart(after: LogPosition(index: LogIndex(5), term: Term(9)), time: LogTime(milliseconds: 77))
        #expect(log.lastPosition == log.base && log.lastTime == LogTime(milliseconds: 77))
        #expect(log.term(at: LogIndex(5)) == Term(9) && log.term(at: LogIndex(4)) == nil)
    }

    @Test("a hint never points into what is compacted, and skips conflicting terms (Raft §5.3)")
    func hints() {
        let log = log(compactedThrough: 4)
        func hint(_ index: UInt64, _ term: UInt64) -> LogPosition {
            log.lastPosition(notAfter: LogPosition(index: LogIndex(index), term: Term(term)))
        }
        #expect(hint(20, 5) == LogPosition(index: LogIndex(7), term: Term(4)))
        #expect(hint(6, 3) == LogPosition(index: LogIndex(4), term: Term(2)))
        #expect(hint(6, 1).index == LogIndex(3), "the base itself conflicts: what precedes it must come by snapshot")
        #expect(hint(2, 1) == LogPosition(index: LogIndex(2), term: Term(1)))
    }

    @Test("as many entries and bytes stay as are asked for")
    func keeping() {
        let log = log(compactedThrough: 1)
        func point(_ index: UInt64, _ entries: Int, _ bytes: Int = 100) -> UInt64 {
            log.compactionPoint(before: LogIndex(index), keepingEntries: entries, bytes: bytes).value
        }
        #expect(point(6, 0) == 6)
        #expect(point(6, 2) == 4)
        #expect(point(6, 2, 1) == 5)
        #expect(point(6, 100) == 1)
        #expect(point(100, 3) == 5)
    }
}
