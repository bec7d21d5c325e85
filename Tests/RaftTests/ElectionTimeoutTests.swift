import Primitives
import Raft
import Testing

/// E as a committed parameter: it may change while leases are held.
@Suite struct ElectionTimeoutTests {
    private func cluster(seed: UInt64 = 1) throws -> ConsensusCluster {
        let cluster = ConsensusCluster(3, seed: seed) { _ in
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

    private func timeouts(_ cluster: ConsensusCluster, _ place: Int) -> ElectionTimeouts? {
        cluster.core(place).configuration.timeouts
    }

    @Test(
        "E is raised and lowered while the mesh runs, by two entries, and heartbeats follow",
        arguments: [Int64(50), 60, 1000])
    func change(milliseconds: Int64) throws {
        let cluster = try cluster()
        let target = Duration.milliseconds(milliseconds)
        let before = cluster.core(0).lastIndex
        cluster.changeElectionTimeout(to: target, on: 0)
        #expect(timeouts(cluster, 0) == ElectionTimeouts(target, former: .milliseconds(100)))
        let isDone = { (0..<3).allSatisfy { timeouts(cluster, $0) == ElectionTimeouts(target) } }
        #expect(cluster.run(within: .milliseconds(500), until: isDone))
        #expect(cluster.core(0).lastIndex == before + 2)
        var beats = 0
        cluster.filter = { message, from, to in
            if from == 0, to == 1, case .heartbeat = message { beats += 1 }
            return true
        }
        cluster.run(for: target * 10)
        #expect((45...55).contains(beats), "five rounds an election timeout, not \(beats) in ten")
        cluster.crash(0)
        #expect(cluster.run(within: target * 4) { cluster.leader.map { $0 > 0 } ?? false })
        #expect(cluster.violations.isEmpty)
    }

    @Test("the lease shrinks when a shorter E is appended, and grows only by promises as long as the longer one")
    func leaseFollows() throws {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        solo.answer(try #require(solo.lastRound), from: 2)
        let sentAt = try #require(solo.core.leaseDeadline) - .milliseconds(80)
        _ = solo.changeElectionTimeout(to: .milliseconds(50))
        #expect(solo.core.leaseDeadline == sentAt + .milliseconds(40))
        #expect(solo.core.electionTimeout == .milliseconds(100), "votes are still withheld for the longer one")
        solo.persist()
        solo.acknowledge(through: 2, from: 2)
        #expect(solo.core.electionTimeout == .milliseconds(50))
        solo.persist()
        solo.acknowledge(through: 3, from: 2)
        _ = solo.changeElectionTimeout(to: .milliseconds(400))
        #expect(solo.core.electionTimeout == .milliseconds(400))
        #expect(solo.core.leaseDeadline == sentAt + .milliseconds(40))
        solo.persist()
        solo.acknowledge(through: 4, from: 2)
        solo.persist()
        solo.acknowledge(through: 5, from: 2)
        solo.advance(by: .milliseconds(20))
        let round = try #require(solo.lastRound)
        solo.answer(round, from: 2, promise: .milliseconds(50))
        #expect(solo.core.leaseDeadline == sentAt + .milliseconds(40), "n2 has not heard of the longer one")
        solo.answer(round, from: 3, promise: .milliseconds(400))
        #expect(solo.core.leaseDeadline == solo.now + .milliseconds(320))
    }

    @Test("an answer that promised enough for a shorter lease is no promise for a longer one")
    func oldPromises() throws {
        var solo = SoloReplica(voters: 5)
        solo.lead()
        let round = try #require(solo.lastRound)
        for follower in 2...3 { solo.acknowledge(through: 1, from: follower) }
        solo.answer(round, from: 2)
        #expect(solo.core.leaseDeadline == nil)
        // Both steps towards four times as long are committed, by those who have promised nothing yet.
        _ = solo.changeElectionTimeout(to: .milliseconds(400))
        solo.persist()
        for follower in 3...4 { solo.acknowledge(through: 2, from: follower) }
        solo.persist()
        for follower in 3...4 { solo.acknowledge(through: 3, from: follower) }
        #expect(solo.core.configuration.timeouts == ElectionTimeouts(.milliseconds(400)))
        solo.answer(round, from: 3, promise: .milliseconds(400))
        #expect(solo.core.leaseDeadline == nil, "n2 was sure of a quarter of that only")
        solo.answer(round, from: 4, promise: .milliseconds(400))
        #expect(solo.core.leaseDeadline != nil)
    }

    /// What a heartbeat of this term is answered with.
    private func promised(_ solo: inout SoloReplica, term: UInt64 = 2) -> Duration? {
        solo.receive(.heartbeat(.init(term: Term(term), round: 1, commitIndex: .zero, time: .zero)), from: 2)
        solo.persist()
        return lastPromise(&solo)
    }

    private func lastPromise(_ solo: inout SoloReplica) -> Duration? {
        solo.takeSent().compactMap { message -> Duration? in
            guard case .heartbeatReply(let reply) = message else { return nil }
            return reply.promise
        }.last
    }

    private func append(_ index: UInt64, _ term: UInt64, _ timeouts: ElectionTimeouts) -> RaftMessage {
        let configuration = Configuration(voters: (1...3).map(SoloReplica.id), timeouts: timeouts)
        let entry = Entry(
            index: LogIndex(index), term: Term(term), time: .zero, kind: .configuration,
            payload: configuration.encode())
        let previous = index == 1 ? LogPosition.zero : LogPosition(index: LogIndex(index - 1), term: Term(term))
        return .append(.init(term: Term(term), previous: previous, entries: [entry], commitIndex: .zero, time: .zero))
    }

    /// A leader's E of 400 ms, uncommitted, may give way to the next leader's log: until that one has confirmed it, the
    /// promise is what the log would keep without it.
    @Test("nothing is promised by an entry that the leader may cut off")
    func uncertainPromise() {
        var solo = SoloReplica(term: 1)
        solo.receive(append(1, 2, ElectionTimeouts(.milliseconds(400), former: .milliseconds(100))), from: 2)
        solo.persist()
        #expect(promised(&solo) == .milliseconds(400))
        #expect(promised(&solo, term: 3) == .milliseconds(100))
        let probe = RaftMessage.Append(
            term: Term(3), previous: LogPosition(index: LogIndex(1), term: Term(2)), entries: [], commitIndex: .zero,
            time: .zero)
        solo.receive(.append(probe), from: 2)
        #expect(promised(&solo, term: 3) == .milliseconds(400))
    }

    @Test("what a voter promises is what its disk would make it keep after a crash")
    func promises() throws {
        var solo = SoloReplica(term: 1)
        solo.receive(.heartbeat(.init(term: Term(2), round: 1, commitIndex: .zero, time: .zero)), from: 2)
        solo.persist()
        #expect(promised(&solo) == .milliseconds(100))
        solo.receive(append(1, 2, ElectionTimeouts(.milliseconds(400), former: .milliseconds(100))), from: 2)
        solo.receive(.heartbeat(.init(term: Term(2), round: 2, commitIndex: .zero, time: .zero)), from: 2)
        #expect(lastPromise(&solo) == .milliseconds(100), "not on disk yet")
        solo.persist()
        #expect(promised(&solo) == .milliseconds(400))
        solo.receive(append(2, 2, ElectionTimeouts(.milliseconds(50))), from: 2)
        #expect(promised(&solo) == .milliseconds(50))
    }

    @Test("a voter that is gone for good does not hold a change of E up, and is told of it when it comes back")
    func deadVoter() throws {
        let cluster = try cluster()
        cluster.crash(2)
        for target in [Duration.milliseconds(400), .milliseconds(60), .milliseconds(800)] {
            cluster.changeElectionTimeout(to: target, on: 0)
            let isDone = { timeouts(cluster, 0) == ElectionTimeouts(target) && !cluster.core(0).isChangeUnfinished }
            #expect(cluster.run(within: .seconds(2), until: isDone))
        }
        cluster.run(for: .seconds(1))
        #expect(cluster.holdsLease(0))
        cluster.restart(2)
        #expect(cluster.run(within: .seconds(2)) { timeouts(cluster, 2) == ElectionTimeouts(.milliseconds(800)) })
        #expect(cluster.leader == 0 && cluster.violations.isEmpty)
    }

    /// n2 is promised a second, n3 never hears of it; n3 alone renews the lease; then n1 is cut off.
    @Test("a voter that missed a longer E cannot be made to break a lease that relies on it")
    func missedChange() throws {
        let cluster = try cluster()
        cluster.filter = { message, from, to in
            if from == 0, to == 2, case .append = message { return false }
            return true
        }
        cluster.changeElectionTimeout(to: .seconds(1), on: 0)
        cluster.run(for: .milliseconds(200))
        cluster.cut(0, 1)
        cluster.run(for: .milliseconds(900))
        #expect(cluster.core(0).role == .leader && !cluster.holdsLease(0), "n3 follows, and promises too little")
        cluster.isolate(0)
        cluster.run(for: .seconds(3))
        #expect(cluster.leader == 1)
        #expect(cluster.violations.isEmpty)
    }

    @Test("a change is refused while one is not over")
    func unfinished() throws {
        let cluster = try cluster()
        cluster.filter = { message, _, _ in if case .append = message { false } else { true } }
        cluster.changeElectionTimeout(to: .seconds(1), on: 0)
        cluster.run(for: .milliseconds(50))
        let index = cluster.core(0).lastIndex
        #expect(cluster.changeElectionTimeout(to: .milliseconds(50), on: 0) == .failure(.unfinished(index)))
        cluster.filter = nil
        cluster.run(for: .milliseconds(900))
        #expect(timeouts(cluster, 0) == ElectionTimeouts(.seconds(1)))
        #expect(cluster.violations.isEmpty)
    }

    @Test("no schedule of changes of E, pauses, cuts and clocks 10% apart makes two leases", arguments: 0..<4)
    func swarm(block: UInt64) throws {
        for seed in block * 15..<block * 15 + 15 {
            let cluster = ConsensusCluster(3, seed: seed)
            for place in 0..<3 { cluster.setClock(place, ratePerMille: [900, 1100, 1000][place], offset: 0) }
            for _ in 0..<60 {
                if let leader = cluster.leader {
                    let timeout = Duration.milliseconds(Int64(20 + cluster.random.below(400)))
                    if cluster.random.chance(1, in: 3) { cluster.changeElectionTimeout(to: timeout, on: leader) }
                    switch cluster.random.below(5) {
                    case 0: cluster.isolate(leader)
                    case 1: cluster.cut(leader, (leader + 1) % 3)
                    case 2: cluster.pause(leader)
                    case 3:
                        let other = (leader + 1) % 3
                        if cluster.nodes[other].core != nil { cluster.crash(other) }
                        if cluster.random.chance(1, in: 2) { cluster.restart(other) }
                    default: break
                    }
                }
                cluster.run(for: cluster.random.duration(in: .milliseconds(5)...(.milliseconds(400))))
                if cluster.random.chance(1, in: 2) { cluster.healLinks() }
                for place in 0..<3 where cluster.nodes[place].isPaused { cluster.resume(place) }
            }
            for place in 0..<3 where cluster.nodes[place].core == nil { cluster.restart(place) }
            cluster.healLinks()
            #expect(cluster.run(within: .seconds(5)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
