import Primitives

// What checkers hold against what was said and written, and what a trace of the protocol tells of a replica
// (models/README.md) besides what anybody may ask. Nothing decides by it.

extension Consensus {
    /// What a replica that leads, or campaigns, believes of one member.
    package struct Belief: Hashable, Sendable {
        package let member: ReplicaID
        /// How far it holds this leader's log.
        package let match: LogIndex
        /// The latest round that it answered.
        package let answeredRound: UInt64
        /// It voted for this replica.
        package let isVoteCounted: Bool

        package init(member: ReplicaID, match: LogIndex, answeredRound: UInt64, isVoteCounted: Bool = false) {
            self.member = member
            self.match = match
            self.answeredRound = answeredRound
            self.isVoteCounted = isVoteCounted
        }
    }

    /// What a world looks at after every step.
    package struct Glance: Sendable {
        package let term: Term
        package let isLeader: Bool
        package let commitIndex: LogIndex
        package let configurationIndex: LogIndex
        package let leaseDeadline: Instant?
    }

    /// Mutating only in name: whoever asks from another module would copy the whole replica first.
    package mutating func glance() -> Glance {
        Glance(
            term: term, isLeader: role == .leader, commitIndex: commitIndex,
            configurationIndex: configurationIndex, leaseDeadline: leaseDeadline)
    }

    /// Of every member but this replica.
    package var beliefs: [Belief] {
        members.filter { $0.replica != replica }.map {
            Belief(
                member: $0.replica, match: $0.match, answeredRound: $0.answeredRound, isVoteCounted: $0.vote == true)
        }
    }

    /// What an answer must promise at least to renew this replica's lease, were it to lead.
    package var leasePromise: Duration { config.leasePromise }

    /// Where the configuration in force stands in the log.
    package var configurationIndex: LogIndex { history.current.index }

    /// The entry that states it is there, or it is what the log began with.
    package var holdsConfiguration: Bool {
        let index = history.current.index
        return history.statements.count == 1 || (index <= log.lastIndex && log[index].kind == .configuration)
    }

    package var votedFor: ReplicaID? { hardState.votedFor }

    /// The greatest index known to equal the log of this term's leader.
    package var sharedIndex: LogIndex { matchedIndex }

    /// Every entry up to here has been handed to a write.
    package var issuedIndex: LogIndex { durability.issuedIndex }

    package var isWriting: Bool { durability.writingSince != nil }

    /// Until when the vote is withheld.
    package var withholdingDeadline: Instant { withholdsVotesUntil }

    /// It leads, and has told another to campaign.
    package var hasOrderedSuccessor: Bool { role == .leader && isLeaseForfeited }
}

extension WriteAheadLog {
    /// Term and vote as each of the two slots holds them; nil for a slot that is not good.
    package static func hardStates(on disk: some DiskReader, cluster: [UInt8], replica: ReplicaID) -> [HardState?] {
        let owner = WALOwner(cluster: cluster, replica: replica)
        return HardStateSlots.files.map { file in
            guard let bytes = try? disk.read(file),
                case .good(let slots)? = try? HardStateSlots.decode(bytes, name: file, owner: owner)
            else { return nil }
            return slots.state
        }
    }
}
