import Primitives
import Raft
import Testing

@Suite struct ReplicationTests {
    private func append(
        _ term: UInt64, after previous: (index: UInt64, term: UInt64), _ terms: [UInt64], commit: UInt64 = 0
    ) -> RaftMessage {
        .append(
            RaftMessage.Append(
                term: Term(term),
                previous: LogPosition(index: LogIndex(previous.index), term: Term(previous.term)),
                entries: SoloReplica.entries(terms, after: previous.index), commitIndex: LogIndex(commit), time: .zero))
    }

    private func matched(_ index: UInt64, term: UInt64) -> RaftMessage {
        .appendReply(.init(term: Term(term), outcome: .matched(LogIndex(index))))
    }

    private func terms(_ solo: SoloReplica) -> [UInt64] {
        solo.core.log.entries(after: .zero, through: solo.core.lastIndex).map(\.term.value)
    }

    // MARK: Follower

    @Test("an acknowledgement of an earlier term counts for nothing: what it held may have been cut off since")
    func earlierTermAcknowledges() {
        var solo = SoloReplica(terms: [1])
        solo.lead()
        for voter in [2, 3] {
            solo.receive(.appendReply(.init(term: Term(1), outcome: .matched(LogIndex(2)))), from: voter)
        }
        #expect(solo.core.commitIndex == .zero)
        solo.acknowledge(through: 2, from: 2)
        #expect(solo.core.commitIndex == LogIndex(2))
    }

    @Test("an entry is acknowledged when it is durable, not before")
    func acknowledgesDurable() {
        var solo = SoloReplica()
        solo.receive(append(1, after: (0, 0), [1, 1]), from: 2)
        #expect(solo.takeSent().isEmpty)
        solo.persist()
        #expect(solo.takeSent() == [matched(2, term: 1)])
    }

    @Test("appends that arrive while the disk works share its next write and one acknowledgement")
    func groupCommit() {
        var solo = SoloReplica()
        for index in UInt64(0)..<4 { solo.receive(append(1, after: (index, min(index, 1)), [1]), from: 2) }
        #expect(solo.writes.count == 1)
        solo.persist()
        #expect(solo.disk.entries.count == 4)
        #expect(solo.takeSent() == [matched(1, term: 1), matched(4, term: 1)])
    }

    @Test("Raft §5.3: a late, shorter append cuts off nothing")
    func lateAppend() {
        var solo = SoloReplica()
        solo.receive(append(1, after: (0, 0), [1, 1, 1]), from: 2)
        solo.persist()
        solo.receive(append(1, after: (0, 0), [1]), from: 2)
        #expect(solo.core.lastIndex == LogIndex(3))
    }

    @Test("Raft §5.3: a conflict removes the entry and all that follow it, on disk too")
    func conflict() {
        var solo = SoloReplica(terms: [1, 2, 2, 2])
        solo.receive(append(3, after: (2, 2), [3]), from: 2)
        #expect(terms(solo) == [1, 2, 3])
        #expect(solo.writes.first?.truncateAfter == LogIndex(2))
        solo.persist()
        #expect(solo.disk.entries.map(\.term.value) == [1, 2, 3])
        #expect(solo.takeSent() == [matched(3, term: 3)])
    }

    @Test("a conflict while the conflicting entries are still being written acknowledges only what stays")
    func conflictDuringWrite() {
        var solo = SoloReplica()
        solo.receive(append(1, after: (0, 0), [1, 1, 1]), from: 2)
        solo.receive(append(2, after: (1, 1), [2]), from: 3)
        solo.persist()
        #expect(solo.disk.entries.map(\.term.value) == [1, 2])
        let acknowledged = solo.takeSent(to: 3).compactMap { message -> LogIndex? in
            guard case .appendReply(let reply) = message, case .matched(let index) = reply.outcome else { return nil }
            return index
        }
        #expect(acknowledged.last == LogIndex(2) && acknowledged.allSatisfy { $0 <= LogIndex(2) })
    }

    @Test(
        "a gap is refused with the place where the logs may meet",
        arguments: [
            (UInt64(9), UInt64(4), UInt64(4), UInt64(3)), (4, 2, 2, 2), (3, 1, 1, 1),
        ])
    func hint(index: UInt64, term: UInt64, hintIndex: UInt64, hintTerm: UInt64) {
        var solo = SoloReplica(terms: [1, 2, 3, 3], term: 5)
        solo.receive(append(5, after: (index, term), [5]), from: 2)
        let hint = LogPosition(index: LogIndex(hintIndex), term: Term(hintTerm))
        let outcome = RaftMessage.AppendReply.Outcome.rejected(previous: LogIndex(index), hint: hint)
        #expect(solo.takeSent() == [.appendReply(.init(term: Term(5), outcome: outcome))])
    }

    @Test("a follower commits no further than it agrees with the leader")
    func commitIsBounded() {
        var solo = SoloReplica(terms: [1, 1, 1])
        solo.receive(.heartbeat(.init(term: Term(2), round: 1, commitIndex: LogIndex(3), time: .zero)), from: 2)
        #expect(solo.core.commitIndex == .zero, "entries 1...3 may conflict with the leader's")
        solo.receive(append(2, after: (1, 1), [2], commit: 9), from: 2)
        #expect(solo.core.commitIndex == LogIndex(2))
    }

    @Test("an append of an ended term is answered with the term that replaced it")
    func staleAppend() {
        var solo = SoloReplica(term: 5)
        solo.receive(append(4, after: (0, 0), [4]), from: 2)
        #expect(solo.takeSent() == [.appendReply(.init(term: Term(5), outcome: .stale))])
        #expect(solo.core.lastIndex == .zero && solo.core.leader == nil)
    }

    // MARK: Leader

