import Primitives
import Raft

/// Holds what voters say against what they said before, in this life or an earlier one of the same disk.
///
/// - *One vote a term* (Raft §5.2): a replica grants its vote of a term to one candidate, itself included.
/// - *The vote goes to a log that is as good* (§5.4.1), also where the voter's own end cannot be read any more.
/// - *A vote is remembered*: who comes back from a crash knows its term and vote.
/// - *Elected is who was voted for*: whoever takes office was told so by a majority in that very term.
/// - *Nobody campaigns out of turn*: who asks voters to forget their leader was ordered to, by that leader and in its term.
package struct VoteChecker: Sendable {
    /// A campaign, by its term and the node that runs it.
    package struct Place: Hashable, Sendable {
        package let term: Term
        package let node: Int

        package init(term: Term, node: Int) {
            self.term = term
            self.node = node
        }
    }

    package struct Campaign: Hashable, Sendable {
        package let candidate: ReplicaID
        package let last: LogPosition
        /// It claims that the leader told it to.
        package let isOrdered: Bool

        package init(candidate: ReplicaID, last: LogPosition, isOrdered: Bool) {
            self.candidate = candidate
            self.last = last
            self.isOrdered = isOrdered
        }
    }

    private struct Ballot: Hashable, Sendable {
        let term: Term
        let voter: ReplicaID
    }

    /// What of a voter bears on a vote that it gives.
    package struct Voter: Sendable {
        package let replica: ReplicaID
        package let last: LogPosition
        package let doubtfulTail: LogPosition?
        /// Acknowledged entries are missing on its disk.
        package let isFaulty: Bool

        package init(replica: ReplicaID, last: LogPosition, doubtfulTail: LogPosition? = nil, isFaulty: Bool = false) {
            self.replica = replica
            self.last = last
            self.doubtfulTail = doubtfulTail
            self.isFaulty = isFaulty
        }
    }

    private var campaigns: [Place: Campaign] = [:]
    private var ballots: [Ballot: ReplicaID] = [:]
    private var latest: [ReplicaID: Term] = [:]
    private var ordered: Set<Place> = []

    package init() {}

    /// Who campaigns in this term from this node; nil if nobody was heard to.
    package func campaign(at place: Place) -> Campaign? { campaigns[place] }

    /// The leader of `place.term` tells that node to campaign.
    package mutating func noteOrder(_ place: Place) { ordered.insert(place) }

    /// A candidate asks for votes, and so gives itself its own. Returns what is wrong, or nil.
    package mutating func note(_ campaign: Campaign, at place: Place, leaderBefore: Int?) -> String? {
        campaigns[place] = campaign
        let before = Term(place.term.value - 1)
        if campaign.isOrdered, leaderBefore != place.node, !ordered.contains(Place(term: before, node: place.node)) {
            return "hand-over: n\(place.node + 1) campaigns in term \(place.term), and nobody told it to"
        }
        return note(ballot: campaign.candidate, of: campaign.candidate, in: place.term)
    }

    /// A voter tells the candidate at `place` that it has its vote.
    package mutating func noteGrant(of voter: Voter, to place: Place) -> String? {
        guard let campaign = campaigns[place] else {
            return "vote safety: \(voter.replica) votes in term \(place.term) for a campaign that never was"
        }
        if let found = note(ballot: campaign.candidate, of: voter.replica, in: place.term) { return found }
        if voter.isFaulty { return "vote safety: \(voter.replica) votes, and its disk lost what it acknowledged" }
        if let tail = voter.doubtfulTail, tail > campaign.last {
            return "vote safety: \(voter.replica) may hold \(tail) and votes for a log that ends at \(campaign.last)"
        }
        // Entries of this very term came from whoever won it meanwhile.
        if voter.last > campaign.last, voter.last.term < place.term {
            return "vote safety: \(voter.replica) holds \(voter.last) and votes for a log that ends at \(campaign.last)"
        }
        return nil
    }

    /// A replica begins to lead. `counted` are those whose votes it believes to have.
    package func judge(
        leader replica: ReplicaID, term: Term, configuration: Configuration, counted: [ReplicaID]
    ) -> String? {
        func hasVote(of voter: ReplicaID) -> Bool {
            voter == replica || ballots[Ballot(term: term, voter: voter)] == replica
        }
        for half in [configuration.voters, configuration.outgoing] where !half.isEmpty {
            let votes = half.count(where: hasVote)
            guard votes * 2 <= half.count else { continue }
            return "election: \(replica) leads term \(term) with \(votes) votes of \(half.count)"
        }
        let invented = counted.first { !hasVote(of: $0) }
        return invented.map { "election: \(replica) counted a vote of \($0), which never gave it one in term \(term)" }
    }

    /// A replica has come back from its disk.
    package func judge(recovered replica: ReplicaID, term: Term, vote: ReplicaID?) -> String? {
        guard let known = latest[replica] else { return nil }
        if term < known { return "a promise is forgotten: \(replica) voted in term \(known) and is back in \(term)" }
        guard term == known, let told = ballots[Ballot(term: known, voter: replica)], told != vote else { return nil }
        return "a promise is forgotten: \(replica) no longer knows its vote of term \(term)"
    }

    /// Its disk went back in time or was never written: whatever it says now binds nobody.
    package mutating func forget(_ replica: ReplicaID) {
        latest[replica] = nil
        for ballot in ballots.keys where ballot.voter == replica { ballots[ballot] = nil }
    }

    private mutating func note(ballot candidate: ReplicaID, of voter: ReplicaID, in term: Term) -> String? {
        latest[voter] = max(latest[voter] ?? .zero, term)
        let other = ballots.updateValue(candidate, forKey: Ballot(term: term, voter: voter))
        guard let other, other != candidate else { return nil }
        return "vote safety: \(voter) voted in term \(term) for \(other) and for \(candidate)"
    }
}
