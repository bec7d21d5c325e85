import Primitives

/// The voters of a configuration as places in the table of members, and their arithmetic: in a joint configuration
/// every decision needs a majority of each half (thesis §4.3).
struct Electorate: Sendable {
    /// Everyone who votes in either half; ascending, distinct.
    let all: [Int]
    /// Those who stay: they alone decide once a joint configuration is left, and nothing is decided before without them.
    let incoming: [Int]
    private let outgoing: [Int]

    /// `members` are the configuration's, ascending.
    init(_ configuration: Configuration, members: [ReplicaID]) {
        incoming = members.indices.filter { configuration.voters.contains(members[$0]) || planted(.observersCount) }
        outgoing = members.indices.filter { configuration.outgoing.contains(members[$0]) }
        all = members.indices.filter { configuration.isVoter(members[$0]) }
    }

    /// The greatest value that a majority, or each of both majorities, has reached.
    func greatestReached<Value: Comparable>(_ value: (Int) -> Value) -> Value? {
        let reached = Quorum.greatestReached(voters: incoming.count) { value(incoming[$0]) }
        guard !outgoing.isEmpty, !planted(.jointNeedsNewOnly), let reached else { return reached }
        return Quorum.greatestReached(voters: outgoing.count) { value(outgoing[$0]) }.map { min($0, reached) }
    }

    /// The state of an election; `vote` is nil for a voter who has not answered. Won if both halves are, lost if either
    /// is.
    func tally(_ vote: (Int) -> Bool?) -> Quorum.Verdict {
        let verdict = Self.tally(incoming, vote)
        guard !outgoing.isEmpty else { return verdict }
        switch (verdict, Self.tally(outgoing, vote)) {
        case (.won, .won): return .won
        case (.lost, _), (_, .lost): return .lost
        case (.pending, _), (_, .pending): return .pending
        }
    }

    private static func tally(_ half: [Int], _ vote: (Int) -> Bool?) -> Quorum.Verdict {
        var granted = 0
        var rejected = 0
        for slot in half {
            switch vote(slot) {
            case true?: granted += 1
            case false?: rejected += 1
            case nil: break
            }
        }
        return Quorum.tally(voters: half.count, granted: granted, rejected: rejected)
    }
}
