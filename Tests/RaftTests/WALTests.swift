import Primitives
import Raft
import Testing

@Suite("Write-ahead log: plans and round trips")
struct WALTests {
    private func termOne() -> WALBench {
        var bench = WALBench()
        bench.commit(hardState: HardState(term: Term(1), votedFor: WALBench.replica))
        return bench
    }

    @Test("what was made durable is found again, and the log goes on from there")
    func roundTrip() throws {
        var bench = termOne()
        let entries = (1...5).map { WALBench.entry($0, term: 1, bytes: Int($0) * 13) }
        bench.commit(entries)
        for _ in 0..<3 {
            let found = try bench.recover()
            #expect(found.verdict == .clean && found.entries == Array(bench.entries(entries, found)))
            #expect(found.hardState == HardState(term: Term(1), votedFor: WALBench.replica))
            bench.disk.execute(found.repairs)
            bench.log = found.log
            bench.sequence = 0
            bench.commit([WALBench.entry(UInt64(found.entries.count) + 1, term: 1)])
        }
        #expect(try bench.recover().entries.count == 8)
    }

    @Test("one sync makes a group of writes durable; a vote costs two more")
    func groupCommit() {
        var bench = termOne()
        let before = bench.disk.syncCount
        let writes = (1...20).map { bench.write([WALBench.entry($0, term: 1)]) }
        bench.disk.execute(bench.log.plan(writes))
        #expect(bench.disk.syncCount == before + 1)
        bench.commit(hardState: HardState(term: Term(2)), [WALBench.entry(21, term: 2)])
        #expect(bench.disk.syncCount == before + 4)
    }

