import Primitives
import Raft
import Testing

@Suite struct ElectionTests {
    private func request(
        _ term: UInt64, last: LogPosition = .zero, isTransfer: Bool = false
    ) -> RaftMessage.VoteRequest {
        RaftMessage.VoteRequest(term: Term(term), last: last, isTransfer: isTransfer)
    }

    private func heartbeat(_ term: UInt64, round: UInt64 = 1) -> RaftMessage {
        .heartbeat(RaftMessage.Heartbeat(term: Term(term), round: round, commitIndex: .zero, time: .zero))
    }

    private func position(_ index: UInt64, _ term: UInt64) -> LogPosition {
        LogPosition(index: LogIndex(index), term: Term(term))
    }

    @Test("a lone voter leads without waiting, once its vote is durable")
    func lone() {
        var solo = SoloReplica(voters: 1)
        #expect(solo.core.nextDeadline == .zero)
        solo.advance(by: .zero)
        #expect(solo.core.role == .candidate)
        solo.persist()
        #expect(solo.core.role == .leader && solo.core.holdsLease(at: solo.now))
        #expect(solo.applied.map(\.kind) == [.noop])
        _ = solo.propose([7])
        #expect(solo.applied.count == 1)
        solo.persist()
        #expect(solo.applied.last?.payload == [7])
    }

    @Test("a follower that was stopped waits for one more heartbeat before it campaigns, and only for one")
    func stoppedFollower() {
        var solo = SoloReplica(terms: [4])
        solo.receive(heartbeat(4), from: 2)
        solo.sleep(.seconds(5))
        solo.advance(by: .zero)
        #expect(solo.core.role == .follower)
        // It comes: the machine of both had stood still.
        solo.receive(heartbeat(4, round: 2), from: 2)
        _ = solo.takeSent()
        solo.advance(by: .milliseconds(60))
        #expect(solo.core.role == .follower && solo.takeSent().isEmpty)
        // It does not, and every tick is late.
        solo.sleep(.seconds(5))
        solo.advance(by: .zero)
        #expect(solo.core.role == .follower)
        solo.sleep(.milliseconds(30))
        solo.advance(by: .zero)
        #expect(solo.core.role == .preCandidate)
    }

    @Test("thesis §9.6: a replica that cannot win changes nobody's term")
    func preVoteKeepsTerm() {
        var solo = SoloReplica(terms: [4])
        for _ in 0..<50 { solo.advance(by: .milliseconds(100)) }
        #expect(solo.core.term == Term(4) && solo.writes.isEmpty)
        #expect(solo.takeSent().allSatisfy { if case .preVote = $0 { $0.term == Term(5) } else { false } })
    }

    @Test("requests for votes leave only after term and own vote are durable")
    func candidateWaitsForDisk() {
        var solo = SoloReplica()
        solo.advance(by: .milliseconds(400))
        solo.receive(.preVoteReply(.init(term: Term(1), isGranted: true)), from: 2)
        #expect(solo.core.role == .candidate)
        #expect(solo.takeSent().allSatisfy { if case .vote = $0 { false } else { true } })
        solo.receive(.voteReply(.init(term: Term(1), isGranted: true)), from: 2)
        #expect(solo.core.role == .candidate, "the own vote must not count before it is durable")
        solo.persist()
        #expect(solo.core.role == .leader)
    }

