import Primitives
import Raft

/// Holds what leaders commit against what followers told them.
///
/// - *Commit* (Raft §5.3, §5.4.2): the commit index moves to an entry of the leader's own term which a majority, of both
///   halves of a joint configuration, has acknowledged in that term.
/// - *Nothing else is counted*: a leader believes in no copy that it was not told of in its term.
/// - *One leader is obeyed*: what is said in a term is said to the leader of that term.
package struct AcknowledgementChecker: Sendable {
    private struct Source: Hashable, Sendable {
        let term: Term
        let replica: ReplicaID
    }

    private var told: [Source: LogIndex] = [:]

    package init() {}

    /// A replica says in `term` that it holds everything through `index`.
    package mutating func note(_ index: LogIndex, of replica: ReplicaID, in term: Term) {
        let source = Source(term: term, replica: replica)
        told[source] = max(told[source] ?? .zero, index)
    }

    package func told(by replica: ReplicaID, in term: Term) -> LogIndex {
        told[Source(term: term, replica: replica)] ?? .zero
    }

    package static func judge(receiver: Int, leader: Int?, of term: Term, from replica: ReplicaID) -> String? {
        guard let leader, leader != receiver else { return nil }
        return "obedience: \(replica) follows n\(receiver + 1) in term \(term), which n\(leader + 1) leads"
    }

    /// The commit index of a leader has moved.
    package func judge(commit consensus: borrowing Consensus) -> String? {
        let commit = consensus.commitIndex
        let term = consensus.term
        if let found = consensus.log.term(at: commit), found != term {
            return "commit: \(consensus.replica) counts copies of \(commit) from term \(found) in term \(term)"
        }
        let own = consensus.replica
        for half in [consensus.configuration.voters, consensus.configuration.outgoing] where !half.isEmpty {
            let copies = half.count { $0 == own || told(by: $0, in: term) >= commit }
            guard copies * 2 <= half.count else { continue }
            return "commit: \(own) commits \(commit) in term \(term) with \(copies) copies of \(half.count)"
        }
        return nil
    }

    /// Copies that a leader believes in and was not told of.
    package func judge(beliefs: [Consensus.Belief], term: Term) -> String? {
        for belief in beliefs where belief.match > told(by: belief.member, in: term) {
            return "copies: \(belief.member) never acknowledged \(belief.match) in term \(term)"
        }
        return nil
    }
}