    @Test("the hard state is durable in both slots before the first record is written")
    func hardStateFirst() throws {
        var bench = termOne()
        let plan = bench.log.plan([bench.write(hardState: HardState(term: Term(2)), [WALBench.entry(1, term: 2)])])
        let bytes: (DiskOperation) -> String = { operation in
            switch operation {
            case .write(let file, _, _): "write \(file)"
            case .sync(let file): "sync \(file)"
            case .truncate, .remove, .rename, .syncDirectory: "other"
            }
        }
        #expect(
            plan.map(bytes) == [
                "write hard-state-a", "sync hard-state-a", "write hard-state-b", "sync hard-state-b",
                "write \(WALBench.segment)", "write \(WALBench.segment)", "sync \(WALBench.segment)",
            ])
    }

    @Test("a conflicting tail is replaced (Raft §5.3)")
    func truncation() throws {
        var bench = termOne()
        bench.commit((1...6).map { WALBench.entry($0, term: 1) })
        bench.commit(hardState: HardState(term: Term(3)), truncateAfter: 2, [WALBench.entry(3, term: 3)])
        let found = try bench.recover()
        #expect(found.verdict == .clean)
        #expect(found.entries == [WALBench.entry(1, term: 1), WALBench.entry(2, term: 1), WALBench.entry(3, term: 3)])
        #expect(found.log.lastPosition == bench.log.lastPosition)
    }

    @Test("a tail written and dropped within one group never reaches the disk")
    func netEffect() throws {
        var bench = termOne()
        bench.commit([WALBench.entry(1, term: 1)])
        let dropped = bench.write([WALBench.entry(2, term: 1, bytes: 900), WALBench.entry(3, term: 1, bytes: 900)])
        let kept = bench.write(truncateAfter: 1, [WALBench.entry(2, term: 1)])
        let plan = bench.log.plan([dropped, kept])
        #expect(plan.count == 3)
        bench.disk.execute(plan)
        #expect(try bench.recover().entries == [WALBench.entry(1, term: 1), WALBench.entry(2, term: 1)])
    }

    @Test("files rotate by records and by size, and entries of the greatest length fit")
    func rotation() throws {
        var bench = termOne()
        var entries = (1...600).map { WALBench.entry(UInt64($0), term: 1) }
        bench.commit(entries)
        for index in 601...605 { entries.append(WALBench.entry(UInt64(index), term: 1, bytes: WALFormat.payloadMax)) }
        bench.commit(Array(entries[600...]))
        #expect(try bench.disk.fileNames().filter { $0.hasPrefix("wal-") }.count >= 7)
        let found = try bench.recover()
        #expect(found.verdict == .clean && found.entries == entries)
        // A truncation may reach back across files.
        bench.commit(hardState: HardState(term: Term(2)), truncateAfter: 100, [WALBench.entry(101, term: 2)])
        #expect(try bench.recover().entries == Array(entries[..<100]) + [WALBench.entry(101, term: 2)])
    }

    @Test("an empty directory, a foreign one and an unknown version are told apart in words")
    func foreign() throws {
        #expect(try WALBench.recover(WALTestDisk()).verdict == .newReplica(.empty))
        var bench = termOne()
        #expect(throws: WALError.self) {
            try WriteAheadLog.recover(
                from: bench.disk, cluster: [UInt8](repeating: 2, count: 16), replica: WALBench.replica)
        }
        let error = #expect(throws: WALError.self) {
            try WriteAheadLog.recover(from: bench.disk, cluster: WALBench.cluster, replica: ReplicaID(8))
        }
        #expect(error?.description.contains("0000000000000007") == true)
        bench.disk.lose("hard-state-a")
        bench.disk.lose("hard-state-b")
        #expect(try bench.recover().verdict == .newReplica(.hardStateLost))
    }

    @Test("an intact entry with a configuration that this program cannot read is told in words, and nothing is started")
    func unknownConfiguration() throws {
        var bench = termOne()
        let index = try bench.recover().log.lastPosition.index.next
        bench.commit([Entry(index: index, term: Term(1), time: .zero, kind: .configuration, payload: [9, 9, 9])])
        let error = #expect(throws: WALError.self) { try bench.recover() }
        #expect(error?.description.contains("log entry \(index)") == true, "\(String(describing: error))")
    }

    @Test("a directory that lost its promises can begin again under a new replica id")
    func replaced() throws {
        var bench = termOne()
        bench.disk.put("notes.txt", [1])
        bench.disk.lose("hard-state-a")
        bench.disk.flip(bit: 300, of: "hard-state-b")
        #expect(WriteAheadLog.replica(on: bench.disk, cluster: WALBench.cluster) == nil)
        let (_, operations) = WriteAheadLog.replace(
            fileNames: try bench.disk.fileNames(), cluster: WALBench.cluster, replica: ReplicaID(9))
        for count in 0...operations.count {
            var disk = bench.disk
            disk.execute(operations.prefix(count))
            let old = try? WALBench.recover(disk).verdict
            #expect(old != .clean, "after \(count) operations")
        }
        bench.disk.execute(operations)
        let found = try WriteAheadLog.recover(from: bench.disk, cluster: WALBench.cluster, replica: ReplicaID(9))
        #expect(found.verdict == .clean && found.entries.isEmpty)
        #expect(try bench.disk.fileNames().contains("lost-" + WALBench.segment), "a person may still want it")
        #expect(WriteAheadLog.replica(on: bench.disk, cluster: WALBench.cluster) == ReplicaID(9))
        // One slot is enough to know who it is; without both it is nobody, whoever asks.
        bench.disk.lose("hard-state-a")
        #expect(WriteAheadLog.replica(on: bench.disk, cluster: WALBench.cluster) == ReplicaID(9))
        #expect(WriteAheadLog.replica(on: bench.disk, cluster: Array(repeating: 1, count: 16)) == nil)
        bench.disk.lose("hard-state-b")
        #expect(try bench.recover().verdict == .newReplica(.hardStateLost))
        #expect(try bench.disk.read("notes.txt") == [1])
    }
}

extension WALBench {
    /// `first` and whatever the test appended after it.
    func entries(_ first: [Entry], _ found: WALRecovery) -> [Entry] {
        first + (first.count..<max(first.count, found.entries.count)).map { Self.entry(UInt64($0) + 1, term: 1) }
    }
}
