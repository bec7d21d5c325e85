import Primitives
import Raft
import Testing

/// Changes of the configuration: Raft §6, thesis chapter 4, and the ways in which others got them wrong.
@Suite struct MembershipTests {
    /// Led by place 0, with a first commit.
    private func cluster(_ count: Int, voters: [Int]? = nil, seed: UInt64 = 1) throws -> ConsensusCluster {
        let cluster = ConsensusCluster(count, voters: voters, seed: seed) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.rankDelay = .milliseconds(100)
            config.priorities = [ReplicaID(1): 9]
            config.transferStability = .seconds(100)
            return config
        }
        try #require(cluster.run(within: .seconds(3)) { cluster.holdsLease(0) })
        cluster.run(for: .milliseconds(50))
        return cluster
    }

    private func voters(_ cluster: ConsensusCluster, _ place: Int) -> [Int] {
        cluster.core(place).configuration.voters.map { Int($0.value) - 1 }
    }

    /// The change is finished on `place`, with these voters.
    private func isSettled(_ cluster: ConsensusCluster, _ expected: [Int], on place: Int) -> Bool {
        guard let core = cluster.nodes[place].core else { return false }
        return !core.isChangeUnfinished && voters(cluster, place) == expected
    }

    private func isLed(_ cluster: ConsensusCluster) -> Bool {
        cluster.leader.map { cluster.holdsLease($0) } ?? false
    }

    // MARK: Ordinary changes

    @Test(
        "thesis §4.3: a leader takes the mesh through the joint configuration and out of it by itself",
        arguments: [[0, 3, 4], [0, 1, 2, 3, 4], [0], [0, 1], [0, 3]])
    func change(target: [Int]) throws {
        let cluster = try cluster(5, voters: [0, 1, 2])
        let before = cluster.core(0).lastIndex
        #expect(cluster.change(to: target, on: 0) == .success(cluster.core(0).log.lastPosition))
        #expect(cluster.core(0).configuration.isJoint)
        #expect(cluster.run(within: .milliseconds(200)) { isSettled(cluster, target, on: 0) })
        let last = before + 2
        #expect(cluster.core(0).lastIndex == last, "one entry into the joint configuration, one out of it")
        cluster.propose([7], on: 0)
        let holders = { target.allSatisfy { cluster.core($0).appliedIndex > last } }
        #expect(cluster.run(within: .milliseconds(300), until: holders))
        #expect(cluster.core(0).term == Term(1), "nobody campaigned meanwhile")
        #expect(cluster.violations.isEmpty)
    }

    @Test("a change of learners alone needs no joint configuration, and learners do not count")
    func learners() throws {
        let cluster = try cluster(5, voters: [0, 1, 2])
        cluster.change(to: [0, 1, 2], learners: [3, 4], on: 0)
        #expect(!cluster.core(0).configuration.isJoint)
        #expect(cluster.run(within: .milliseconds(300)) { cluster.core(4).lastIndex == cluster.core(0).lastIndex })
        cluster.partition([0, 3, 4], [1, 2])
        cluster.propose([1], on: 0)
        cluster.run(for: .milliseconds(400))
        #expect(cluster.core(0).role != .leader, "two learners are no majority")
        #expect(cluster.violations.isEmpty)
    }

    @Test("thesis §4.2.1: a learner is ready when it has kept up for a while, and not while it lags or is silent")
    func readiness() throws {
        let cluster = ConsensusCluster(4, voters: [0, 1, 2]) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.transferStability = .seconds(1)
            config.maxEntriesBytesPerAppend = 64
            config.maxAppendsInFlight = 1
            return config
        }
        try #require(cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        let leader = try #require(cluster.leader)
        for _ in 0..<2000 { cluster.propose(Array(repeating: 1, count: 60), on: leader) }
        cluster.run(for: .seconds(10))
        cluster.change(to: [0, 1, 2], learners: [3], on: leader)
        // Two thousand entries, one by one, four milliseconds each: eight seconds behind.
        func look(_ span: Duration) -> Bool {
            var isReady = false
            let end = cluster.now + span
            while cluster.now < end {
                cluster.run(for: .milliseconds(100))
                isReady = cluster.readyLearners(on: leader) == [3]
            }
            return isReady
        }
        #expect(!look(.seconds(3)), "it is still catching up")
        #expect(look(.seconds(12)))
        cluster.isolate(3)
        #expect(!look(.seconds(1)), "silent")
        #expect(cluster.violations.isEmpty)
    }

    @Test("thesis §4.2.1: a learner that holds everything is ready in time, also where nothing more comes")
    func readyWhileIdle() throws {
        let cluster = ConsensusCluster(4, voters: [0, 1, 2])
        try #require(cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        let leader = try #require(cluster.leader)
        cluster.run(for: .milliseconds(50))
        cluster.change(to: [0, 1, 2], learners: [3], on: leader)
        cluster.run(for: .seconds(1))
        #expect(cluster.core(3).commitIndex == cluster.core(leader).lastIndex)
        #expect(cluster.readyLearners(on: leader).isEmpty, "it was asked about for the first time")
        cluster.run(for: .seconds(4))
        #expect(cluster.readyLearners(on: leader) == [3])
        #expect(cluster.violations.isEmpty)
    }

    @Test("Raft §6: a configuration is in force when it is appended, and an earlier one when it is truncated")
    func rollback() throws {
        let cluster = try cluster(5, voters: [0, 1, 2, 3, 4])
        cluster.partition([0, 1], [2, 3, 4])
        cluster.change(to: [0, 1, 2], on: 0)
        cluster.run(for: .milliseconds(20))
        #expect(cluster.core(1).configuration.isJoint, "not committed, and in force")
        #expect(cluster.run(within: .seconds(2)) { isLed(cluster) && cluster.leader.map { $0 >= 2 } ?? false })
        let leader = try #require(cluster.leader)
        cluster.propose([1], on: leader)
        cluster.run(for: .milliseconds(50))
        cluster.healLinks()
        #expect(cluster.run(within: .seconds(1)) { isSettled(cluster, [0, 1, 2, 3, 4], on: 1) })
        #expect(isSettled(cluster, [0, 1, 2, 3, 4], on: 0))
        #expect(cluster.violations.isEmpty)
    }

    @Test("a restarted replica goes by the configuration in its log, not by its genesis")
    func restart() throws {
        let cluster = try cluster(5, voters: [0, 1, 2])
        cluster.change(to: [0, 3, 4], on: 0)
        #expect(cluster.run(within: .milliseconds(300)) { isSettled(cluster, [0, 3, 4], on: 3) })
        for place in 0..<5 { cluster.crash(place) }
        for place in [3, 4] { cluster.restart(place) }
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { $0 >= 3 } ?? false })
        #expect(cluster.violations.isEmpty)
    }

    // MARK: Refusals

    @Test("a change is refused away from the leader, while another is unfinished, and when it changes nothing")
    func refusals() throws {
        let cluster = try cluster(5, voters: [0, 1, 2])
        #expect(cluster.change(to: [0, 1], on: 1) == .failure(.notLeader(leader: ReplicaID(1))))
        #expect(cluster.change(to: [0, 1, 2], on: 0) == .failure(.noChange))
        cluster.partition([0], [1, 2], [3, 4])
        cluster.change(to: [0, 1, 3], on: 0)
        let index = cluster.core(0).lastIndex
        #expect(cluster.change(to: [0, 1, 4], on: 0) == .failure(.unfinished(index)))
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 21, the 2015 bug: no change before an entry of the leader's term is committed")
    func notCurrent() {
        var solo = SoloReplica(voters: 4, terms: [1, 1])
        solo.lead()
        let target = Configuration(voters: [1, 2, 3].map(SoloReplica.id))
        #expect(solo.change(to: target) == .failure(.notCurrent))
        solo.acknowledge(through: 3, from: 2)
        #expect(solo.change(to: target) == .failure(.notCurrent))
        solo.acknowledge(through: 3, from: 3)
        #expect(solo.change(to: target) == .success(LogPosition(index: LogIndex(4), term: solo.core.term)))
    }

    @Test("case 21: of two concurrent removals in four nodes at most one survives")
    func concurrentRemovals() throws {
        let cluster = try cluster(4)
        // n1 appends the removal of n2 and is cut off; a new leader removes n1; n1 comes back.
        cluster.partition([0], [1, 2, 3])
        cluster.change(to: [0, 2, 3], on: 0)
        #expect(cluster.run(within: .seconds(3)) { cluster.leader.map { $0 > 0 && cluster.holdsLease($0) } ?? false })
        let second = try #require(cluster.leader)
        #expect(
            cluster.run(within: .seconds(1)) {
                if case .success = cluster.change(to: [1, 2, 3], on: second) { true } else { false }
            })
        cluster.healLinks()
        #expect(cluster.run(within: .seconds(2)) { isSettled(cluster, [1, 2, 3], on: second) })
        cluster.run(for: .seconds(2))
        let leader = try #require(cluster.leader)
        #expect(leader != 0 && voters(cluster, leader) == [1, 2, 3])
        #expect(cluster.violations.isEmpty)
    }

    // MARK: Under partition

    @Test("case 22: {1,2,3} to {3,4,5} needs both majorities", arguments: [[0, 1, 2], [0, 1, 2, 3], [0, 3, 4]])
    func bothMajorities(side: [Int]) throws {
        let cluster = try cluster(5, voters: [0, 1, 2])
        cluster.partition(side, (0..<5).filter { !side.contains($0) })
        let before = cluster.core(0).commitIndex
        cluster.change(to: [2, 3, 4], on: 0)
        cluster.run(for: .milliseconds(80))
        let hasBoth = side.count == 4
        #expect((cluster.core(0).commitIndex > before) == hasBoth)
        cluster.healLinks()
        #expect(
            cluster.run(within: .seconds(3)) {
                (2..<5).contains { isSettled(cluster, [2, 3, 4], on: $0) && cluster.core($0).role == .leader }
                    || (0..<3).contains { isSettled(cluster, [0, 1, 2], on: $0) && cluster.core($0).role == .leader }
            })
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 22: while {1,2,3} become {1,4,5}, neither majority alone elects", arguments: [[4, 5], [2, 3]])
    func bothMajoritiesElect(firstHalf: [Int]) {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        guard case .success = solo.change(to: Configuration(voters: [1, 4, 5].map(SoloReplica.id))) else {
            Issue.record("the change was refused")
            return
        }
        solo.persist()
        solo.receive(.voteReply(.init(term: Term(9), isGranted: false)), from: 2)
        solo.persist()
        solo.advance(by: SoloReplica.timeout * 4)
        let others = [2, 3, 4, 5].filter { !firstHalf.contains($0) }
        for voter in firstHalf { solo.receive(.preVoteReply(.init(term: Term(10), isGranted: true)), from: voter) }
        #expect(solo.core.role == .preCandidate)
        solo.receive(.preVoteReply(.init(term: Term(10), isGranted: true)), from: others[0])
        solo.persist()
        #expect(solo.core.role == .candidate && solo.core.term == Term(10))
        for voter in firstHalf { solo.receive(.voteReply(.init(term: Term(10), isGranted: true)), from: voter) }
        #expect(solo.core.role == .candidate)
        solo.receive(.voteReply(.init(term: Term(10), isGranted: true)), from: others[1])
        #expect(solo.core.role == .leader)
    }

    @Test("case 22: a new leader finishes the change that a dead one began", arguments: UInt64(1)...20)
    func finishedByAnother(seed: UInt64) throws {
        let cluster = try cluster(5, voters: [0, 1, 2], seed: seed)
        cluster.change(to: [2, 3, 4], on: 0)
        cluster.run(for: .milliseconds(Int64(seed)))
        cluster.crash(0)
        let isDone = {
            guard let leader = cluster.leader, cluster.holdsLease(leader) else { return false }
            return isSettled(cluster, [2, 3, 4], on: leader) || isSettled(cluster, [0, 1, 2], on: leader)
        }
        #expect(cluster.run(within: .seconds(5), until: isDone))
        let leader = try #require(cluster.leader)
        cluster.propose([1], on: leader)
        let goal = cluster.core(leader).lastIndex
        #expect(cluster.run(within: .seconds(1)) { cluster.core(leader).commitIndex >= goal })
        #expect(cluster.violations.isEmpty)
    }

    // MARK: Leaders that leave

    @Test("Raft §6: a leader that removes itself leads until that is committed, then makes a voter take over")
    func removesItself() throws {
        let cluster = try cluster(3)
        cluster.change(to: [1, 2], on: 0)
        #expect(cluster.run(within: .milliseconds(60)) { cluster.leader.map { $0 > 0 } ?? false }, "no timeout passed")
        #expect(cluster.core(0).role == .follower && !cluster.core(0).isChangeUnfinished)
        cluster.run(for: .seconds(2))
        let leader = try #require(cluster.leader)
        #expect(isSettled(cluster, [1, 2], on: leader) && cluster.core(leader).term == Term(2))
        #expect(cluster.core(0).term <= Term(2), "it campaigns no more")
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 23: a leader removes itself and crashes before the final commits", arguments: UInt64(1)...20)
    func removesItselfAndCrashes(seed: UInt64) throws {
        let cluster = try cluster(3, seed: seed)
        cluster.change(to: [1, 2], on: 0)
        cluster.run(for: .microseconds(Int64(seed) * 500))
        cluster.crash(0)
        let isDone = {
            guard let leader = cluster.leader, cluster.holdsLease(leader) else { return false }
            return !cluster.core(leader).isChangeUnfinished
        }
        #expect(cluster.run(within: .seconds(5), until: isDone))
        cluster.restart(0)
        cluster.run(for: .seconds(1))
        let leader = try #require(cluster.leader)
        cluster.propose([1], on: leader)
        let goal = cluster.core(leader).lastIndex
        #expect(cluster.run(within: .seconds(1)) { cluster.core(leader).commitIndex >= goal })
        #expect(cluster.violations.isEmpty)
    }

    // MARK: Outsiders

    @Test("case 15: a removed replica that did not hear of its removal campaigns, and nobody minds")
    func removedCampaigns() throws {
        let cluster = try cluster(5)
        cluster.isolate(4)
        cluster.change(to: [0, 1, 2], on: 0)
        #expect(cluster.run(within: .seconds(1)) { isSettled(cluster, [0, 1, 2], on: 0) })
        cluster.healLinks()
        var campaigns = 0
        cluster.filter = { message, from, _ in
            if from == 4, case .preVote = message { campaigns += 1 }
            return true
        }
        cluster.run(for: .seconds(10))
        #expect(campaigns > 10)
        #expect(cluster.leader == 0 && cluster.core(0).term == Term(1))
        cluster.crash(0)
        #expect(cluster.run(within: .seconds(2)) { isLed(cluster) }, "nor does it hinder an election")
        #expect(cluster.leader.map { [1, 2].contains($0) } ?? false)
        #expect(cluster.violations.isEmpty)
    }

    @Test("what a stranger says is dropped, unless it leads or its log is ahead of ours")
    func strangers() {
        var solo = SoloReplica(voters: 3, terms: [1, 1])
        solo.advance(by: SoloReplica.timeout)
        _ = solo.takeSent()
        let term = Term(5)
        let same = LogPosition(index: LogIndex(2), term: Term(1))
        let ahead = LogPosition(index: LogIndex(3), term: Term(2))
        solo.receive(.vote(.init(term: term, last: same)), from: 9)
        solo.receive(.preVote(.init(term: term, last: same)), from: 9)
        solo.receive(.heartbeatReply(.init(term: term, round: 1, stamp: 0, commitIndex: .zero)), from: 9)
        solo.receive(.voteReply(.init(term: term, isGranted: false)), from: 9)
        solo.receive(.appendReply(.init(term: term, outcome: .stale)), from: 9)
        #expect(solo.core.term < term && solo.takeSent().isEmpty)
        solo.receive(.vote(.init(term: term, last: ahead)), from: 9)
        solo.persist()
        #expect(solo.takeSent(to: 9) == [.voteReply(.init(term: term, isGranted: true))])
        let news = RaftMessage.Append(term: term.next, previous: same, entries: [], commitIndex: .zero, time: .zero)
        solo.receive(.append(news), from: 8)
        #expect(solo.core.leader == SoloReplica.id(8))
    }

    @Test(
        "case 24: a candidate whose configuration change is not applied yet never makes two leaders",
        arguments: UInt64(0)..<4)
    func unappliedChange(block: UInt64) throws {
        for seed in block * 25..<block * 25 + 25 {
            let cluster = try cluster(5, voters: [0, 1, 2], seed: seed)
            cluster.change(to: [0, 3, 4], on: 0)
            cluster.run(for: .microseconds(Int64(seed % 25) * 400))
            cluster.partition([0, 1], [2], [3, 4])
            cluster.run(for: .milliseconds(Int64(seed * 7 % 400)))
            cluster.partition([1, 2], [0, 3, 4])
            cluster.run(for: .milliseconds(500))
            cluster.healLinks()
            #expect(cluster.run(within: .seconds(3)) { isLed(cluster) }, "seed \(seed)")
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
