import Primitives
import Raft
import Testing

@Suite("Write-ahead log: snapshots and compaction")
struct WALCompactionTests {
    /// Four records a file.
    private static let geometry = WALDamageTests.geometry

    /// Entries 1 to `count` of term 2, each acknowledged before the next.
    private static func bench(_ count: UInt64) -> WALBench {
        var bench = WALBench(geometry: geometry)
        bench.commit(hardState: HardState(term: Term(2)))
        for index in 1...count { bench.commit([WALBench.entry(index, term: 2)]) }
        return bench
    }

    private static func entries(_ range: ClosedRange<UInt64>) -> [Entry] { range.map { WALBench.entry($0, term: 2) } }

    private static func segments(_ bench: WALBench) throws -> [String] {
        try bench.disk.fileNames().filter { $0.hasPrefix("wal-") }
    }

    @Test("a snapshot written in slices is recovered with the log")
    func roundTrip() throws {
        var bench = Self.bench(6)
        let snapshot = WALBench.snapshot(5, term: 2)
        bench.save(snapshot)
        let found = try bench.recover()
        #expect(found.verdict == .clean && found.snapshot == snapshot)
        #expect(found.base == .zero && found.entries == Self.entries(1...6), "the log goes on until there are two")
        #expect(try bench.disk.fileNames().contains("snapshot-0000000000000005"))
    }

    @Test("segments wholly before the older of two snapshots go, and the oldest of three snapshots")
    func compaction() throws {
        var bench = Self.bench(10)
        bench.save(WALBench.snapshot(9, term: 2))
        #expect(try Self.segments(bench).count == 3)
        for index in UInt64(11)...18 { bench.commit([WALBench.entry(index, term: 2)]) }
        bench.save(WALBench.snapshot(17, term: 2))
        #expect(try Self.segments(bench) == ["wal-00000003.log", "wal-00000004.log", "wal-00000005.log"])
        let found = try bench.recover()
        #expect(found.verdict == .clean && found.base.index == LogIndex(8) && found.entries == Self.entries(9...18))
        #expect(found.snapshot?.position.index == LogIndex(17))
        // The recovered log goes on as the other would have.
        bench.disk.execute(found.repairs)
        bench.log = found.log
        bench.sequence = 0
        bench.commit([WALBench.entry(19, term: 2)])
        bench.save(WALBench.snapshot(19, term: 2))
        #expect(try bench.disk.fileNames().filter { $0.hasPrefix("snapshot") }.count == 2)
        #expect(try Self.segments(bench) == ["wal-00000005.log"])
        #expect(try bench.recover().entries == Self.entries(17...19))
    }

    @Test("the newest snapshot rots, anywhere: the one before and the log replace it, nothing is lost")
    func rotten() throws {
        var bench = Self.bench(10)
        bench.save(WALBench.snapshot(9, term: 2))
        bench.save(WALBench.snapshot(10, term: 2))
        let name = "snapshot-0000000000000010"
        for byte in try Array(0..<76) + Array(4096..<bench.disk.read(name).count) {
            var flipped = bench
            flipped.disk.flip(bit: byte * 8 + byte % 8, of: name)
            let found = try flipped.recover()
            #expect(found.verdict == .clean && found.snapshot?.position.index == LogIndex(9), "byte \(byte)")
            #expect(found.entries.last == WALBench.entry(10, term: 2))
            flipped.disk.execute(found.repairs)
            #expect(try !flipped.disk.fileNames().contains(name))
        }
        for length in [0, 100, 4096, 4150] {
            var cut = bench
            cut.disk.cut(name, to: length)
            #expect(try cut.recover().snapshot?.position.index == LogIndex(9))
        }
    }

