import Primitives

// Elections (Raft §5.2, §5.4.1) with pre-vote (thesis §9.6) and votes withheld near a live leader (thesis §4.2.3).

extension Consensus {
    // MARK: Campaigning

    /// The election timeout passed: find out whether an election could be won.
    mutating func startCampaign(now: Instant, into effects: inout [RaftEffect]) {
        guard mayCampaign else {
            electionDeadline = .distantFuture
            return
        }
        // Its own vote is promised as well as the one it would give another.
        if withholdsVotesUntil > now, !isSolitary {
            electionDeadline = withholdsVotesUntil
            return
        }
        // A replica that cannot write cannot lead; and one whose vote is still on its way to disk must not bump its
        // term again, or no vote would ever be in time.
        if isDiskHung(at: now) || (role == .candidate && !durability.isHardStateDurable) {
            restartElectionTimer(now: now)
            return
        }
        if isFaulty {
            restartElectionTimer(now: now)
            return
        }
        if let doubtfulTail {
            inquire(about: doubtfulTail, now: now, into: &effects)
            return
        }
        if role == .candidate { lostElections = min(lostElections + 1, 3) }
        role = .preCandidate
        roleCause = .silence
        abandonLeader(into: &effects)
        clearVotes()
        restartElectionTimer(now: now)
        electionDeadline = electionDeadline - config.electionTimeout / 2
        recordVote(ownSlot, isGranted: true)
        if tally() == .won {
            startElection(isTransfer: false, now: now, into: &effects)
        } else {
            let request = RaftMessage.VoteRequest(term: term.next, last: log.lastPosition)
            sendToOtherVoters(.preVote(request), into: &effects)
        }
    }

    /// Campaigns in a new term. The requests leave, and the own vote counts, when term and vote are durable.
    mutating func startElection(isTransfer: Bool, now: Instant, into effects: inout [RaftEffect]) {
        role = .candidate
        abandonLeader(into: &effects)
        hardState = HardState(term: term.next, votedFor: replica)
        if !planted(.candidacyNotPersisted) { durability.noteHardStateChanged() }
        forgetLeaderLog()
        if !planted(.votesNotCleared) { clearVotes() }
        restartElectionTimer(now: now)
        let request = RaftMessage.VoteRequest(term: term, last: log.lastPosition, isTransfer: isTransfer)
        for slot in electorate.all where slot != ownSlot {
            reply(.vote(request), to: members[slot].replica, into: &effects)
        }
    }

    /// Counts the own vote once it is durable, and takes office or gives up when the outcome is certain.
    mutating func countVotes(now: Instant, into effects: inout [RaftEffect]) {
        if durability.isHardStateDurable { recordVote(ownSlot, isGranted: true) }
        if tally() == .won { becomeLeader(now: now, into: &effects) }
    }

    // MARK: Voting

    mutating func handlePreVote(
        _ request: RaftMessage.VoteRequest, from candidate: ReplicaID, now: Instant,
        into effects: inout [RaftEffect]
    ) {
        if planted(.preVoteNearLeader) { withholdsVotesUntil = now }
        let isGranted =
            !isFaulty && request.term > term && role != .leader && withholdsVotesUntil <= now && canElect(request.last)
        let answer = RaftMessage.VoteReply(term: isGranted ? request.term : term, isGranted: isGranted)
        reply(.preVoteReply(answer), to: candidate, into: &effects)
    }

    /// Whether this replica votes itself does not matter: a learner may have been promoted by an entry that has not
    /// arrived here. The candidate knows whose votes count.
    mutating func handleVote(
        _ request: RaftMessage.VoteRequest, from candidate: ReplicaID, now: Instant,
        into effects: inout [RaftEffect]
    ) {
        guard request.term >= term else {
            reply(.voteReply(RaftMessage.VoteReply(term: term, isGranted: false)), to: candidate, into: &effects)
            return
        }
        // Near a live leader the request is not heard at all: not even its term may disturb the leader.
        guard request.isTransfer || (role != .leader && (withholdsVotesUntil <= now || planted(.votesNearLeader)))
        else { return }
        if request.term > term { stepDown(to: request.term, now: now, into: &effects) }
        let isFree = hardState.votedFor == nil || hardState.votedFor == candidate || planted(.votesTwice)
        let isGranted = !isFaulty && isFree && canElect(request.last)
        if isGranted {
            // Whoever supports another campaign gives up asking for its own.
            role = .follower
            if hardState.votedFor == nil {
                hardState.votedFor = candidate
                if !planted(.voteNotPersisted) { durability.noteHardStateChanged() }
            }
            restartElectionTimer(now: now)
        }
        reply(.voteReply(RaftMessage.VoteReply(term: term, isGranted: isGranted)), to: candidate, into: &effects)
    }

    mutating func handlePreVoteReply(
        _ reply: RaftMessage.VoteReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if !reply.isGranted, reply.term > term {
            stepDown(to: reply.term, now: now, into: &effects)
            return
        }
        guard role == .preCandidate else { return }
        if reply.isGranted, reply.term != term.next { return }
        recordVote(slot, isGranted: reply.isGranted)
        if tally() == .won { startElection(isTransfer: false, now: now, into: &effects) }
    }

    mutating func handleVoteReply(
        _ reply: RaftMessage.VoteReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if reply.term > term {
            stepDown(to: reply.term, now: now, into: &effects)
            return
        }
        guard role == .candidate, reply.term == term || planted(.staleVotesCount) else { return }
        recordVote(slot, isGranted: reply.isGranted)
        countVotes(now: now, into: &effects)
    }

