import Primitives
import Raft
import Testing

@Suite("A full disk (case 34)")
struct DiskFullTests {
    private static func append(after index: UInt64, _ terms: [UInt64]) -> RaftMessage {
        .append(
            .init(
                term: Term(1), previous: LogPosition(index: LogIndex(index), term: index == 0 ? .zero : Term(1)),
                entries: SoloReplica.entries(terms, after: index), commitIndex: .zero, time: .zero))
    }

    private static func matches(_ messages: [RaftMessage]) -> [UInt64] {
        messages.compactMap {
            if case .appendReply(let reply) = $0, case .matched(let index) = reply.outcome { index.value } else { nil }
        }
    }

    @Test("a leader without space refuses writes, and goes on once there is some")
    func leader() {
        var leader = SoloReplica(terms: [])
        leader.lead()
        leader.acknowledge(through: 1, from: 2)
        guard case .success? = leader.propose() else {
            Issue.record("not accepted")
            return
        }
        leader.failNext()
        #expect(leader.core.isDiskFull)
        guard case .failure(.full)? = leader.propose() else {
            Issue.record("accepted without space")
            return
        }
        // What was appended may commit by the others' disks, this one not counted.
        leader.acknowledge(through: 2, from: 2)
        #expect(leader.core.commitIndex == LogIndex(1))
        leader.acknowledge(through: 2, from: 3)
        #expect(leader.core.commitIndex == LogIndex(2))
        leader.sleep(.seconds(1))
        if let round = leader.lastRound { leader.answer(round, from: 2) }
        #expect(leader.writes.first?.entries.map(\.index) == [LogIndex(2)])
        leader.persist()
        #expect(!leader.core.isDiskFull && leader.disk.entries.count == 2)
    }

    @Test("a replica without space still votes, and acknowledges nothing that is not on disk")
    func follower() {
        var follower = SoloReplica(terms: [1], term: 1)
        follower.receive(Self.append(after: 1, [1, 1]), from: 2)
        follower.failNext()
        follower.sleep(SoloReplica.timeout * 2)
        let request = RaftMessage.VoteRequest(term: Term(2), last: LogPosition(index: LogIndex(9), term: Term(1)))
        follower.receive(.vote(request), from: 3)
        #expect(follower.writes.map(\.entries.count) == [0], "only term and vote")
        follower.persist()
        let sent = follower.takeSent()
        #expect(sent.contains(.voteReply(.init(term: Term(2), isGranted: true))))
        #expect(Self.matches(sent).isEmpty)
        #expect(follower.disk.hardState == HardState(term: Term(2), votedFor: SoloReplica.id(3)))
        follower.crashAndRestart()
        #expect(follower.core.lastIndex == LogIndex(1))
    }

    @Test("a vote whose write met a full disk is not sent before it is durable")
    func vote() {
        var follower = SoloReplica(terms: [1], term: 1)
        follower.sleep(SoloReplica.timeout * 2)
        let request = RaftMessage.VoteRequest(term: Term(2), last: LogPosition(index: LogIndex(9), term: Term(1)))
        follower.receive(.vote(request), from: 3)
        follower.failNext()
        #expect(follower.takeSent().isEmpty)
        #expect(follower.writes.first?.hardState?.votedFor == SoloReplica.id(3))
        follower.persist()
        #expect(follower.takeSent() == [.voteReply(.init(term: Term(2), isGranted: true))])
    }

    @Test("a truncation that met a full disk is not forgotten")
    func truncation() {
        var follower = SoloReplica(terms: [1, 1, 1], term: 1)
        let append = RaftMessage.Append(
            term: Term(2), previous: LogPosition(index: LogIndex(1), term: Term(1)),
            entries: SoloReplica.entries([2], after: 1), commitIndex: .zero, time: .zero)
        follower.receive(.append(append), from: 2)
        follower.failNext()
        follower.persist()
        follower.sleep(.seconds(1))
        follower.advance(by: .milliseconds(1))
        follower.persist()
        #expect(follower.disk.entries.map(\.term) == [Term(1), Term(2)])
    }

