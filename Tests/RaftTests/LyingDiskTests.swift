import Primitives
import Raft
import Testing

/// A disk that said "synced" and was not: its replica starts with a clean, shorter log, and knows nothing of it.
@Suite struct LyingDiskTests {
    @Test("a voter whose log is shorter than what it acknowledged is noticed and repaired", arguments: UInt64(1)...10)
    func repaired(seed: UInt64) throws {
        let cluster = ConsensusCluster(5, seed: seed)
        try #require(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        let leader = try #require(cluster.leader)
        let term = cluster.core(leader).term
        let victim = (leader + 1) % 5
        for value in UInt8(0)..<10 { cluster.propose([value], on: leader) }
        cluster.run(for: .milliseconds(50))
        cluster.crash(victim)
        cluster.forgetTail(of: victim, keeping: Int(seed) % 9)
        cluster.restart(victim)
        let isWhole = {
            cluster.core(victim).commitIndex == cluster.core(leader).commitIndex
                && cluster.nodes[victim].disk.entries.count == 11
        }
        #expect(cluster.run(within: .milliseconds(200), until: isWhole), "two rounds of heartbeats tell")
        #expect(cluster.core(leader).term == term && cluster.violations.isEmpty)
    }

    /// A leader of five with entry 2 on its own disk and, it believes, on that of replica 2.
    private func leader() -> SoloReplica {
        var solo = SoloReplica(voters: 5)
        solo.lead()
        for follower in 2...4 { solo.acknowledge(through: 1, from: follower) }
        _ = solo.propose()
        solo.persist()
        solo.acknowledge(through: 2, from: 2)
        solo.advance(by: .milliseconds(20))
        return solo
    }

    @Test("what it acknowledged counts no more")
    func uncounted() throws {
        var solo = leader()
        solo.answer(try #require(solo.lastRound), from: 2, last: LogIndex(1))
        solo.acknowledge(through: 2, from: 3)
        #expect(solo.core.commitIndex == LogIndex(1), "the own disk and replica 3 are no quorum of five")
        solo.acknowledge(through: 2, from: 2)
        #expect(solo.core.commitIndex == LogIndex(2))
    }

    @Test("an answer that was sent before the acknowledgement proves nothing")
    func late() throws {
        var solo = SoloReplica(voters: 5)
        solo.lead()
        let round = try #require(solo.lastRound)
        for follower in 2...4 { solo.acknowledge(through: 1, from: follower) }
        solo.answer(round, from: 2, last: .zero)
        _ = solo.takeSent()
        _ = solo.propose()
        solo.persist()
        solo.acknowledge(through: 2, from: 2)
        solo.acknowledge(through: 2, from: 3)
        #expect(solo.core.commitIndex == LogIndex(2))
        #expect(
            solo.takeSent(to: 2).allSatisfy {
                if case .append(let append) = $0 { append.previous.index > .zero } else { true }
            })
    }

    @Test("another history under the lost tail is replaced too: a lost truncation comes back as well")
    func resurrected() {
        // Terms 1 2 2 were replaced by 1 3 3 3; the disk kept the former.
        let whole = RecoveredLog(hardState: HardState(term: Term(3)), entries: SoloReplica.entries([1, 3, 3, 3]))
        let cluster = ConsensusCluster(3, disks: [0: whole, 1: whole, 2: whole]) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.priorities = [ReplicaID(1): 9]
            config.transferStability = .seconds(100)
            return config
        }
        #expect(
            cluster.run(within: .seconds(2)) {
                cluster.leader != nil && cluster.core(cluster.leader!).commitIndex == LogIndex(5)
            })
        cluster.run(for: .milliseconds(50))
        guard let leader = cluster.leader else { return }
        let victim = (leader + 1) % 3
        cluster.crash(victim)
        cluster.setDisk(victim, entries: SoloReplica.entries([1, 2, 2]))
        cluster.restart(victim)
        let isWhole = {
            cluster.terms(victim) == cluster.terms(leader) && cluster.core(victim).commitIndex == LogIndex(5)
        }
        #expect(cluster.run(within: .milliseconds(500), until: isWhole))
    }
}
