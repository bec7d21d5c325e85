import Primitives
import Raft
import Testing

/// How followers learn that an entry is committed (Raft §5.3): with the next append, at the next heartbeat, or by an
/// append without entries as soon as nothing else is on its way.
@Suite struct CommitNewsTests {
    /// A leader of five whose first entry everybody holds and knows to be committed.
    private func leader() -> SoloReplica {
        var solo = SoloReplica(voters: 5)
        solo.lead()
        for follower in 2...5 { solo.acknowledge(through: 1, from: follower) }
        _ = solo.takeSent()
        return solo
    }

    private func news(_ commit: UInt64, after index: UInt64) -> RaftMessage {
        .append(
            RaftMessage.Append(
                term: Term(1), previous: LogPosition(index: LogIndex(index), term: Term(1)), entries: [],
                commitIndex: LogIndex(commit), time: .zero))
    }

    /// The same without the time of sending.
    private func timeless(_ message: RaftMessage) -> RaftMessage {
        guard case .append(let append) = message, append.entries.isEmpty else { return message }
        return news(append.commitIndex.value, after: append.previous.index.value)
    }

    @Test("every follower hears of a commit once and at once, also one whose acknowledgement is still on its way")
    func once() {
        var solo = leader()
        _ = solo.propose()
        solo.persist()
        solo.acknowledge(through: 2, from: 2)
        _ = solo.takeSent()
        solo.acknowledge(through: 2, from: 3)
        #expect(solo.core.commitIndex == LogIndex(2))
        #expect(solo.sent.map(\.to) == (2...5).map(SoloReplica.id))
        let expected = [news(2, after: 2), news(2, after: 2), news(2, after: 1), news(2, after: 1)]
        #expect(solo.takeSent().map(timeless) == expected)
        solo.acknowledge(through: 2, from: 4)
        solo.acknowledge(through: 2, from: 5)
        #expect(solo.takeSent().isEmpty)
    }

    @Test("a follower that starts anew in an idle mesh hears at once what is committed")
    func restarted() throws {
        let cluster = ConsensusCluster(3, seed: 4)
        try #require(cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        let leader = try #require(cluster.leader)
        for value in UInt8(0)..<5 { cluster.propose([value], on: leader) }
        cluster.run(for: .milliseconds(100))
        let commit = cluster.core(leader).commitIndex
        let follower = (leader + 1) % 3
        cluster.crash(follower)
        cluster.restart(follower)
        #expect(cluster.run(within: .milliseconds(100)) { cluster.core(follower).commitIndex == commit })
        #expect(cluster.core(leader).commitIndex == commit && cluster.violations.isEmpty)
    }

    @Test("a commit that a later append will tell of is not told by itself")
    func pipelined() {
        var solo = leader()
        _ = solo.propose()
        _ = solo.propose()
        solo.persist()
        _ = solo.takeSent()
        solo.acknowledge(through: 2, from: 2)
        solo.acknowledge(through: 2, from: 3)
        #expect(solo.core.commitIndex == LogIndex(2))
        #expect(solo.takeSent().isEmpty)
    }

    @Test("news that overtakes its entry is not rejected, and not answered")
    func overtaken() {
        var solo = SoloReplica(voters: 5)
        let entry = RaftMessage.append(
            RaftMessage.Append(
                term: Term(1), previous: .zero, entries: SoloReplica.entries([1]), commitIndex: .zero, time: .zero))
        solo.receive(entry, from: 2)
        solo.persist()
        _ = solo.takeSent()
        solo.receive(news(2, after: 1), from: 2)
        #expect(solo.takeSent().isEmpty)
        #expect(solo.core.commitIndex == LogIndex(1), "what it does not hold yet, it cannot apply")
    }
}