    @Test("a log rolled back to before a plan that found no space plans it again, wherever it stopped")
    func rollBack() throws {
        let bench = WALDamageTests.bench()
        let vote = HardState(term: Term(3), votedFor: ReplicaID(5))
        let entries = (5...9).map { WALBench.entry($0, term: 3, bytes: 30) }
        var planner = bench
        let write = planner.write(hardState: vote, entries)
        let operations = planner.log.plan([write])
        for stop in 0..<operations.count {
            var full = bench
            full.sequence = 100
            let before = full.log
            let failed = full.write(hardState: vote, entries)
            full.disk.execute(full.log.plan([failed]).prefix(stop))
            full.log.rollBack(to: before, failed: failed)
            // The same again, if there is space now.
            var again = full
            again.commit(hardState: vote, entries)
            let kept = try again.recover()
            #expect(kept.hardState == vote && kept.entries.count == 9, "stopped at \(stop)")
            // Or a later vote meanwhile.
            full.commit(hardState: HardState(term: Term(4)))
            #expect(try full.recover().hardState == HardState(term: Term(4)), "stopped at \(stop)")
            full.commit(entries)
            let found = try full.recover()
            #expect(found.verdict == .clean && found.entries == WALDamageTests.entries + entries, "stopped at \(stop)")
        }
    }

    @Test("a snapshot for which there was no space is abandoned, and its bytes are given back")
    func snapshot() throws {
        var bench = WALDamageTests.bench()
        let slice = SnapshotStep.slice(offset: 0, Array(repeating: 1, count: 100))
        bench.commit(snapshot: slice)
        let before = bench.log
        let failed = bench.write(snapshot: .slice(offset: 100, [1]))
        bench.disk.execute(bench.log.plan([failed]).prefix(0))
        bench.log.rollBack(to: before, failed: failed)
        bench.commit([WALBench.entry(5, term: 2)])
        #expect(try !bench.disk.fileNames().contains("snapshot.new"))
        bench.save(WALBench.snapshot(5, term: 2))
        #expect(try bench.recover().snapshot == WALBench.snapshot(5, term: 2))
    }

    @Test("case 34: elections go on while two of three disks are full, and so do writes when they are not")
    func cluster() {
        for seed in UInt64(0)..<10 {
            let cluster = ConsensusCluster(3, seed: seed)
            let isLed = { cluster.leader.map { cluster.holdsLease($0) } ?? false }
            #expect(cluster.run(within: .seconds(2), until: isLed))
            guard let first = cluster.leader else { continue }
            cluster.setDiskFull(first, true)
            cluster.setDiskFull((first + 1) % 3, true)
            cluster.propose([1], on: first)
            cluster.run(for: .milliseconds(300))
            #expect(cluster.core(first).isDiskFull)
            if case .success? = cluster.propose([2], on: first) { Issue.record("accepted without space, seed \(seed)") }
            cluster.crash(first)
            cluster.restart(first)
            cluster.isolate(first)
            #expect(cluster.run(within: .seconds(3)) { cluster.leader.map { $0 != first } ?? false }, "seed \(seed)")
            cluster.healLinks()
            for place in 0..<3 { cluster.setDiskFull(place, false) }
            #expect(cluster.run(within: .seconds(3), until: isLed))
            cluster.run(for: .seconds(2))
            if let leader = cluster.leader { cluster.propose([3], on: leader) }
            let isDone = {
                (0..<3).allSatisfy {
                    cluster.core($0).log.lastIndex == cluster.core($0).appliedIndex
                        && cluster.core($0).appliedIndex == cluster.core(0).appliedIndex
                }
            }
            #expect(cluster.run(within: .seconds(3), until: isDone), "seed \(seed)")
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
