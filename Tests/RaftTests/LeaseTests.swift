import Primitives
import Raft
import Testing

@Suite struct LeaseTests {
    private func leader(voters: Int = 3) -> SoloReplica {
        var solo = SoloReplica(voters: voters)
        solo.lead()
        return solo
    }

    @Test("the lease runs 0.8 E from when the round was sent, not from its answers")
    func fromSendTime() throws {
        var solo = leader()
        let sentAt = solo.now
        let round = try #require(solo.lastRound)
        #expect(!solo.core.holdsLease(at: solo.now))
        solo.sleep(.milliseconds(30))
        solo.answer(round, from: 2)
        #expect(solo.core.leaseDeadline == sentAt + .milliseconds(80))
        #expect(solo.core.holdsLease(at: sentAt + .nanoseconds(79_999_999)))
        #expect(!solo.core.holdsLease(at: sentAt + .milliseconds(80)))
    }

    @Test("an answer of an earlier term gives no lease, though its round has the same number")
    func earlierTerm() throws {
        var solo = SoloReplica(terms: [1])
        solo.lead()
        let round = try #require(solo.lastRound)
        let late = RaftMessage.HeartbeatReply(
            term: Term(1), round: round, stamp: 0, commitIndex: .zero, last: LogIndex(1),
            promise: SoloReplica.timeout)
        for voter in [2, 3] { solo.receive(.heartbeatReply(late), from: voter) }
        #expect(!solo.core.holdsLease(at: solo.now))
        solo.answer(round, from: 2)
        #expect(solo.core.holdsLease(at: solo.now))
    }

    @Test("an answer to an old round does not renew the lease")
    func oldAnswer() throws {
        var solo = leader()
        let first = try #require(solo.lastRound)
        solo.answer(first, from: 2)
        let deadline = solo.core.leaseDeadline
        solo.advance(by: .milliseconds(20))
        solo.answer(first, from: 3)
        solo.answer(first, from: 2)
        #expect(solo.core.leaseDeadline == deadline)
        let second = try #require(solo.lastRound)
        #expect(second > first)
        solo.answer(second, from: 3)
        #expect(solo.core.leaseDeadline == deadline.map { $0 + .milliseconds(20) })
    }

    @Test("case 45: a leader that slept past its lease does not claim it, before any timer ran")
    func slept() throws {
        var solo = leader()
        solo.answer(try #require(solo.lastRound), from: 2)
        solo.sleep(.seconds(5))
        #expect(solo.core.role == .leader && !solo.core.holdsLease(at: solo.now))
    }

    @Test("thesis §6.2: a leader without a quorum's answers for E steps down and falls silent")
    func quorumLoss() {
        var solo = leader(voters: 5)
        var rounds = 0
        while solo.core.role == .leader, rounds < 100 {
            solo.advance(by: .milliseconds(10))
            if let round = solo.lastRound { solo.answer(round, from: 2) }
            rounds += 1
        }
        #expect(rounds == 10, "one answer of five is no quorum")
        _ = solo.takeSent()
        solo.advance(by: .milliseconds(50))
        #expect(solo.takeSent().isEmpty)
    }

    @Test("a leader that was stopped asks once more before it steps down: who did not run cannot tell who was silent")
    func stopped() throws {
        var solo = leader()
        solo.answer(try #require(solo.lastRound), from: 2)
        solo.sleep(.seconds(5))
        _ = solo.takeSent()
        solo.advance(by: .zero)
        #expect(solo.core.role == .leader && !solo.core.holdsLease(at: solo.now))
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.core.holdsLease(at: solo.now))
        // Nobody answers: another round is all that it waits for, however late the next tick comes.
        solo.sleep(.seconds(5))
        solo.advance(by: .zero)
        #expect(solo.core.role == .leader)
        solo.sleep(.milliseconds(30))
        solo.advance(by: .zero)
        #expect(solo.core.role == .follower)
    }

    @Test("case 36: a leader whose disk hangs steps down although its quorum answers")
    func hungDisk() throws {
        var solo = leader()
        solo.acknowledge(through: 1, from: 2)
        _ = solo.propose()
        var waited = 0
        while solo.core.role == .leader, waited < 300 {
            solo.advance(by: .milliseconds(10))
            waited += 1
            if let round = solo.lastRound { solo.answer(round, from: 2) }
        }
        #expect(waited == 100, "the limit is one second")
        let term = solo.core.term
        for _ in 0..<50 { solo.advance(by: .milliseconds(100)) }
        #expect(solo.core.term == term && solo.core.role == .follower, "a replica that cannot write does not campaign")
    }

    @Test("thesis §3.10: telling a successor to campaign ends the lease of the term for good")
    func transferEndsLease() throws {
        var solo = leader()
        solo.acknowledge(through: 1, from: 2)
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.core.holdsLease(at: solo.now))
        solo.transfer(to: 2)
        #expect(solo.takeSent(to: 2).contains(.timeoutNow(term: solo.core.term)))
        #expect(!solo.core.holdsLease(at: solo.now))
        solo.advance(by: .milliseconds(20))
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(!solo.core.holdsLease(at: solo.now), "later rounds do not bring it back")
        #expect(solo.propose() == .failure(.transferring))
    }

