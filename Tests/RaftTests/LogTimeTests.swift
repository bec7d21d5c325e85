import Primitives
import Raft
import Testing

/// Whose word about log time counts.
@Suite struct LogTimeTests {
    private var follower = SoloReplica()

    /// What a follower takes for log time after the leader of this term said so.
    private mutating func reading(afterHearing milliseconds: Int64, from leader: Int, term: UInt64, round: UInt64)
        -> LogTime
    {
        let heartbeat = RaftMessage.Heartbeat(
            term: Term(term), round: round, commitIndex: .zero, confirmedRound: 0, echoedStamp: nil,
            time: LogTime(milliseconds: milliseconds), surveysPeers: false)
        follower.receive(.heartbeat(heartbeat), from: leader)
        return follower.core.logTime(at: follower.now)
    }

    @Test("a leader's older statement, delayed on the way, changes nothing")
    mutating func delayed() {
        let first = reading(afterHearing: 9000, from: 2, term: 1, round: 2)
        let second = reading(afterHearing: 8000, from: 2, term: 1, round: 1)
        #expect([first, second] == [LogTime(milliseconds: 9000), LogTime(milliseconds: 9000)])
    }

    @Test("a later leader's word counts though it is behind: its followers would skip the difference when elected")
    mutating func laterLeader() {
        _ = reading(afterHearing: 9000, from: 2, term: 1, round: 1)
        let behind = reading(afterHearing: 5000, from: 3, term: 2, round: 1)
        #expect(behind == LogTime(milliseconds: 5000))
        follower.sleep(.milliseconds(40))
        #expect(follower.core.logTime(at: follower.now) == LogTime(milliseconds: 5040))
    }
}
