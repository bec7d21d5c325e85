import Primitives

/// One replica of the Raft state machine (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
/// 2014; Ongaro's thesis for pre-vote §9.6, check-quorum §6.2, transfer §3.10 and read index §6.4).
///
///                E without a leader          a quorum would vote        a quorum voted
///     follower --------------------> preCandidate ------------> candidate ------------> leader
///        ^                              |                          |                      |
///        +------------------------------+--------------------------+----------------------+
///             a leader of this term, or a later term, is heard; or the leader loses its quorum or its disk
///
/// Time, messages and finished writes come in; `RaftEffect`s go out, and what they must not reveal too early waits in
/// `Durability`. Beyond the paper: voters refuse their vote for E after hearing a leader, also when just restarted, so
/// that the leader's lease of 0.8 E is safe; a leader whose disk hangs gives up; priority adds to timeouts and starts
/// hand-overs, and never makes anyone refuse a vote.
package struct Consensus: Sendable {
    package enum Role: UInt8, Hashable, Sendable {
        case follower
        /// Asks whether an election could be won, without disturbing anyone's term.
        case preCandidate
        case candidate
        case leader
    }

    /// Why a proposal was not appended. Nothing has changed.
    package enum ProposalRefusal: Error, Hashable, Sendable {
        /// Propose to the leader named here, if any is known.
        case notLeader(leader: ReplicaID?)
        /// Leadership is being handed over: propose again to whoever leads next.
        case transferring
        /// Too many uncommitted bytes, or no space on this leader's disk: wait.
        case full
    }

    package let replica: ReplicaID
    /// In force: the last one in the log, committed or not (Raft §6).
    package internal(set) var configuration: Configuration
    /// As the surroundings set it; `config` is what the log's election timeouts make of it.
    var settings: RaftConfig
    var config: RaftConfig
    var random: SeededRandom

    // Survives a crash (Raft figure 2).
    var hardState: HardState
    package internal(set) var log: RaftLog
    var history: ConfigurationHistory
    var durability: Durability

    package internal(set) var role = Role.follower
    package internal(set) var leader: ReplicaID?
    package internal(set) var commitIndex = LogIndex.zero
    /// Everything up to here has been handed out by `.apply`.
    package internal(set) var appliedIndex = LogIndex.zero
    /// Voters and learners, ascending; this replica among them unless it belongs to neither.
    var members: [Progress]
    var electorate: Electorate
    var ownSlot: Int?

    /// When this follower last heard the leader of its term.
    package internal(set) var leaderContact: Instant?
    /// When those heard it from whom this observer fetches.
    var leaderHearsay: Instant?
    /// No vote before this moment: E after the last leader contact, and E after a restart, since the replica may have
    /// promised as much before it crashed.
    var withholdsVotesUntil: Instant
    var electionDeadline: Instant
    /// See `takeReprieve`.
    var reprieve: Instant?
    /// The timeout drawn at the last change of role; contact with the leader restarts it without drawing anew.
    var electionSpan: Duration
    /// Elections lost in a row: each makes the next wait longer, so that slow disks can finish a vote.
    var lostElections = 0
    /// Identity of a last entry that this replica may have acknowledged and cannot read any more.
    package internal(set) var doubtfulTail: LogPosition?
    /// The replica certainly acknowledged what is missing through `doubtfulTail`.
    var hasLostEntries = false
    /// The latest term in which an earlier life of this replica can have acknowledged anything.
    let recoveredTerm: Term
    /// The greatest index known to equal the log of this term's leader.
    var matchedIndex = LogIndex.zero
    /// An acknowledgement waits for its entries to be durable.
    var owesAcknowledgement = false
    var snapshots: SnapshotDesk
    var clock: LogClock
    package internal(set) var freshness: Freshness
    var followerReads: FollowerReads
    /// An observer's; nil on who votes or is in no configuration.
    var upstream: Upstream?
    var fetchDesk = FetchDesk()
    /// The observer that this leader reminded last.
    var remindedSlot = 0

    // Meaningful while leading.
    var rounds = RoundLedger()
    var leaderReads = LeaderReads()
    var roundTrips = QuorumRoundTrips()
    var electedAt: Instant
    var heartbeatDeadline = Instant.distantFuture
    /// This term's lease was given up by a hand-over.
    var isLeaseForfeited = false
    var transfer: Transfer?
    var transferNotBefore: Instant
    /// What was committed when the last heartbeats but one left. Who keeps up holds it by now, also while clients write
    /// without a pause; the newest entries are always on their way to somebody.
    var commitTwoRoundsAgo = LogIndex.zero
    var commitAtLastRound = LogIndex.zero
    /// Size of the entries after the commit index.
    var uncommittedBytes = 0
    /// Inputs are being gathered: what every input ends with happens once, after the last of them.
    private var isGathering = false

    /// What `.roleChanged` last told.
    var announced: Standing
    /// Nil until something changed since the start.
    package internal(set) var roleCause: RoleCause?
    /// Index of the configuration that `.configurationChanged` last told.
    var announcedConfiguration: LogIndex
    /// The latest moment by which `tick` must be called, if nothing else happens before. Kept, because its reader asks
    /// after every step.
    package internal(set) var nextDeadline: Instant

    struct Standing: Hashable, Sendable {
        let role: Role
        let term: Term
        let leader: ReplicaID?
    }

    /// - Parameters:
    ///   - genesis: the configuration before the first `.configuration` entry; the same on every replica.
    ///   - recovered: what the disk held; commit index and applied index start at its snapshot and are learned again.
    ///   - random: unlike that of the replica's earlier lives, so that stale answers to reads match nothing.
    package init(
        replica: ReplicaID, genesis: Configuration, config: RaftConfig, recovered: RecoveredLog, random: SeededRandom,
        now: Instant
    ) {
        config.validate()
        self.replica = replica
        settings = config
        self.config = config
        self.random = random
        hardState = recovered.hardState
        if planted(.voteForgottenOnRestart) { hardState.votedFor = nil }
        recoveredTerm = recovered.hardState.term
        log = RaftLog(recovered.entries, base: recovered.base, baseTime: recovered.snapshot?.time ?? .zero)
        let snapshot = recovered.snapshot?.position ?? .zero
        durability = Durability(recoveredThrough: log.lastIndex, snapshot: snapshot)
        snapshots = SnapshotDesk(askedAt: snapshot.index)
        commitIndex = snapshot.index
        appliedIndex = snapshot.index
        precondition(
            log.lastTerm <= hardState.term, "log ends in term \(log.lastTerm) beyond hard state \(hardState.term)")
        history = ConfigurationHistory(
            base: recovered.snapshot?.configuration ?? genesis, at: snapshot.index,
            entries: recovered.entries.filter { $0.index > snapshot.index })
        configuration = history.current.configuration
        self.config = config.agreeing(with: configuration.timeouts)
        announcedConfiguration = .zero
        let ids = configuration.members
        members = ids.map { Progress(replica: $0) }
        electorate = Electorate(configuration, members: ids)
        ownSlot = ids.firstIndex(of: replica)
        withholdsVotesUntil = planted(.restartForgetsPromise) ? now : now + self.config.electionTimeout
        electionSpan = .zero
        electionDeadline = now
        clock = LogClock(recovered: log.lastTime, now: now)
        followerReads = FollowerReads(firstNumber: self.random.next())
        freshness = Freshness(firstStamp: self.random.next())
        electedAt = now
        transferNotBefore = now
        announced = Standing(role: .follower, term: hardState.term, leader: nil)
        nextDeadline = now
        arrangeObservers(now: now)
        if !isSolitary { restartElectionTimer(now: now) }
        recover(doubtfulTail: recovered.doubtfulTail, isFaulty: recovered.isFaulty)
        compactLog()
        nextDeadline = earliestDeadline
    }

    // MARK: Inputs

    /// A message arrived over the channel of `sender`. Of senders outside the configuration only what `handleOutsider`
    /// names is listened to.
    package mutating func handle(
        _ message: RaftMessage, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard sender != replica else { return }
        if let slot = slot(of: sender) {
            members[slot].heardAt = now
            handle(message, of: sender, at: slot, now: now, into: &effects)
        } else {
            handleOutsider(message, sender, now: now, into: &effects)
        }
        finish(now: now, into: &effects)
    }

    private mutating func handle(
        _ message: RaftMessage, of sender: ReplicaID, at slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        switch message {
        case .preVote(let request): handlePreVote(request, from: sender, now: now, into: &effects)
        case .vote(let request): handleVote(request, from: sender, now: now, into: &effects)
        case .preVoteReply(let reply): handlePreVoteReply(reply, from: slot, now: now, into: &effects)
        case .voteReply(let reply): handleVoteReply(reply, from: slot, now: now, into: &effects)
        case .append(let append): handleAppend(append, from: sender, now: now, into: &effects)
        case .appendReply(let reply): handleAppendReply(reply, from: slot, now: now, into: &effects)
        case .heartbeat(let heartbeat): handleHeartbeat(heartbeat, from: sender, now: now, into: &effects)
        case .heartbeatReply(let reply): handleHeartbeatReply(reply, from: slot, now: now, into: &effects)
        case .timeoutNow(let term): handleTimeoutNow(term, from: sender, now: now, into: &effects)
        case .hello: break  // that it arrived is all it says
        case .tailQuery(let query): handleTailQuery(query, from: slot, now: now, into: &effects)
        case .tailReply(let reply): handleTailReply(reply, from: slot, now: now, into: &effects)
        case .readRequest(let request): handleReadRequest(request, from: slot, now: now, into: &effects)
        case .readReply(let reply): followerReads.confirm(reply.ticket, index: reply.index)
        case .snapshot(let chunk): handleSnapshotChunk(chunk, from: sender, now: now, into: &effects)
        case .snapshotReply(let reply): handleSnapshotReply(reply, from: slot, now: now, into: &effects)
        case .fetch(let fetch): handleFetch(fetch, from: slot, now: now)
        case .fetched(let fetched): handleFetched(fetched, from: sender, now: now, into: &effects)
        }
    }

    /// The configuration in force may be older than what the sender goes by (Raft §6): a leader is followed whoever it
    /// is, and a campaign is heard if its log is ahead of this one, since only then can it hold a configuration that
    /// this one lacks. Everything else from outside is dropped.
    private mutating func handleOutsider(
        _ message: RaftMessage, _ sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        switch message {
        case .append(let append): handleAppend(append, from: sender, now: now, into: &effects)
        case .heartbeat(let heartbeat): handleHeartbeat(heartbeat, from: sender, now: now, into: &effects)
        case .snapshot(let chunk): handleSnapshotChunk(chunk, from: sender, now: now, into: &effects)
        case .timeoutNow(let term): handleTimeoutNow(term, from: sender, now: now, into: &effects)
        case .preVote(let request) where request.last > log.lastPosition:
            handlePreVote(request, from: sender, now: now, into: &effects)
        case .vote(let request) where request.last > log.lastPosition:
            handleVote(request, from: sender, now: now, into: &effects)
        case .preVote, .vote, .preVoteReply, .voteReply, .appendReply, .heartbeatReply, .hello, .tailQuery, .tailReply,
            .readRequest, .readReply, .snapshotReply, .fetch, .fetched:
            break
        }
    }

    /// Time has passed. Deliver messages that are already queued before calling this: a replica that slept must not
    /// take its own pause for the silence of others.
    package mutating func tick(now: Instant, into effects: inout [RaftEffect]) {
        if role == .leader {
            tickLeader(now: now, into: &effects)
        } else {
            if electionDeadline <= now {
                if let later = takeReprieve(now: now) {
                    electionDeadline = later
                } else {
                    startCampaign(now: now, into: &effects)
                }
            }
            retryReads(now: now, into: &effects)
            fetchIfDue(now: now, into: &effects)
        }
        finish(now: now, into: &effects)
    }

    /// Who did not run cannot tell who was silent: what is found to be over only after this replica was stopped, or waited
    /// for a processor, lasts for another round of heartbeats. Once, until something is heard. A machine that stood still
    /// stopped all of its replicas, and whoever is followed speaks again as soon as it runs.
    /// Returns until when, if it does.
    mutating func takeReprieve(now: Instant) -> Instant? {
        guard reprieve == nil, (now - nextDeadline).inNanoseconds * 4 > config.heartbeatInterval.inNanoseconds else {
            return nil
        }
        reprieve = now + config.heartbeatInterval
        return reprieve
    }

    /// The write with this number, and so every earlier one, is durable.
    package mutating func handlePersisted(_ sequence: UInt64, now: Instant, into effects: inout [RaftEffect]) {
        guard durability.complete(sequence, term: hardState.term, into: &effects) else { return }
        switch role {
        case .leader:
            noteOwnProgress(now: now, into: &effects)
        case .candidate:
            countVotes(now: now, into: &effects)
        case .follower, .preCandidate:
            acknowledge(into: &effects)
        }
        noteSnapshotProgress(into: &effects)
        finish(now: now, into: &effects)
    }

    /// Inputs from now on arrived together: they are taken one by one, and `settle` ends them all. One append then
    /// carries every proposal of a burst, and one write every entry.
    package mutating func gather() { isGathering = true }

    /// Ends what `gather` began; does nothing without it.
    package mutating func settle(now: Instant, into effects: inout [RaftEffect]) {
        guard isGathering else { return }
        isGathering = false
        finish(now: now, into: &effects)
    }

    /// There was no space for the write with this number. Proposals are refused as `full` until there is; term and vote
    /// can still be written.
    package mutating func handleDiskFull(_ sequence: UInt64, now: Instant, into effects: inout [RaftEffect]) {
        durability.fail(sequence, retryAt: now + config.diskRetryInterval)
        // What was being received may be too much; its leader will ask.
        if durability.snapshot == nil { snapshots.incoming = nil }
        finish(now: now, into: &effects)
    }

    /// The disk takes no entries.
    package var isDiskFull: Bool { durability.isFull }

    // MARK: Queries

    package var term: Term { hardState.term }
    package var lastIndex: LogIndex { log.lastIndex }

    /// When the leader was last heard, here or by those from whom this observer fetches.
    package var leaderHeardAt: Instant? {
        guard let leaderContact, let leaderHearsay else { return leaderContact ?? leaderHearsay }
        return max(leaderContact, leaderHearsay)
    }

    /// E as agreed on, or as set where nothing is agreed on yet.
    package var electionTimeout: Duration { config.electionTimeout }

    /// Inlined, so that the whole replica is not copied to be asked.
    @inline(__always) var earliestDeadline: Instant {
        guard role == .leader else {
            return min(electionDeadline, nextReadDeadline ?? .distantFuture, upstream?.dueAt ?? .distantFuture)
        }
        var deadline = min(heartbeatDeadline, quorumDeadline)
        if let writing = durability.writingSince { deadline = min(deadline, writing + config.diskHangLimit) }
        if let transfer { deadline = min(deadline, transfer.deadline) }
        return deadline
    }

    /// Log time as this replica would state it now.
    @inline(__always) package func logTime(at now: Instant) -> LogTime { max(clock.time(at: now), log.lastTime) }

    /// What 99 of 100 of this leader's rounds to a quorum stay within; nil elsewhere, and while too few were measured.
    package var quorumRoundTrip: Duration? { role == .leader ? roundTrips.percentile99 : nil }

    /// What the member last told this leader that it has applied.
    package func knownCommit(of member: ReplicaID) -> LogIndex? { slot(of: member).map { members[$0].knownCommit } }

    // MARK: Steps shared by the aspects

    /// Inlined, so that the whole replica is not copied to be asked.
    @inline(__always) func slot(of member: ReplicaID) -> Int? {
        for slot in members.indices where members[slot].replica == member { return slot }
        return nil
    }

    var isVoter: Bool { configuration.isVoter(replica) }

    /// Nobody else is needed to decide.
    var isAlone: Bool { configuration.voters == [replica] && !configuration.isJoint }

    /// Nobody else was ever needed, as far as the log tells: there is no other leader to have promised anything to.
    var isSolitary: Bool { isAlone && history.statements.count == 1 }

    func isDiskHung(at now: Instant) -> Bool {
        guard let since = durability.writingSince, !planted(.diskHangIgnored) else { return false }
        return now - since >= config.diskHangLimit
    }

    /// Sends something that reveals this replica's term or vote.
    mutating func reply(_ message: RaftMessage, to receiver: ReplicaID, into effects: inout [RaftEffect]) {
        durability.sendWhenHardStateIsDurable(message, to: receiver, into: &effects)
    }

    /// What every input ends with, in the order of the contract: replicate, install, persist, apply, answer, announce. A
    /// leader sends entries while its own disk still writes them (thesis §10.2.1).
    mutating func finish(now: Instant, into effects: inout [RaftEffect]) {
        guard !isGathering else { return }
        if role == .leader { advanceMembership(now: now, into: &effects) }
        if role == .leader { sendDueAppends(now: now, into: &effects) }
        publishSnapshotIfWritten(now: now, into: &effects)
        if let write = durability.makeWrite(log: log, hardState: hardState, now: now) {
            effects.append(.persist(write))
        }
        if appliedIndex < commitIndex {
            let entries = log.entries(after: appliedIndex, through: commitIndex)
            effects.append(.apply(entries))
            appliedIndex = commitIndex
            // What was owed for a repaired log may be said now.
            if isFaulty { acknowledge(into: &effects) }
            noteApplied(entries, into: &effects)
        }
        followerReads.release(appliedThrough: appliedIndex) { id, index in
            effects.append(.readReady(id: id, index: index))
        }
        if !fetchDesk.isEmpty { answerFetches(now: now, into: &effects) }
        let standing = Standing(role: role, term: term, leader: leader)
        if standing != announced {
            announced = standing
            effects.append(.roleChanged)
        }
        if history.current.index != announcedConfiguration {
            announcedConfiguration = history.current.index
            effects.append(.configurationChanged)
        }
        nextDeadline = earliestDeadline
    }
}
