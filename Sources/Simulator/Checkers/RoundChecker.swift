import Primitives
import Raft

/// Holds leases, reads and votes against the rounds of heartbeats that were really sent and really answered.
///
/// - *A lease is backed*: a majority said, in answer to a round of this term, that it withholds its vote for long enough
///   after the moment at which that round was sent.
/// - *A promise is kept*: who said so votes for nobody meanwhile, a crash included, unless the leader itself gave up.
/// - *A read is confirmed*: between question and answer a round was sent that a majority answered (thesis §6.4).
/// - *Nothing else is counted*: a leader believes in no answer that it was not given in its term.
package struct RoundChecker: Sendable {
    private struct Sent: Sendable {
        let at: Instant
        /// By the leader's clock.
        let local: Instant
    }

    private struct Answers: Sendable {
        var round: UInt64 = 0
        /// Until when, by the leader's clock, the promises let a lease last.
        var backing = Instant.zero
    }

    private struct Leadership: Sendable {
        /// Of the oldest that is remembered.
        var firstRound: UInt64
        var sent: [Sent] = []
        var answers: [ReplicaID: Answers] = [:]

        func sent(_ round: UInt64) -> Sent? {
            guard round >= firstRound, round - firstRound < UInt64(sent.count) else { return nil }
            return sent[Int(round - firstRound)]
        }
    }

    /// Older rounds are forgotten: no lease lasts so long.
    private static let roundsMax = 512

    private var leaderships: [Term: Leadership] = [:]
    /// The last that each gave, and since when at least: an answer may have waited for the disk.
    private var promises: [ReplicaID: (at: Instant, span: Duration)] = [:]

    package init() {}

    /// A leader asks; most rounds are seen once for each member.
    package mutating func noteSent(_ round: UInt64, term: Term, at now: Instant, local: Instant) {
        var leadership = leaderships.removeValue(forKey: term) ?? Leadership(firstRound: round)
        defer { leaderships[term] = leadership }
        // Rounds that were sent to nobody are answered by nobody.
        while leadership.firstRound + UInt64(leadership.sent.count) <= round {
            leadership.sent.append(Sent(at: now, local: local))
        }
        guard leadership.sent.count > Self.roundsMax else { return }
        leadership.sent.removeFirst(Self.roundsMax / 2)
        leadership.firstRound += UInt64(Self.roundsMax / 2)
    }

    /// A follower answers, and promises.
    package mutating func noteAnswer(_ reply: RaftMessage.HeartbeatReply, of replica: ReplicaID) {
        guard var leadership = leaderships.removeValue(forKey: reply.term) else { return }
        var answers = leadership.answers[replica] ?? Answers()
        answers.round = max(answers.round, reply.round)
        if let sent = leadership.sent(reply.round) {
            promises[replica] = (max(sent.at, promises[replica]?.at ?? .zero), reply.promise)
            answers.backing = max(answers.backing, sent.local + RaftConfig.lease(backedBy: reply.promise))
        }
        leadership.answers[replica] = answers
        leaderships[reply.term] = leadership
    }

    /// A vote is given without the leader's leave.
    /// - Parameter timeout: the voter's election timeout. Where it has become shorter, so has the promise: its leader had
    ///   shortened its lease before.
    package func judge(vote replica: ReplicaID, timeout: Duration, at now: Instant) -> String? {
        guard let promise = promises[replica] else { return nil }
        // Clocks differ by up to a tenth.
        let until = promise.at + min(promise.span, timeout).scaled(by: 9, over: 10)
        guard now < until else { return nil }
        return "a promise is broken: \(replica) votes, and promised not to before \(until)"
    }

    /// What its lease is worth; `deadline` is by the leader's clock.
    package func judge(lease deadline: Instant, of consensus: borrowing Consensus) -> String? {
        let leadership = leaderships[consensus.term]
        let own = consensus.replica
        let backing = Self.reached(consensus.configuration) { member in
            member == own ? .distantFuture : leadership?.answers[member]?.backing ?? .zero
        }
        guard backing < deadline else { return nil }
        return "lease: \(own) holds one of term \(consensus.term) for \(deadline - backing) longer than was promised"
    }

    /// Answers that a leader believes in and was not given.
    package func judge(beliefs: [Consensus.Belief], term: Term) -> String? {
        for belief in beliefs where belief.answeredRound > leaderships[term]?.answers[belief.member]?.round ?? 0 {
            return "rounds: \(belief.member) never answered round \(belief.answeredRound) in term \(term)"
        }
        return nil
    }

    /// When the latest round was sent that a majority has answered; nil if none was.
    package func proven(by consensus: borrowing Consensus) -> Instant? {
        guard let leadership = leaderships[consensus.term] else { return nil }
        let own = consensus.replica
        let round = Self.reached(consensus.configuration) { member in
            member == own ? .max : leadership.answers[member]?.round ?? 0
        }
        return leadership.sent(round)?.at
    }

    /// What a majority, or each of both majorities, has reached.
    private static func reached<Value: Comparable>(_ configuration: Configuration, _ value: (ReplicaID) -> Value)
        -> Value
    {
        let halves = [configuration.voters, configuration.outgoing].filter { !$0.isEmpty }
        let reached = halves.map { half in half.map(value).sorted(by: >)[half.count / 2] }
        return reached.reduce(reached[0]) { min($0, $1) }
    }
}