    @Test("case 16: a vote survives a crash and refuses a second candidate of the term")
    func voteSurvives() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 2)
        solo.persist()
        #expect(solo.takeSent(to: 2) == [.voteReply(.init(term: Term(1), isGranted: true))])
        solo.crashAndRestart()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 3)
        solo.persist()
        #expect(solo.takeSent(to: 3) == [.voteReply(.init(term: Term(1), isGranted: false))])
        solo.receive(.vote(request(1)), from: 2)
        #expect(solo.takeSent(to: 2) == [.voteReply(.init(term: Term(1), isGranted: true))])
    }

    @Test("case 16: a vote in a term that was known already is durable too, before it is told")
    func voteInKnownTerm() {
        var solo = SoloReplica(term: 5)
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(5)), from: 2)
        #expect(solo.takeSent().isEmpty)
        #expect(solo.writes.map(\.hardState) == [HardState(term: Term(5), votedFor: SoloReplica.id(2))])
        solo.persist()
        #expect(solo.takeSent(to: 2) == [.voteReply(.init(term: Term(5), isGranted: true))])
        solo.crashAndRestart()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(5)), from: 3)
        #expect(solo.takeSent(to: 3) == [.voteReply(.init(term: Term(5), isGranted: false))])
    }

    @Test("case 17: a vote that is not durable has not been told to anyone")
    func voteWaits() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 2)
        #expect(solo.writes.map(\.hardState) == [HardState(term: Term(1), votedFor: SoloReplica.id(2))])
        #expect(solo.takeSent().isEmpty)
        solo.crashAndRestart()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 3)
        solo.persist()
        #expect(solo.takeSent() == [.voteReply(.init(term: Term(1), isGranted: true))])
    }

    @Test("the end of one write lets go only of what waited for it")
    func twoWrites() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 2)
        solo.receive(.vote(request(2)), from: 3)
        solo.persistNext()
        #expect(solo.takeSent().isEmpty, "term 1 is over, and the vote in term 2 is not written yet")
        solo.persist()
        #expect(solo.takeSent(to: 3) == [.voteReply(.init(term: Term(2), isGranted: true))])
    }

    @Test("only the leader of the present term can order a campaign")
    func lateOrder() {
        var solo = SoloReplica()
        solo.receive(heartbeat(3), from: 2)
        solo.persist()
        for (term, sender) in [(UInt64(2), 2), (3, 3)] {
            solo.receive(.timeoutNow(term: Term(term)), from: sender)
            solo.persist()
            #expect(solo.core.role == .follower && solo.core.term == Term(3))
        }
        solo.receive(.timeoutNow(term: Term(3)), from: 2)
        #expect(solo.core.role == .candidate)
    }

    @Test("case 18: votes of an earlier term elect nobody")
    func lateVotes() {
        var solo = SoloReplica(voters: 5)
        for term in UInt64(1)...2 {
            solo.advance(by: .milliseconds(800))
            solo.receive(.preVoteReply(.init(term: Term(term), isGranted: true)), from: 2)
            solo.receive(.preVoteReply(.init(term: Term(term), isGranted: true)), from: 3)
            solo.persist()
        }
        #expect(solo.core.term == Term(2) && solo.core.role == .candidate)
        for voter in 2...5 { solo.receive(.voteReply(.init(term: Term(1), isGranted: true)), from: voter) }
        #expect(solo.core.role == .candidate)
        solo.receive(.voteReply(.init(term: Term(2), isGranted: true)), from: 2)
        solo.receive(.voteReply(.init(term: Term(2), isGranted: true)), from: 2)
        #expect(solo.core.role == .candidate, "one voter counts once")
        solo.receive(.voteReply(.init(term: Term(2), isGranted: true)), from: 3)
        #expect(solo.core.role == .leader)
    }

    @Test("thesis §4.2.3: near a live leader neither vote nor term moves")
    func withholds() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(100))
        solo.receive(heartbeat(3), from: 2)
        solo.persist()
        _ = solo.takeSent()
        solo.sleep(.milliseconds(99))
        solo.receive(.vote(request(9)), from: 3)
        solo.receive(.preVote(request(9)), from: 3)
        #expect(solo.core.term == Term(3) && solo.core.leader == SoloReplica.id(2))
        #expect(solo.takeSent() == [.preVoteReply(.init(term: Term(3), isGranted: false))])
        solo.sleep(.milliseconds(1))
        solo.receive(.vote(request(9)), from: 3)
        solo.persist()
        #expect(solo.takeSent() == [.voteReply(.init(term: Term(9), isGranted: true))])
    }

    @Test("case 43: a restarted voter withholds its vote for E, since it may have promised as much")
    func restartedVoterWithholds() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(100))
        solo.receive(heartbeat(3), from: 2)
        solo.persist()
        solo.crashAndRestart()
        solo.sleep(.milliseconds(99))
        solo.receive(.vote(request(4)), from: 3)
        #expect(solo.core.term == Term(3) && solo.takeSent().isEmpty)
        solo.receive(.vote(request(4, isTransfer: true)), from: 3)
        solo.persist()
        #expect(solo.core.term == Term(4), "a leader that gave up its lease is not waited for")
    }

    @Test(
        "Raft §5.4.1: no vote for a log that is behind",
        arguments: [
            (2, 3, true), (1, 4, true), (9, 2, false), (1, 3, false), (3, 3, true),
        ])
    func upToDate(index: UInt64, term: UInt64, granted: Bool) {
        var solo = SoloReplica(terms: [1, 3])
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(9, last: position(index, term))), from: 2)
        solo.persist()
        #expect(solo.takeSent() == [.voteReply(.init(term: Term(9), isGranted: granted))])
    }

    @Test("case 41: a doubtful tail keeps the vote for logs that reach it, the own one included")
    func doubtful() {
        var solo = SoloReplica(terms: [1, 1], doubtfulTail: position(3, 1))
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(2, last: position(2, 1))), from: 2)
        solo.persist()
        #expect(solo.takeSent() == [.voteReply(.init(term: Term(2), isGranted: false))])
        for _ in 0..<20 { solo.advance(by: .milliseconds(100)) }
        #expect(solo.takeSent().allSatisfy { if case .preVote = $0 { false } else { true } })
        #expect(solo.core.term == Term(2), "asking about the tail raises the term once at most")
        solo.receive(.vote(request(4, last: position(3, 1))), from: 3)
        solo.persist()
        #expect(solo.takeSent().contains(.voteReply(.init(term: Term(4), isGranted: true))))
    }

    @Test("case 15: the campaign of a replica outside the configuration is not listened to")
    func outsider() {
        var solo = SoloReplica()
        solo.sleep(.milliseconds(200))
        solo.receive(.vote(request(99)), from: 9)
        solo.receive(.voteReply(.init(term: Term(99), isGranted: false)), from: 9)
        #expect(solo.core.term == .zero && solo.core.leader == nil && solo.takeSent().isEmpty)
    }

    @Test("rank lengthens timeouts and refuses nothing")
    func rank() {
        var config = RaftConfig(electionTimeout: .milliseconds(100))
        config.electionJitter = .zero
        config.priorities = [SoloReplica.id(2): 5, SoloReplica.id(3): 9]
        var solo = SoloReplica(config: config)
        #expect(solo.core.nextDeadline == Instant.zero + .milliseconds(150), "two higher ranks add two delays")
        config.priorities = [SoloReplica.id(1): 5]
        solo = SoloReplica(config: config)
        #expect(solo.core.nextDeadline == Instant.zero + .milliseconds(100))
        solo.sleep(.milliseconds(100))
        solo.receive(.vote(request(1)), from: 2)
        solo.persist()
        #expect(solo.takeSent() == [.voteReply(.init(term: Term(1), isGranted: true))])
    }

    @Test("the rank of a leader that fell silent delays nobody")
    func rankOfSilentLeader() {
        var config = RaftConfig(electionTimeout: .milliseconds(100))
        config.electionJitter = .zero
        config.priorities = [SoloReplica.id(2): 5, SoloReplica.id(3): 9]
        var solo = SoloReplica(config: config)
        solo.receive(heartbeat(1), from: 3)
        #expect(solo.core.nextDeadline == Instant.zero + .milliseconds(125), "one higher rank is left")
        solo.receive(heartbeat(2), from: 2)
        #expect(solo.core.nextDeadline == Instant.zero + .milliseconds(125))
        config.priorities = [SoloReplica.id(2): 9, SoloReplica.id(3): 9]
        solo = SoloReplica(config: config)
        solo.receive(heartbeat(1), from: 3)
        #expect(solo.core.nextDeadline == Instant.zero + .milliseconds(125), "another has that rank, too")
    }

    @Test("uptime breaks ties between equal ranks in the timeouts, and outweighs no rank")
    func uptime() {
        var config = RaftConfig(electionTimeout: .milliseconds(100))
        config.electionJitter = .zero
        let due = { (boots: [Int: Int64], ranks: [Int: Int]) -> Duration in
            config.bootedAt = [:]
            for (voter, time) in boots { config.bootedAt[SoloReplica.id(voter)] = LogTime(milliseconds: time) }
            config.priorities = [:]
            for (voter, rank) in ranks { config.priorities[SoloReplica.id(voter)] = rank }
            return SoloReplica(voters: 5, config: config).core.nextDeadline - Instant.zero
        }
        #expect(due([:], [:]) == .milliseconds(100))
        #expect(due([1: 1, 2: 2, 3: 3], [:]) == .milliseconds(100), "the eldest waits for nobody")
        #expect(due([1: 9, 2: 2, 3: 3], [:]) == .milliseconds(110), "two elders of five equals, 5 ms each")
        #expect(due([2: 2, 3: 3, 4: 3, 5: 7], [:]) == .milliseconds(120), "not known to be up: last, and below a rank")
        #expect(due([1: 9, 2: 2, 3: 3], [2: 7]) == .microseconds(131_250), "a rank, and one elder of four equals")
        #expect(due([1: 5, 2: 5, 3: 5], [:]) == .milliseconds(100), "ids decide in the end")
    }

    @Test("a candidate whose disk has not finished does not start another term")
    func slowDisk() {
        var solo = SoloReplica()
        solo.advance(by: .milliseconds(400))
        solo.receive(.preVoteReply(.init(term: Term(1), isGranted: true)), from: 2)
        for _ in 0..<30 {
            solo.advance(by: .milliseconds(100))
            solo.receive(.preVoteReply(.init(term: Term(2), isGranted: true)), from: 2)
        }
        #expect(solo.core.term == Term(1))
    }
}
