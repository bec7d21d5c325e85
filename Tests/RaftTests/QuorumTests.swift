import Raft
import Testing

@Suite struct QuorumTests {
    struct Reach: Sendable {
        let matches: [UInt64]
        let expected: UInt64
        init(_ matches: [UInt64], _ expected: UInt64) {
            self.matches = matches
            self.expected = expected
        }
    }

    struct Election: Sendable {
        let voters: Int
        let granted: Int
        let rejected: Int
        let verdict: Quorum.Verdict
        init(_ voters: Int, _ granted: Int, _ rejected: Int, _ verdict: Quorum.Verdict) {
            self.voters = voters
            self.granted = granted
            self.rejected = rejected
            self.verdict = verdict
        }
    }

    static let reaches: [Reach] = [
        Reach([7], 7), Reach([5, 9], 5), Reach([1, 2, 3], 2), Reach([3, 3, 1], 3), Reach([0, 0, 9], 0),
        Reach([4, 4, 4, 4], 4), Reach([1, 2, 3, 4], 2), Reach([9, 1, 5, 3, 7], 5), Reach([2, 2, 2, 9, 9], 2),
        Reach([0, 9, 9, 9, 0], 9), Reach([1, 2, 3, 4, 5, 6, 7], 4),
    ]

    static let elections: [Election] = [
        Election(1, 0, 0, .pending), Election(1, 1, 0, .won), Election(2, 1, 0, .pending), Election(2, 1, 1, .lost),
        Election(3, 2, 0, .won), Election(3, 1, 1, .pending), Election(3, 1, 2, .lost), Election(4, 2, 0, .pending),
        Election(4, 2, 2, .lost), Election(5, 2, 2, .pending), Election(5, 3, 2, .won), Election(5, 0, 3, .lost),
    ]

    @Test("any two quorums of one size share a voter", arguments: 1...9)
    func sizes(voters: Int) {
        #expect(Quorum.size(voters: voters) == [1, 2, 2, 3, 3, 4, 4, 5, 5][voters - 1])
        #expect(2 * Quorum.size(voters: voters) > voters)
    }

    @Test("the commit index is the greatest that a majority holds", arguments: reaches)
    func commit(reach: Reach) {
        let matches = reach.matches
        #expect(Quorum.greatestReached(voters: matches.count) { matches[$0] } == reach.expected)
    }

    @Test("nobody decides without voters")
    func empty() {
        #expect(Quorum.greatestReached(voters: 0) { $0 } == nil)
        #expect(Quorum.tally(voters: 0, granted: 0, rejected: 0) == .lost)
    }

    @Test("an election is decided as soon as no answer can change it", arguments: elections)
    func tally(election: Election) {
        let verdict = Quorum.tally(
            voters: election.voters, granted: election.granted, rejected: election.rejected)
        #expect(verdict == election.verdict)
    }
}