    @Test("no snapshot reaches the log any more: faulty, and what lies between comes from the others")
    func gap() throws {
        var bench = Self.bench(18)
        bench.save(WALBench.snapshot(9, term: 2))
        bench.save(WALBench.snapshot(17, term: 2))
        for name in try bench.disk.fileNames() where name.hasPrefix("snapshot-") { bench.disk.flip(bit: 80, of: name) }
        let found = try bench.recover()
        let doubt = WALDoubt(kind: .faulty, first: LogIndex(1), last: LogPosition(index: LogIndex(18), term: Term(2)))
        #expect(
            found.verdict == .faulty(doubt) && found.entries.isEmpty && found.snapshot == nil && found.base == .zero)
        bench.disk.execute(found.repairs)
        let again = try bench.recover()
        #expect(again.verdict == .faulty(doubt), "restarted, it is as faulty as before")
        // A leader sends it a snapshot, and entries through the last trace.
        bench.log = again.log
        bench.sequence = 0
        bench.save(WALBench.snapshot(17, term: 2), voidsLog: true)
        #expect(try bench.recover().doubt == doubt)
        bench.commit([WALBench.entry(18, term: 2)])
        let healed = try bench.recover()
        #expect(healed.verdict == .clean && healed.entries == Self.entries(18...18))
    }

    @Test("damage in files wholly before the snapshot costs nothing")
    func coveredDamage() throws {
        var bench = Self.bench(14)
        bench.save(WALBench.snapshot(13, term: 2))
        for file in ["wal-00000001.log", "wal-00000002.log"] {
            let size = try bench.disk.read(file).count
            for byte in stride(from: 0, to: size, by: 37) {
                var flipped = bench
                flipped.disk.flip(bit: byte * 8, of: file)
                let found = try flipped.recover()
                #expect(found.verdict == .clean && found.doubt == nil, "\(file), byte \(byte)")
                #expect(found.entries.last == WALBench.entry(14, term: 2))
                flipped.disk.execute(found.repairs)
                #expect(try flipped.recover().entries == found.entries)
            }
        }
    }

    @Test("a leader's snapshot that the log does not reach voids it; the log goes on after it")
    func install() throws {
        for (count, term) in [(UInt64(3), UInt64(2)), (12, 3)] {
            var bench = Self.bench(count)
            let snapshot = WALBench.snapshot(10, term: term)
            bench.commit(hardState: HardState(term: Term(4)))
            bench.save(snapshot, voidsLog: true)
            bench.commit([WALBench.entry(11, term: 4), WALBench.entry(12, term: 4)])
            bench.commit(truncateAfter: 11, [])
            let found = try bench.recover()
            #expect(found.verdict == .clean && found.base == snapshot.position && found.snapshot == snapshot)
            #expect(found.entries == [WALBench.entry(11, term: 4)])
        }
    }

    @Test("a truncation to before a file's base keeps the files that a replay must begin with")
    func undercut() throws {
        var bench = Self.bench(8)
        let later = (7...9).map { WALBench.entry($0, term: 3) }
        bench.commit(hardState: HardState(term: Term(3)), truncateAfter: 6, later)
        bench.save(WALBench.snapshot(8, term: 3))
        bench.save(WALBench.snapshot(9, term: 3))
        #expect(try Self.segments(bench) == ["wal-00000002.log", "wal-00000003.log"])
        let found = try bench.recover()
        #expect(found.verdict == .clean && found.entries == Self.entries(5...6) + later)
    }

    @Test("power cut at any operation of saving or installing a snapshot: the old state or the new, never less")
    func powerCuts() throws {
        for (voidsLog, count) in [(false, UInt64(18)), (true, 8)] {
            var base = Self.bench(count)
            if !voidsLog { base.save(WALBench.snapshot(9, term: 2)) }
            let target = WALBench.snapshot(17, term: 2)
            var operations: [DiskOperation] = []
            var planner = base
            for step in WALBench.steps(target, voidsLog: voidsLog) {
                operations += planner.log.plan([planner.write(snapshot: step)])
            }
            for cut in 0...operations.count {
                for seed in UInt64(0)..<12 {
                    var random = SeededRandom(seed: seed &* 1000 &+ UInt64(cut))
                    var disk = base.disk
                    disk.execute(operations.prefix(cut))
                    disk.cutPower(&random)
                    let found = try WALBench.recover(disk, Self.geometry)
                    let reached = max(found.snapshot?.position.index.value ?? 0, found.entries.last?.index.value ?? 0)
                    #expect(found.doubt == nil && reached >= count, "cut \(cut), seed \(seed): \(found.verdict)")
                    if cut == operations.count { #expect(found.snapshot == target) }
                    disk.execute(found.repairs)
                    disk.cutPower(&random)
                    let again = try WALBench.recover(disk, Self.geometry)
                    #expect(again.snapshot == found.snapshot && again.entries == found.entries && again.doubt == nil)
                }
            }
        }
    }

    @Test("an abandoned snapshot is overwritten, and one that was cut off is removed")
    func unfinished() throws {
        var bench = Self.bench(8)
        bench.commit(snapshot: .slice(offset: 0, Array(repeating: 9, count: 500)))
        var cut = bench
        cut.disk.execute(try cut.recover().repairs)
        #expect(try !cut.disk.fileNames().contains("snapshot.new"))
        let snapshot = WALBench.snapshot(8, term: 2)
        bench.save(snapshot)
        #expect(try bench.recover().snapshot == snapshot)
    }

    @Test("a snapshot of another cluster or replica is refused, never taken or removed")
    func foreign() throws {
        var bench = Self.bench(4)
        bench.save(WALBench.snapshot(4, term: 2))
        let file = try bench.disk.read("snapshot-0000000000000004")
        var (_, operations) = WriteAheadLog.create(
            cluster: WALBench.cluster, replica: ReplicaID(8), geometry: Self.geometry)
        operations.append(.syncDirectory)
        var disk = WALTestDisk()
        disk.execute(operations)
        disk.put("snapshot-0000000000000004", file)
        #expect(throws: WALError.self) {
            try WriteAheadLog.recover(
                from: disk, cluster: WALBench.cluster, replica: ReplicaID(8), geometry: Self.geometry)
        }
    }
}