    /// A log that misses an entry which this replica may have acknowledged must not win with its vote (Raft §5.4.1).
    /// That holds for its own log too while the tail is doubtful.
    private func canElect(_ last: LogPosition) -> Bool {
        if planted(.voteIgnoresLog) { return true }
        if planted(.voteComparesLength) { return last.index >= log.lastIndex && last >= doubtfulTail ?? .zero }
        if planted(.voteIgnoresDoubt) { return last >= log.lastPosition }
        return last >= log.lastPosition && last >= doubtfulTail ?? .zero
    }

    // MARK: Changes of role

    mutating func becomeLeader(now: Instant, into effects: inout [RaftEffect]) {
        role = .leader
        roleCause = .elected
        leader = replica
        leaderContact = nil
        lostElections = 0
        electedAt = now
        reprieve = nil
        isLeaseForfeited = false
        transfer = nil
        (commitTwoRoundsAgo, commitAtLastRound) = (commitIndex, commitIndex)
        if !planted(.roundsNotRestarted) { rounds.restart() }
        roundTrips.removeAll()
        for slot in members.indices where !planted(.progressNotReset) { members[slot].reset(next: log.lastIndex.next) }
        if let ownSlot { members[ownSlot].noteOwnDurable(durability.durableIndex) }
        uncommittedBytes = 0
        for entry in log.entries(after: commitIndex, through: log.lastIndex) { uncommittedBytes += size(of: entry) }
        if !planted(.noNoop) { append(.noop, [], now: now) }
        heartbeatDeadline = now + config.heartbeatInterval
        beat(now: now, into: &effects)
        noteAppendsDue()
    }

    /// Follows `newTerm`, whose leader is not known yet, or stays in the term without leading it any longer.
    mutating func stepDown(to newTerm: Term, now: Instant, into effects: inout [RaftEffect]) {
        precondition(newTerm >= term, "cannot go back from term \(term) to \(newTerm)")
        let wasFollower = role == .follower
        role = .follower
        abandonLeader(into: &effects)
        if newTerm > term {
            roleCause = .laterTerm
            hardState = HardState(term: newTerm, votedFor: nil)
            if !planted(.termNotPersisted) { durability.noteHardStateChanged() }
            forgetLeaderLog()
        }
        if !wasFollower { restartElectionTimer(now: now) }
    }

    /// A message of the leader of `messageTerm` arrived. Returns false, having changed nothing that matters, if that
    /// is not a leader to follow.
    mutating func follow(
        _ sender: ReplicaID, term messageTerm: Term, now: Instant, into effects: inout [RaftEffect]
    ) -> Bool {
        guard messageTerm >= term || planted(.followsOlderTerms) else { return false }
        if messageTerm > term { stepDown(to: messageTerm, now: now, into: &effects) }
        // Two leaders of one term cannot be; whoever claims it is not believed.
        guard role != .leader, leader == nil || leader == sender else { return false }
        if role != .follower { stepDown(to: term, now: now, into: &effects) }
        leaderContact = now
        lostElections = 0
        if leader == nil {
            leader = sender
            roleCause = .heard
            restartElectionTimer(now: now)
        }
        withholdsVotesUntil = now + config.electionTimeout
        electionDeadline = now + electionSpan
        reprieve = nil
        return true
    }

    /// Whatever depended on the leader, this replica included, ends unanswered.
    private mutating func abandonLeader(into effects: inout [RaftEffect]) {
        leader = nil
        leaderContact = nil
        leaderHearsay = nil
        transfer = nil
        heartbeatDeadline = .distantFuture
        abandonSnapshots()
        for id in leaderReads.abandon() { effects.append(.readFailed(id: id)) }
        for id in followerReads.abandon() { effects.append(.readFailed(id: id)) }
    }

    /// A new term: what its leader's log looks like is not known yet.
    private mutating func forgetLeaderLog() {
        if planted(.matchKeptAcrossTerms) { return }
        matchedIndex = .zero
        owesAcknowledgement = false
    }

    // MARK: Timer and tally

    /// E, plus what rank, uptime, chance and lost elections add. Chance is drawn once for each start of the timer.
    mutating func restartElectionTimer(now: Instant) {
        let jitter = random.duration(in: .zero...config.electionJitter)
        electionSpan = config.electionTimeout * (1 + lostElections) + preferenceDelay + jitter
        electionDeadline = now + electionSpan
        reprieve = nil
    }

    /// What rank and uptime add to the election timeout: others are to campaign first. The leader counts for nothing:
    /// whoever campaigns against its silence cannot be in its way.
    var preferenceDelay: Duration {
        let voters = configuration.voters.filter { $0 != leader }
        let higherRanks = Set(voters.map(config.priority)).filter { $0 > config.priority(of: replica) }
        return config.rankDelay * higherRanks.count + config.seniorityDelay(of: replica, among: voters)
    }

    private mutating func clearVotes() {
        for slot in members.indices { members[slot].vote = nil }
    }

    private mutating func recordVote(_ slot: Int?, isGranted: Bool) {
        if let slot, members[slot].vote == nil { members[slot].vote = isGranted }
    }

    private func tally() -> Quorum.Verdict { electorate.tally { members[$0].vote } }

    func sendToOtherVoters(_ message: RaftMessage, into effects: inout [RaftEffect]) {
        for slot in electorate.all where slot != ownSlot {
            effects.append(.send(message, to: members[slot].replica))
        }
    }
}