    @Test("the leader's own entry counts only when it is durable")
    func ownDisk() {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        #expect(solo.core.commitIndex == LogIndex(1))
        _ = solo.propose()
        solo.acknowledge(through: 2, from: 2)
        #expect(solo.core.commitIndex == LogIndex(1), "one follower and an unfinished write are no quorum of three")
        solo.persist()
        #expect(solo.core.commitIndex == LogIndex(2))
    }

    @Test("followers can commit an entry before the leader's own disk has it")
    func followersCommit() {
        var solo = SoloReplica()
        solo.lead()
        _ = solo.propose()
        solo.acknowledge(through: 2, from: 2)
        solo.acknowledge(through: 2, from: 3)
        #expect(solo.core.commitIndex == LogIndex(2))
    }

    @Test("case 13, Raft figure 8: an entry of an earlier term is never committed by counting")
    func figure8() {
        // (c) of the figure: S1 leads term 4 with entry 2 of term 2, which a majority comes to hold.
        var solo = SoloReplica(voters: 5, terms: [1, 2], term: 3)
        solo.lead()
        #expect(terms(solo) == [1, 2, 4])
        solo.acknowledge(through: 2, from: 2)
        solo.acknowledge(through: 2, from: 3)
        solo.acknowledge(through: 2, from: 4)
        #expect(solo.core.commitIndex == .zero, "entry 2 can still be overwritten by S5, figure 8 (d)")
        // (e): an entry of term 4 on a majority commits everything before it.
        solo.acknowledge(through: 3, from: 2)
        solo.acknowledge(through: 3, from: 3)
        #expect(solo.core.commitIndex == LogIndex(3))
    }

    @Test("case 19: acknowledgements out of order never lift the commit index above a true quorum")
    func outOfOrder() {
        var solo = SoloReplica(voters: 5)
        solo.lead()
        for _ in 0..<9 { _ = solo.propose() }
        solo.persist()
        var known: [Int: UInt64] = [:]
        var random = SeededRandom(seed: 19)
        for _ in 0..<500 {
            let follower = 2 + random.below(4)
            let index = 1 + UInt64(random.below(10))
            known[follower] = max(known[follower] ?? 0, index)
            solo.acknowledge(through: index, from: follower)
            let matches = [10] + (2...5).map { known[$0] ?? 0 }
            #expect(solo.core.commitIndex.value == matches.sorted(by: >)[2])
        }
        #expect(solo.core.commitIndex == LogIndex(10))
    }

    @Test("proposals beyond the limit of uncommitted bytes are refused until some commit")
    func full() {
        var config = RaftConfig(electionTimeout: .milliseconds(100))
        config.maxUncommittedBytes = 1000
        var solo = SoloReplica(config: config)
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        #expect(throws: Never.self) { try solo.propose(Array(repeating: 0, count: 800))?.get() }
        #expect(solo.propose(Array(repeating: 0, count: 200)) == .failure(.full))
        solo.persist()
        solo.acknowledge(through: 2, from: 2)
        #expect(throws: Never.self) { try solo.propose(Array(repeating: 0, count: 200))?.get() }
    }

    @Test("a follower refuses proposals and names the leader")
    func follower() {
        var solo = SoloReplica()
        #expect(solo.propose() == .failure(.notLeader(leader: nil)))
        solo.receive(append(1, after: (0, 0), [1]), from: 3)
        #expect(solo.propose() == .failure(.notLeader(leader: SoloReplica.id(3))))
    }

    @Test("the window bounds appends in flight, and what gathers meanwhile leaves in one")
    func window() {
        var config = RaftConfig(electionTimeout: .milliseconds(100))
        config.maxAppendsInFlight = 2
        var solo = SoloReplica(config: config)
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        _ = solo.takeSent()
        for _ in 0..<10 { _ = solo.propose() }
        #expect(appends(solo.takeSent(to: 2)) == [1, 1])
        solo.acknowledge(through: 2, from: 2)
        #expect(appends(solo.takeSent(to: 2)) == [8])
    }

    @Test("a lost append is sent again after the retry interval")
    func retry() {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        _ = solo.propose()
        _ = solo.takeSent()
        for _ in 0..<4 {
            solo.advance(by: .milliseconds(20))
            if let round = solo.lastRound { solo.answer(round, from: 2) }
        }
        #expect(appends(solo.takeSent(to: 2)).contains(1))
    }

    private func appends(_ messages: [RaftMessage]) -> [Int] {
        messages.compactMap { if case .append(let append) = $0 { append.entries.count } else { nil } }
    }

    // MARK: Both

    @Test(
        "case 12, Raft figure 7: every follower's log becomes the leader's",
        arguments: [
            [1, 1, 1, 4, 4, 5, 5, 6, 6], [1, 1, 1, 4], [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
            [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], [1, 1, 1, 4, 4, 4, 4], [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        ] as [[UInt64]])
    func figure7(follower: [UInt64]) {
        let leader: [UInt64] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
        let disks = [leader, follower, leader].map {
            RecoveredLog(hardState: HardState(term: Term(7)), entries: SoloReplica.entries($0))
        }
        let cluster = ConsensusCluster(3, disks: [0: disks[0], 1: disks[1], 2: disks[2]]) { place in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.electionJitter = .zero
            config.priorities = [ReplicaID(1): 9]
            return config
        }
        if follower.last == 7 { cluster.cut(0, 1) }
        #expect(cluster.run(within: .seconds(2)) { cluster.leader == 0 })
        cluster.healLinks()
        #expect(
            cluster.run(within: .seconds(2)) {
                (0..<3).allSatisfy { cluster.core($0).appliedIndex.value == 11 }
            })
        #expect((0..<3).allSatisfy { cluster.terms($0) == leader + [8] })
        #expect(cluster.violations.isEmpty)
    }
}
