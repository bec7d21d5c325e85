import NodeCore
import Primitives
import Raft
import Simulator
import Testing

/// The checkers that go by messages, each shown what it must not let pass.
@Suite("Checkers hear what is wrong")
struct MessageCheckerTests {
    private static let replicas = (1...3).map { ReplicaID(UInt64($0)) }
    private static let configuration = Configuration(voters: replicas)

    private static func position(_ index: UInt64, _ term: UInt64) -> LogPosition {
        LogPosition(index: LogIndex(index), term: Term(term))
    }

    /// n1 campaigns in term 5 with a log that ends at 7@3.
    private static func campaigning() -> (VoteChecker, VoteChecker.Place) {
        var votes = VoteChecker()
        let place = VoteChecker.Place(term: Term(5), node: 0)
        let campaign = VoteChecker.Campaign(candidate: replicas[0], last: position(7, 3), isOrdered: false)
        #expect(votes.note(campaign, at: place, leaderBefore: nil) == nil)
        return (votes, place)
    }

    @Test("a vote for two candidates of one term, and one that a restart forgot")
    func twoVotes() {
        var (votes, place) = Self.campaigning()
        let voter = VoteChecker.Voter(replica: Self.replicas[1], last: Self.position(7, 3))
        #expect(votes.noteGrant(of: voter, to: place) == nil)
        #expect(votes.noteGrant(of: voter, to: place) == nil)
        #expect(votes.judge(recovered: Self.replicas[1], term: Term(5), vote: Self.replicas[0]) == nil)
        #expect(votes.judge(recovered: Self.replicas[1], term: Term(6), vote: nil) == nil)
        #expect(votes.judge(recovered: Self.replicas[1], term: Term(5), vote: nil) != nil)
        #expect(votes.judge(recovered: Self.replicas[1], term: Term(4), vote: nil) != nil)
        let other = VoteChecker.Place(term: Term(5), node: 2)
        let campaign = VoteChecker.Campaign(candidate: Self.replicas[2], last: Self.position(9, 3), isOrdered: false)
        #expect(votes.note(campaign, at: other, leaderBefore: nil) == nil)
        #expect(votes.noteGrant(of: voter, to: other)?.hasPrefix("vote safety") == true)
    }

    @Test("a vote for a log that is not as good as what the voter holds, or may have held")
    func shorterLog() {
        var (votes, place) = Self.campaigning()
        func grant(_ last: LogPosition, doubt: LogPosition? = nil, isFaulty: Bool = false) -> String? {
            let voter = VoteChecker.Voter(
                replica: Self.replicas[1], last: last, doubtfulTail: doubt, isFaulty: isFaulty)
            return votes.noteGrant(of: voter, to: place)
        }
        #expect(grant(Self.position(9, 2)) == nil)
        #expect(grant(Self.position(8, 3)) != nil)
        #expect(grant(Self.position(1, 4)) != nil)
        #expect(grant(Self.position(8, 5)) == nil, "entries of that very term are the winner's")
        #expect(grant(Self.position(3, 2), doubt: Self.position(8, 3)) != nil)
        #expect(grant(Self.position(3, 2), isFaulty: true) != nil)
    }

    @Test("an election with too few votes, with invented ones, and a campaign that nobody ordered")
    func elections() {
        var (votes, place) = Self.campaigning()
        func judge(counted: [ReplicaID]) -> String? {
            votes.judge(
                leader: Self.replicas[0], term: Term(5), configuration: Self.configuration, counted: counted)
        }
        #expect(judge(counted: []) != nil)
        _ = votes.noteGrant(of: VoteChecker.Voter(replica: Self.replicas[1], last: .zero), to: place)
        #expect(judge(counted: [Self.replicas[1]]) == nil)
        #expect(judge(counted: [Self.replicas[2]]) != nil)
        let ordered = VoteChecker.Campaign(candidate: Self.replicas[2], last: Self.position(9, 5), isOrdered: true)
        let late = VoteChecker.Place(term: Term(6), node: 2)
        #expect(votes.note(ordered, at: late, leaderBefore: 0)?.hasPrefix("hand-over") == true)
        votes.noteOrder(VoteChecker.Place(term: Term(5), node: 2))
        #expect(votes.note(ordered, at: late, leaderBefore: 0) == nil)
    }

    @Test("a vote that breaks a promise, and a round that nobody answered")
    func rounds() {
        var rounds = RoundChecker()
        let sentAt = Instant.zero + .seconds(10)
        rounds.noteSent(7, term: Term(5), at: sentAt, local: sentAt)
        let reply = RaftMessage.HeartbeatReply(
            term: Term(5), round: 7, stamp: 0, commitIndex: .zero, promise: .milliseconds(300))
        rounds.noteAnswer(reply, of: Self.replicas[1])
        let timeout = Duration.milliseconds(300)
        #expect(rounds.judge(vote: Self.replicas[1], timeout: timeout, at: sentAt + .milliseconds(200)) != nil)
        #expect(rounds.judge(vote: Self.replicas[1], timeout: timeout, at: sentAt + .milliseconds(300)) == nil)
        #expect(rounds.judge(vote: Self.replicas[2], timeout: timeout, at: sentAt + .milliseconds(200)) == nil)
        func believes(_ replica: Int, _ round: UInt64) -> String? {
            let belief = Consensus.Belief(member: Self.replicas[replica], match: .zero, answeredRound: round)
            return rounds.judge(beliefs: [belief], term: Term(5))
        }
        #expect(believes(1, 7) == nil)
        #expect(believes(1, 8) != nil)
        #expect(believes(2, 7) != nil)
    }

