import Primitives

// Rounds of heartbeats: leader contact, quorum check (thesis §6.2), lease (thesis §6.4.1) and freshness.

extension Consensus {
    // MARK: Lease

    /// Until when nobody else can have been elected, on this leader's clock; nil without a lease.
    package var leaseDeadline: Instant? {
        role == .leader && (!isLeaseForfeited || planted(.leaseSurvivesHandOver)) ? rounds.promisedUntil : nil
    }

    /// Whether this replica is the only possible leader at `now`. Ask at the moment of use: a process that slept
    /// between asking and acting has asked for nothing.
    package func holdsLease(at now: Instant) -> Bool {
        guard let leaseDeadline else { return false }
        return now < leaseDeadline
    }

    // MARK: Leader

    /// When the leader steps down unless a quorum answers before.
    var quorumDeadline: Instant {
        let deadline = (rounds.confirmedSentAt ?? electedAt) + config.electionTimeout
        return max(deadline, reprieve ?? deadline)
    }

    mutating func tickLeader(now: Instant, into effects: inout [RaftEffect]) {
        let isUnanswered = quorumDeadline <= now && !isAlone && !planted(.noCheckQuorum)
        let isHung = isDiskHung(at: now)
        if isHung || (isUnanswered && takeReprieve(now: now) == nil) {
            roleCause = isHung ? .hungDisk : .unanswered
            stepDown(to: term, now: now, into: &effects)
            return
        }
        if let transfer, transfer.deadline <= now {
            giveUpTransfer(transfer, now: now, into: &effects)
            if role != .leader { return }
        }
        guard heartbeatDeadline <= now else { return }
        for slot in members.indices where slot != ownSlot && isServed(slot, at: now) {
            retryAppend(to: slot, now: now, into: &effects)
            retrySnapshot(to: slot, now: now, into: &effects)
        }
        considerTransfer(now: now, into: &effects)
        remindObserver(now: now, into: &effects)
        heartbeatDeadline = now + config.heartbeatInterval
        (commitTwoRoundsAgo, commitAtLastRound) = (commitAtLastRound, commitIndex)
        beat(now: now, into: &effects)
    }

    /// Sends a round of heartbeats, which also serves every read that waits for one.
    mutating func beat(now: Instant, into effects: inout [RaftEffect]) {
        let round = rounds.begin(at: now)
        let isCurrent = hasCommittedInTerm
        if isCurrent { leaderReads.attach(to: round, index: commitIndex) }
        if let ownSlot {
            members[ownSlot].answeredRound = round
            members[ownSlot].promisedRound = round
        }
        let time = logTime(at: now)
        let surveysPeers = wantsSurvey(now: now)
        for slot in members.indices where slot != ownSlot && isServed(slot, at: now) {
            let heartbeat = RaftMessage.Heartbeat(
                term: term, round: round, commitIndex: commitIndex, confirmedRound: rounds.confirmed,
                echoedStamp: isCurrent ? members[slot].lastStamp : nil, time: time, surveysPeers: surveysPeers)
            effects.append(.send(.heartbeat(heartbeat), to: members[slot].replica))
        }
        confirmRounds(now: now, into: &effects)
    }

    /// Takes appends that were not acknowledged in time for lost.
    private mutating func retryAppend(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        guard let since = members[slot].awaitedSince, now - since >= config.appendRetryInterval else { return }
        members[slot].restartProbing()
        replicate(to: slot, now: now, into: &effects)
    }

