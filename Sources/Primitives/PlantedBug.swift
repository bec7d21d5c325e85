/// A defect that can be planted to see whether it is found: one at a time, by `meshproof mutations`.
///
/// Where the defect would be, the code asks `planted(...)`. That is the constant false unless the build defines
/// `MUTATIONS`, which no product does: a release build holds no trace of it.
@usableFromInline package enum PlantedBug: String, CaseIterable, Sendable {
    // MARK: Elections

    /// A voter votes for everyone who asks in a term.
    case votesTwice
    /// A vote is not written to disk.
    case voteNotPersisted
    /// A later term is adopted in memory only.
    case termNotPersisted
    /// A candidate does not write its own term and vote.
    case candidacyNotPersisted
    /// Votes are given to shorter logs.
    case voteIgnoresLog
    /// Votes compare the length of logs and not their last term.
    case voteComparesLength
    /// Votes are given within E of a leader's word.
    case votesNearLeader
    /// Pre-votes and votes are given, and asked for, within E of a leader's word.
    case preVoteNearLeader
    /// Late answers of an earlier campaign count in this one.
    case staleVotesCount
    /// A campaign begins with the votes of the last.
    case votesNotCleared
    /// Messages of deposed leaders are obeyed.
    case followsOlderTerms
    /// Recovery loses the vote and keeps the term.
    case voteForgottenOnRestart

    // MARK: Storage

    /// A replica with a doubtful tail votes for logs that lack it.
    case voteIgnoresDoubt
    /// A leader whose disk hangs goes on leading.
    case diskHangIgnored
    /// Entries are acknowledged before they are durable.
    case acknowledgesBeforeSync
    /// A replica that lost acknowledged entries acknowledges as if it had not.
    case faultyAcknowledges
    /// A leader counts its own log before it is durable.
    case ownDiskUncounted
    /// A torn tail is taken for one that was never acknowledged.
    case doubtForgotten
    /// A doubt ends though a majority may hold the entry.
    case doubtDrawnBack
    /// A replica that lost acknowledged entries votes and campaigns.
    case faultyVotes
    /// Votes and terms are told before they are durable.
    case voteSentEarly
    /// The end of one write releases what waits for the next.
    case heldReleasedEarly
    /// Entries that were cut off go on counting as durable.
    case truncationStaysDurable
    /// Entries that found no space are not written again.
    case fullDiskForgets
    /// Records are not synced.
    case syncForgotten
    /// The name of a new log file is not made durable.
    case directoryNotSynced
    /// A truncation is not written to the log.
    case truncationNotLogged
    /// Term and vote are written and not synced.
    case slotsNotSynced
    /// Term and vote are written to one slot, so that one flipped bit brings an older vote back.
    case oneSlotOnly
    /// The checksum of a record's body is not compared.
    case checksumIgnored
    /// Damage with good records after it is taken for a torn write (etcd, many).
    case damageIsTorn
    /// A failed sync is taken for a finished one.
    case syncErrorIgnored

    // MARK: Replication

    /// A new leader goes by what it knew of followers when it led before.
    case progressNotReset
    /// A follower takes what matched one leader's log for matching the next one's.
    case matchKeptAcrossTerms
    /// A new leader appends nothing, and so commits nothing, of its own.
    case noNoop
    /// Entries of earlier terms commit by counting (Raft figure 8).
    case commitsOlderTerms
    /// A follower believes the leader's commit index of entries that it never compared.
    case commitsUnmatched
    /// Every append cuts off what follows it, as if it contradicted.
    case truncatesAlways
    /// Entries that contradict the leader's stay.
    case truncatesNever
    /// An append is accepted wherever the log is long enough.
    case previousUnchecked
    /// Acknowledgements of earlier terms count in this one.
    case staleAppendReplies
    /// Any acknowledgement is taken for one of the whole log.
    case countsSentAsHeld
    /// What a follower says that it lost goes on counting as held.
    case lossNotCounted

    // MARK: Leases

    /// A new leadership begins with the confirmed rounds of an earlier one.
    case roundsNotRestarted
    /// A restarted voter votes at once.
    case restartForgetsPromise
    /// The lease lasts longer than voters withhold their votes.
    case leaseTooLong
    /// An order to campaign does not end the lease.
    case leaseSurvivesHandOver
    /// One answer confirms a round.
    case leaseByOneAnswer
    /// A leader without a quorum goes on leading.
    case noCheckQuorum
    /// Answers to rounds of earlier terms count, and each leadership numbers its rounds anew.
    case roundsOfOtherTerms
    /// The lease counts from the latest round that was sent, not from the one that was answered.
    case leaseFromAnswer
    /// A hand-over that came to nothing brings the lease back.
    case handOverForgotten
    /// An order to campaign is obeyed whenever it comes.
    case lateOrderObeyed
    /// A promise of a shorter patience counts as one of the lease's length.
    case shortPromiseCounts
    /// A voter promises a patience that a crash would make it forget.
    case promiseNotDurable
    /// While the election timeout changes, leases go by the longer one, whatever was promised.
    case timeoutInOneStep

    // MARK: Quorums

    /// Half of the voters are a majority.
    case quorumOfHalf
    /// One voter less than a majority commits.
    case commitBelowQuorum
    /// One vote less than a majority elects.
    case electionBelowQuorum
    /// Replicas without a vote count in quorums.
    case observersCount

    // MARK: Membership

    /// A joint configuration decides with its incoming half alone.
    case jointNeedsNewOnly
    /// A change of voters begins while another is under way.
    case changeDuringChange
    /// A joint configuration is left before it is committed.
    case jointLeftEarly
    /// Voters change from one majority to another at once.
    case jointSkipped
    /// A configuration stays in force though its entry was cut off.
    case configurationNotRolledBack
    /// Replicas that the log does not name are listened to.
    case foreignReplicaBelieved
    /// A replica whose disk is empty votes again under its old id (9 of 17 programs).
    case wipedDiskKeepsItsName

    // MARK: Reads

    /// A new leader takes its commit index for current at once.
    case currentBeforeCommit
    /// A leader answers reads without asking a quorum.
    case readWithoutRound
    /// A follower answers reads from what it holds.
    case readAtFollower
    /// A leader answers its followers' reads without asking a quorum.
    case followerReadWithoutRound
    /// Any answer settles the oldest question (etcd #20418).
    case readContextReused
    /// A read is confirmed by answers to a round sent before it.
    case readJoinsOldRound
    /// A confirmed read does not wait until its index is applied.
    case readBeforeApplied

    // MARK: Snapshots

    /// Entries that contradict a leader's snapshot stay in the log.
    case snapshotKeepsOldLog
    /// A leader's snapshot does not bring its configuration.
    case snapshotForgetsVoters
    /// A snapshot counts as installed before it is on disk.
    case installedBeforeDurable

    // MARK: Locks

    /// Log time runs at twice the speed of clocks.
    case logTimeRunsFast
    /// Snapshots lack the locks.
    case snapshotForgetsLocks
    /// A write under a lock is taken whatever its token.
    case fencingUnchecked
    /// A lock is granted while another holds it.
    case heldLockGranted
    /// A late holder prolongs a lock that is another's.
    case renewalIgnoresToken
    /// A late holder frees a lock that is another's.
    case releaseIgnoresToken
    /// The next holder gets the token of the last.
    case fencingTokenReused

    // MARK: Honesty

    /// A client is told that nothing was appended when something may have been.
    case unknownCalledRefused
    /// One refused attempt makes a command count as never appended.
    case oneRefusalIsAll

    // MARK: Exactly once

    /// A command that arrives twice runs twice.
    case repeatsRun
    /// Snapshots lack the memory of what was already run.
    case snapshotForgetsClients

    // MARK: Sessions

    /// Snapshots lack the sessions.
    case snapshotForgetsSessions
    /// A sign-out is answered and not done.
    case revocationForgotten
    /// A repeated refresh is answered with a successor that was never stored.
    case retryBuysAnother
    /// A repeated refresh signs its holder out.
    case retryTakenForTheft

    // MARK: Observers

    /// Observers are handed what is not committed.
    case fetchesUncommitted
    /// An observer takes what it fetched for as recent as its arrival.
    case freshAtArrival

    // MARK: Values

    /// A conditional write is done whatever the revision.
    case revisionUnchecked
    /// A value is created over another.
    case creationUnchecked
    /// A delete is answered and not done.
    case deleteForgotten

    #if MUTATIONS
        /// Set once, before anything runs.
        nonisolated(unsafe) package static var current: PlantedBug?
    #endif
}

#if MUTATIONS
    package func planted(_ bug: PlantedBug) -> Bool { bug == PlantedBug.current }
#else
    @inlinable package func planted(_: PlantedBug) -> Bool { false }
#endif