    @Test("a copy that nobody told of, and obedience to who does not lead")
    func copies() {
        var copies = AcknowledgementChecker()
        copies.note(LogIndex(9), of: Self.replicas[1], in: Term(5))
        func believes(_ match: UInt64, in term: UInt64) -> String? {
            let belief = Consensus.Belief(member: Self.replicas[1], match: LogIndex(match), answeredRound: 0)
            return copies.judge(beliefs: [belief], term: Term(term))
        }
        #expect(believes(9, in: 5) == nil)
        #expect(believes(10, in: 5) != nil)
        #expect(believes(9, in: 6) != nil)
        func judge(_ receiver: Int) -> String? {
            AcknowledgementChecker.judge(receiver: receiver, leader: 1, of: Term(5), from: Self.replicas[0])
        }
        #expect(judge(1) == nil)
        #expect(judge(2) != nil)
    }

    @Test("a read that is stale, unconfirmed, or answered before its index was applied")
    func reads() {
        func judge(index: UInt64, applied: UInt64, proven: Int64) -> String? {
            var reads = ReadChecker()
            reads.noteAsked(RequestID(1), at: .zero + .seconds(5), committed: LogIndex(8))
            reads.noteProven(.zero + .seconds(proven))
            return reads.judge(
                RequestID(1), answered: LogIndex(index), applied: LogIndex(applied), seesRounds: true)
        }
        #expect(judge(index: 8, applied: 8, proven: 5) == nil)
        #expect(judge(index: 7, applied: 8, proven: 5) != nil)
        #expect(judge(index: 9, applied: 8, proven: 5) != nil)
        #expect(judge(index: 8, applied: 8, proven: 4) != nil)
    }

    @Test("a claim to be as recent as a moment before which more was committed than is applied")
    func freshness() {
        var freshness = FreshnessChecker()
        freshness.noteCommitted(through: LogIndex(3), at: .zero + .seconds(1))
        freshness.noteCommitted(through: LogIndex(4), at: .zero + .seconds(2))
        func judge(_ seconds: Int64, applied: UInt64) -> String? {
            freshness.judge(claimed: .zero + .seconds(seconds), applied: LogIndex(applied))
        }
        #expect(judge(1, applied: 0) == nil)
        #expect(judge(2, applied: 3) == nil)
        #expect(judge(2, applied: 2) != nil)
        #expect(judge(3, applied: 4) == nil)
        #expect(judge(3, applied: 3) != nil)
    }

    @Test("a vote that one slot lacks, an acknowledgement and a promise that the disk does not hold")
    func durability() {
        let vote = HardState(term: Term(5), votedFor: Self.replicas[0])
        func judge(_ slots: [HardState?], needed: Int = 2) -> String? {
            DurabilityChecker.judge(
                term: Term(5), vote: Self.replicas[0], of: Self.replicas[1], slots: slots, needed: needed)
        }
        #expect(judge([vote, vote]) == nil)
        #expect(judge([vote, HardState(term: Term(6))]) == nil)
        #expect(judge([vote, HardState(term: Term(5))]) != nil)
        #expect(judge([vote, nil]) != nil)
        #expect(judge([vote, nil], needed: 1) == nil)
        let replica = Self.replicas[0]
        #expect(DurabilityChecker.judge(Self.position(3, 1), of: replica, on: nil) != nil)
        let kept = DurabilityChecker.judge(
            promise: .milliseconds(300), of: replica, on: nil, genesis: .milliseconds(300))
        #expect(kept == nil)
        let broken = DurabilityChecker.judge(
            promise: .milliseconds(400), of: replica, on: nil, genesis: .milliseconds(300))
        #expect(broken != nil)
    }

    @Test("voters that change at once, and a change before the last one is committed")
    func configurations() {
        func log(_ next: [Configuration]) -> RaftLog {
            RaftLog(
                next.enumerated().map { place, configuration in
                    Entry(
                        index: LogIndex(UInt64(place + 1)), term: Term(1), time: .zero, kind: .configuration,
                        payload: configuration.encode())
                })
        }
        let former = Self.configuration
        let next = Configuration(voters: [Self.replicas[0], Self.replicas[1]])
        let joint = Configuration(voters: next.voters, outgoing: former.voters)
        func judge(_ steps: [Configuration], committed: UInt64) -> String? {
            ConfigurationChecker.judge(
                entryAt: LogIndex(UInt64(steps.count)), in: log(steps), committed: LogIndex(committed))
        }
        #expect(judge([former, joint], committed: 1) == nil)
        #expect(judge([former, joint, next], committed: 2) == nil)
        #expect(judge([former, joint], committed: 0) != nil)
        #expect(judge([former, next], committed: 1) != nil)
        #expect(judge([former, joint, former], committed: 2) != nil)
    }

    /// What simulated disks keep in the worst case is what they synced.
    @Test("the worst power cut takes everything that was not synced")
    func worstCut() throws {
        var disk = SimulatedDisk()
        disk.begin(.write(file: "a", offset: 0, bytes: [1, 2]))
        disk.finishSync(.sync(file: "a"))
        #expect(try disk.afterWorstPowerCut().fileNames().isEmpty)
        disk.finishSync(.syncDirectory)
        disk.begin(.write(file: "a", offset: 1, bytes: [9, 9]))
        #expect(try disk.read("a") == [1, 9, 9])
        #expect(try disk.afterWorstPowerCut().read("a") == [1, 2])
    }
}