    @Test("a hand-over that fails makes the leader campaign anew at a higher term")
    func abortedTransfer() throws {
        var solo = leader()
        let term = solo.core.term
        solo.acknowledge(through: 1, from: 2)
        solo.transfer(to: 2)
        for _ in 0..<10 {
            solo.advance(by: .milliseconds(10))
            if solo.core.role == .leader, let round = solo.lastRound { solo.answer(round, from: 2) }
        }
        #expect(solo.core.role == .candidate && solo.core.term == term.next)
        solo.persist()
        let asked = RaftMessage.VoteRequest(term: term.next, last: solo.core.log.lastPosition, isTransfer: true)
        #expect(solo.takeSent(to: 3).contains(.vote(asked)))
        solo.receive(.voteReply(.init(term: solo.core.term, isGranted: true)), from: 3)
        solo.answer(try #require(solo.lastRound), from: 3)
        #expect(solo.core.holdsLease(at: solo.now), "the new term has a lease of its own")
    }

    @Test("case 44: a delayed order to campaign never makes two valid leases")
    func delayedTimeoutNow() {
        for seed in UInt64(0)..<40 {
            let cluster = ConsensusCluster(3, seed: seed)
            #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            guard let old = cluster.leader else { continue }
            cluster.run(for: .milliseconds(100))
            let target = (old + 1) % 3
            var delayed: RaftMessage?
            cluster.filter = { message, _, _ in
                guard case .timeoutNow = message else { return true }
                delayed = message
                return false
            }
            cluster.transfer(from: old, to: target)
            guard let order = delayed else {
                Issue.record("no order was sent, seed \(seed)")
                continue
            }
            cluster.cut(old, target)
            cluster.schedule(order, from: old, to: target, after: .milliseconds(Int64(seed) * 8))
            cluster.run(for: .seconds(1))
            cluster.healLinks()
            #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }

    @Test("case 27: no schedule of pauses and clocks 10% apart makes two leases or a stale read", arguments: 0..<4)
    func clocks(block: UInt64) {
        for seed in block * 10..<block * 10 + 10 {
            let cluster = ConsensusCluster(3, seed: seed)
            for place in 0..<3 { cluster.setClock(place, ratePerMille: [900, 1100, 1100][place], offset: 0) }
            #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            for _ in 0..<20 {
                guard let leader = cluster.leader else {
                    cluster.run(for: .milliseconds(50))
                    continue
                }
                cluster.propose([1], on: leader)
                if cluster.random.chance(1, in: 2) { cluster.pause(leader) } else { cluster.isolate(leader) }
                cluster.run(for: cluster.random.duration(in: .milliseconds(50)...(.milliseconds(300))))
                for place in 0..<3 where place != leader { _ = cluster.requestRead(on: place) }
                if cluster.nodes[leader].isPaused { cluster.resume(leader) }
                _ = cluster.requestRead(on: leader)
                cluster.healLinks()
                cluster.run(for: .milliseconds(60))
            }
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
