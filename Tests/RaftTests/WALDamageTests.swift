import Primitives
import Raft
import Testing

@Suite("Write-ahead log: damage")
struct WALDamageTests {
    static let entries = [
        WALBench.entry(1, term: 1, bytes: 3), WALBench.entry(2, term: 1, bytes: 40),
        WALBench.entry(3, term: 2, bytes: 0), WALBench.entry(4, term: 2, bytes: 17),
    ]
    static let vote = HardState(term: Term(2), votedFor: ReplicaID(99))
    static let geometry = WALGeometry(segmentBytes: (1 << 20) + 8192, recordMax: 4, growthBytes: 64)

    /// Four entries, each acknowledged before the next.
    static func bench(_ geometry: WALGeometry = WALDamageTests.geometry) -> WALBench {
        var bench = WALBench(geometry: geometry)
        bench.commit(hardState: vote)
        for entry in entries { bench.commit([entry]) }
        return bench
    }

    /// Where the record of entry `place` begins in the first segment of `bench`.
    static func recordOffset(_ place: Int, recordMax: Int = 4) -> Int {
        entries[..<place].reduce(4096 + 32 * recordMax) { $0 + 64 + ($1.payload.count + 7) / 8 * 8 }
    }

    /// Damage may cost the ends of logs, never their truth: what is missing must be in doubt.
    static func check(_ found: WALRecovery, _ comment: Comment) {
        #expect(found.hardState == vote, comment)
        #expect(found.entries == Array(entries.prefix(found.entries.count)), comment)
        if found.entries.count < entries.count { #expect(found.doubt != nil, comment) }
        if let doubt = found.doubt {
            #expect(doubt.first == LogIndex(UInt64(found.entries.count + 1)), comment)
            #expect(doubt.last >= LogPosition(index: LogIndex(4), term: Term(2)), comment)
        }
    }

    /// The repaired directory says the same again and takes entries until the doubt is over.
    static func checkRepair(_ bench: WALBench, _ found: WALRecovery, _ comment: Comment) throws {
        var bench = bench
        bench.disk.execute(found.repairs)
        let again = try bench.recover()
        #expect(again.entries == found.entries && again.doubt == found.doubt, comment)
        guard found.doubt != nil else { return }
        bench.log = again.log
        bench.sequence = 0
        // A leader of a later term sends what is missing, and an entry of its own.
        bench.commit(hardState: HardState(term: Term(3)))
        bench.commit(Array(entries[found.entries.count...]))
        bench.commit([WALBench.entry(5, term: 3)])
        let healed = try bench.recover()
        #expect(healed.verdict == .clean && healed.entries == entries + [WALBench.entry(5, term: 3)], comment)
    }

    @Test("case 32: a tail cut at any byte leaves a clean prefix, and what is missing is in doubt")
    func cutEverywhere() throws {
        let bench = Self.bench()
        let size = try bench.disk.read(WALBench.segment).count
        for length in 0..<size {
            var cut = bench
            cut.disk.cut(WALBench.segment, to: length)
            let found = try cut.recover()
            if case .newReplica = found.verdict {
                #expect(length < 4096, "cut at \(length)")
                continue
            }
            Self.check(found, "cut at \(length)")
            if length % 7 == 0 { try Self.checkRepair(cut, found, "cut at \(length)") }
        }
    }

    @Test("case 38: every single bit of the log may flip: no wrong entry, no silent loss")
    func flipEverywhere() throws {
        let bench = Self.bench()
        let size = try bench.disk.read(WALBench.segment).count
        for bit in 0..<size * 8 {
            // The unused rest of the header block is the same test over and over.
            let offset = bit / 8 % 2048
            if bit / 8 < 4096, offset > 128, offset % 97 != 0 { continue }
            var flipped = bench
            flipped.disk.flip(bit: bit, of: WALBench.segment)
            let found = try flipped.recover()
            Self.check(found, "bit \(bit)")
            if bit % 61 == 0 { try Self.checkRepair(flipped, found, "bit \(bit)") }
        }
    }

    @Test("case 40: a vote survives the rot of any bit of either slot, and its repair is complete")
    func slotRot() throws {
        let bench = Self.bench()
        for (file, other) in [("hard-state-a", "hard-state-b"), ("hard-state-b", "hard-state-a")] {
            for bit in 0..<4096 * 8 where bit < 80 * 8 || bit % 509 == 0 {
                var flipped = bench
                flipped.disk.flip(bit: bit, of: file)
                let found = try flipped.recover()
                #expect(found.hardState == Self.vote && found.verdict == .clean, "bit \(bit) of \(file)")
                flipped.disk.execute(found.repairs)
                flipped.disk.lose(other)
                #expect(try flipped.recover().hardState == Self.vote, "bit \(bit) of \(file), then \(other) lost")
            }
        }
    }

    @Test("a vote that reached only one slot is in both before the replica goes on")
    func halfWrittenVote() throws {
        var bench = Self.bench()
        let later = HardState(term: Term(9), votedFor: ReplicaID(5))
        bench.disk.execute(bench.log.plan([bench.write(hardState: later)]).prefix(2))
        let found = try bench.recover()
        #expect(found.hardState == later)
        bench.disk.execute(found.repairs)
        bench.disk.flip(bit: 400, of: "hard-state-a")
        #expect(try bench.recover().hardState == later)
    }

    @Test("both slots rotten: a new replica, which refuses nothing but promises nothing either")
    func bothSlots() throws {
        var bench = Self.bench()
        bench.disk.flip(bit: 400, of: "hard-state-a")
        bench.disk.flip(bit: 8, of: "hard-state-b")
        #expect(try bench.recover().verdict == .newReplica(.hardStateLost))
    }

    @Test("an older copy of both slots is noticed by the log's terms")
    func staleSlots() throws {
        var bench = WALBench()
        let old = try bench.disk.read("hard-state-a")
        bench.commit(hardState: Self.vote, Self.entries)
        for file in ["hard-state-a", "hard-state-b"] { bench.disk.put(file, old) }
        #expect(try bench.recover().verdict == .newReplica(.hardStateStale(hardState: .zero, log: Term(2))))
    }

    @Test("case 33: valid records after the damage: faulty, from the damaged entry to the last")
    func faulty() throws {
        var bench = Self.bench()
        bench.disk.flip(bit: (Self.recordOffset(1) + 64 + 5) * 8, of: WALBench.segment)
        let found = try bench.recover()
        let doubt = WALDoubt(kind: .faulty, first: LogIndex(2), last: LogPosition(index: LogIndex(4), term: Term(2)))
        #expect(found.verdict == .faulty(doubt))
        #expect(found.entries == [Self.entries[0]])
        #expect(found.report().contains { $0.contains("neither votes nor acknowledges") })
        try Self.checkRepair(bench, found, "")
    }

    @Test("the last acknowledged record rots: doubtful, not torn")
    func doubtful() throws {
        var bench = Self.bench()
        bench.disk.flip(bit: (Self.recordOffset(3) + 64) * 8, of: WALBench.segment)
        let found = try bench.recover()
        let doubt = WALDoubt(kind: .doubtful, first: LogIndex(4), last: LogPosition(index: LogIndex(4), term: Term(2)))
        #expect(found.verdict == .doubtful(doubt) && found.doubt == doubt)
        try Self.checkRepair(bench, found, "")
        // A quorum that lacks the entry settles the doubt as well.
        bench.disk.execute(found.repairs)
        bench.log = found.log
        bench.sequence = 0
        bench.commit(settlesDoubt: true)
        #expect(bench.log.doubt == nil)
        #expect(try bench.recover().verdict == .clean)
    }

    @Test("a write whose identity never arrived was never acknowledged: torn")
    func torn() throws {
        var bench = Self.bench(.small)
        let plan = bench.log.plan([bench.write([WALBench.entry(5, term: 2, bytes: 200)])])
        bench.disk.execute(plan.dropLast(2))
        let end = try bench.disk.read(WALBench.segment).lastIndex { $0 != 0 } ?? 0
        bench.disk.cut(WALBench.segment, to: end - 20)
        let found = try bench.recover()
        guard case .torn = found.verdict else {
            Issue.record("\(found.verdict)")
            return
        }
        #expect(found.entries == Self.entries)
        bench.disk.execute(found.repairs)
        let again = try bench.recover()
        #expect(again.verdict == .clean && again.entries == Self.entries)
    }

    @Test("a segment in the middle that is missing, headless or emptied: faulty", arguments: 0..<3)
    func middleSegment(_ damage: Int) throws {
        var bench = WALBench(geometry: Self.geometry)
        bench.commit(hardState: Self.vote)
        let entries = (1...11).map { WALBench.entry($0, term: 2) }
        for entry in entries { bench.commit([entry]) }
        let file = "wal-00000002.log"
        switch damage {
        case 0: bench.disk.lose(file)
        case 1:
            bench.disk.flip(bit: 99, of: file)
            bench.disk.flip(bit: (2048 + 40) * 8, of: file)
        default: bench.disk.cut(file, to: 0)
        }
        let found = try bench.recover()
        let doubt = WALDoubt(kind: .faulty, first: LogIndex(5), last: LogPosition(index: LogIndex(11), term: Term(2)))
        #expect(found.verdict == .faulty(doubt) && found.entries == Array(entries[..<4]))
        bench.disk.execute(found.repairs)
        #expect(try bench.recover().verdict == .faulty(doubt))
    }

    @Test("bytes of any kind are judged, never a trap")
    func garbage() throws {
        for seed in 0..<UInt64(3000) {
            var random = SeededRandom(seed: seed)
            var bench = Self.bench()
            for file in try bench.disk.fileNames() where random.chance(1, in: 3) {
                let size = try bench.disk.read(file).count
                for _ in 0..<1 + random.below(4) {
                    let start = random.below(size)
                    let count = 1 + random.below(min(size - start, 300))
                    let bytes = random.chance(1, in: 2) ? random.bytes(count) : [UInt8](repeating: 0, count: count)
                    bench.disk.overwrite(file, at: start, with: bytes)
                }
                if random.chance(1, in: 5) { bench.disk.put(file, random.bytes(random.below(9000))) }
            }
            let found = try bench.recover()
            #expect(found.entries == Array(Self.entries.prefix(found.entries.count)), "seed \(seed)")
            #expect(!found.report().isEmpty)
            if case .newReplica = found.verdict { continue }
            bench.disk.execute(found.repairs)
            #expect(try bench.recover().entries == found.entries, "seed \(seed)")
        }
    }
}