    mutating func handleHeartbeatReply(
        _ reply: RaftMessage.HeartbeatReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if reply.term > term {
            stepDown(to: reply.term, now: now, into: &effects)
            return
        }
        guard role == .leader, reply.term == term || planted(.roundsOfOtherTerms), reply.round <= rounds.last else {
            return
        }
        members[slot].knownCommit = max(members[slot].knownCommit, reply.commitIndex)
        if !reply.heard.isEmpty { members[slot].heard = reply.heard }
        guard reply.round > members[slot].answeredRound else { return }
        members[slot].answeredRound = reply.round
        if reply.promise >= config.leasePromise || planted(.shortPromiseCounts) || planted(.timeoutInOneStep) {
            members[slot].promisedRound = reply.round
        }
        members[slot].lastStamp = reply.stamp
        if members[slot].missedCommit(known: reply.commitIndex, round: reply.round) { members[slot].isAppendDue = true }
        if members[slot].hasForgotten(last: reply.last, round: reply.round) { members[slot].isAppendDue = true }
        confirmRounds(now: now, into: &effects)
        openReadRoundIfWanted(now: now, into: &effects)
    }

    private mutating func confirmRounds(now: Instant, into effects: inout [RaftEffect]) {
        let reached =
            planted(.leaseByOneAnswer)
            ? members.map(\.answeredRound).max() : electorate.greatestReached { members[$0].answeredRound }
        let isNews = reached.map { rounds.confirm(through: $0) } ?? false
        if let promised = electorate.greatestReached({ members[$0].promisedRound }) {
            rounds.promise(through: promised, lease: config.leaseDuration)
        }
        guard let reached, isNews else { return }
        reprieve = nil
        if let sentAt = rounds.confirmedSentAt, !isAlone { roundTrips.add(now - sentAt) }
        if hasCommittedInTerm, let sentAt = rounds.confirmedSentAt { freshness.confirm(commitIndex, at: sentAt) }
        releaseReads(through: reached, into: &effects)
    }

    // MARK: Follower

    mutating func handleHeartbeat(
        _ heartbeat: RaftMessage.Heartbeat, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard follow(sender, term: heartbeat.term, now: now, into: &effects) else {
            let answer = RaftMessage.HeartbeatReply(term: term, round: 0, stamp: 0, commitIndex: commitIndex)
            reply(.heartbeatReply(answer), to: sender, into: &effects)
            return
        }
        upstream?.noteServed(until: now + config.electionTimeout)
        clock.observe(heartbeat.time, in: heartbeat.term, at: now)
        learnCommit(heartbeat.commitIndex)
        freshness.note(heartbeat)
        let heard = heartbeat.surveysPeers ? votersHeard(at: now) : []
        let answer = RaftMessage.HeartbeatReply(
            term: term, round: heartbeat.round, stamp: freshness.makeStamp(at: now), commitIndex: commitIndex,
            last: log.lastIndex, promise: durablePatience, heard: heard)
        reply(.heartbeatReply(answer), to: sender, into: &effects)
        if doubtfulTail != nil { reportLoss(to: sender, into: &effects) }
        if heartbeat.surveysPeers {
            for peer in electorate.all where peer != ownSlot && members[peer].replica != sender {
                effects.append(.send(.hello(term: term), to: members[peer].replica))
            }
        }
        askForReads(now: now, into: &effects)
    }

    /// For how long the vote is withheld after a leader's word, whatever of the log a crash would leave, and whatever of
    /// it that leader would cut off: the shortest E since the last entry that is certain.
    private var durablePatience: Duration {
        if planted(.promiseNotDurable) { return config.electionTimeout }
        guard durability.isTruncationDurable else { return .zero }
        let certain = min(durability.durableIndex, max(matchedIndex, commitIndex))
        if history.current.index <= certain { return config.electionTimeout }
        // None is, as long as a leader's snapshot is not on disk yet.
        guard let first = history.statements.lastIndex(where: { $0.index <= certain }) else { return .zero }
        return history.statements[first...].reduce(config.electionTimeout) { shortest, statement in
            min(shortest, settings.agreeing(with: statement.configuration.timeouts).electionTimeout)
        }
    }

    private func votersHeard(at now: Instant) -> [ReplicaID] {
        electorate.all.filter { members[$0].wasHeard(within: config.electionTimeout, at: now) }
            .map { members[$0].replica }
    }
}
