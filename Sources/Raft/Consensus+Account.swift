import Primitives

// What a trace of the protocol tells of a replica besides what anybody may ask (models/README.md).

extension Consensus {
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
