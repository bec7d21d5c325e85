import Primitives

/// Majority arithmetic, apart from everything else so that tables can test it.
package enum Quorum {
    package enum Verdict: Hashable, Sendable {
        case won
        case lost
        /// Outstanding answers can still decide it.
        case pending
    }

    /// The smallest number of voters such that any two sets of that size share one.
    package static func size(voters: Int) -> Int { voters / 2 + (planted(.quorumOfHalf) ? 0 : 1) }

    /// The greatest value that at least a majority has reached: the commit index of their match indices, the
    /// confirmed round of their acknowledged rounds. Nil without voters, because nobody can then decide anything.
    ///
    /// Quadratic in the number of voters, which is at most nine in practice, and free of allocation: it runs once for
    /// every acknowledgement.
    package static func greatestReached<Value: Comparable>(voters: Int, value: (Int) -> Value) -> Value? {
        let needed = size(voters: voters)
        var best: Value?
        for candidate in 0..<voters {
            let reached = value(candidate)
            if let best, reached <= best { continue }
            var support = 0
            for voter in 0..<voters where value(voter) >= reached { support += 1 }
            if support >= needed - (planted(.commitBelowQuorum) ? 1 : 0) { best = reached }
        }
        return best
    }

    /// The state of an election in which some voters have answered.
    package static func tally(voters: Int, granted: Int, rejected: Int) -> Verdict {
        precondition(
            granted + rejected <= voters, "\(granted) granted and \(rejected) rejected of \(voters) votes")
        if voters > 0, granted >= size(voters: voters) - (planted(.electionBelowQuorum) ? 1 : 0) { return .won }
        return voters - rejected < size(voters: voters) ? .lost : .pending
    }
}
