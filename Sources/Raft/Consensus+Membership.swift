import Primitives

// Changes of the configuration by joint consensus (Raft §6; thesis §4.1 with its errata, §4.2, §4.3).
//
// Voters never change from one majority to another at once: between the old configuration and the new one stands a
// joint one, in which both majorities are needed. It is left automatically once it is committed, by whoever leads then.
// Changes of learners, timeouts or levels alone need no joint step, since the same majority decides before and after.

extension Consensus {
    /// Why a change was not appended. Nothing has changed.
    package enum ChangeRefusal: Error, Hashable, Sendable {
        /// Propose to the leader named here, if any is known.
        case notLeader(leader: ReplicaID?)
        /// Leadership is being handed over: propose again to whoever leads next.
        case transferring
        /// The change at this index is not committed, or its joint configuration not left: wait.
        case unfinished(LogIndex)
        /// No entry of this term is committed yet. A change appended now could commit by a majority that an earlier
        /// leader's forgotten change does not overlap (the single-server bug of 2015, thesis errata §4.1): wait.
        case notCurrent
        /// The target is joint, or the same as what is in force.
        case noChange
    }

    /// Appends a change towards `target`, which takes effect at once. It is finished when a configuration that is not
    /// joint is committed; whether it is `target` must be looked at, since another leader may have dropped it.
    package mutating func proposeChange(
        to target: Configuration, now: Instant, into effects: inout [RaftEffect]
    ) -> Result<LogPosition, ChangeRefusal> {
        guard role == .leader else { return .failure(.notLeader(leader: leader)) }
        guard transfer == nil else { return .failure(.transferring) }
        guard !isChangeUnfinished || planted(.changeDuringChange) else {
            return .failure(.unfinished(history.current.index))
        }
        guard hasCommittedInTerm else { return .failure(.notCurrent) }
        guard !target.isJoint, target != configuration else { return .failure(.noChange) }
        appendConfiguration(planted(.jointSkipped) ? target : configuration.entering(target), now: now, into: &effects)
        let position = log.lastPosition
        finish(now: now, into: &effects)
        return .success(position)
    }

    /// A change is under way: appended and not committed, or joint.
    package var isChangeUnfinished: Bool { history.current.index > commitIndex || configuration.isJoint }

    /// The configuration as of a committed entry, for a snapshot that ends there.
    package func configuration(at index: LogIndex) -> Configuration {
        precondition(index <= commitIndex, "configuration at \(index) beyond commit \(commitIndex) may change")
        return history.statement(at: index).configuration
    }

    /// Preferred leaders from now on: `RaftConfig.priorities` and `bootedAt`.
    package mutating func prefer(_ priorities: [ReplicaID: Int], bootedAt: [ReplicaID: LogTime] = [:]) {
        let former = preferenceDelay
        settings.priorities = priorities
        settings.bootedAt = bootedAt
        config.priorities = priorities
        config.bootedAt = bootedAt
        // The timer of this leader's followers is drawn already.
        guard role == .follower, let leaderContact, electionDeadline != .distantFuture else { return }
        electionSpan += preferenceDelay - former
        electionDeadline = leaderContact + electionSpan
        nextDeadline = earliestDeadline
    }

    /// Since when a replica has been up, as far as elections here go by it.
    package func bootedAt(of replica: ReplicaID) -> LogTime? { config.bootedAt[replica] }

    // MARK: Leader

    /// Those of these learners that have kept up with the log for as long as a preferred leader must before a hand-over,
    /// and are heard; ascending. The wait begins when they are first asked about. The leader serves them itself, wherever
    /// they are in the tree of observers, as long as it is asked about them.
    package mutating func readyLearners(among candidates: [ReplicaID], at now: Instant) -> [ReplicaID] {
        guard role == .leader else { return [] }
        var ready: [ReplicaID] = []
        for slot in members.indices where configuration.learners.contains(members[slot].replica) {
            guard candidates.contains(members[slot].replica) else {
                members[slot].catchUp = nil
                continue
            }
            guard let catchUp = members[slot].catchUp else {
                var catchUp = CatchUp(target: log.lastIndex, at: now)
                // It may hold everything already, and nothing more come for a long time.
                catchUp.note(
                    match: members[slot].match, last: log.lastIndex, timeout: config.electionTimeout, at: now)
                members[slot].catchUp = catchUp
                continue
            }
            let isReady = catchUp.isReady(
                match: members[slot].match, for: config.transferStability, timeout: config.electionTimeout, at: now)
            if isReady, members[slot].wasHeard(within: config.electionTimeout, at: now) {
                ready.append(members[slot].replica)
            }
        }
        return ready
    }

    /// Proposes another election timeout, in microseconds at the finest; see `ElectionTimeouts`.
    package mutating func proposeElectionTimeout(
        _ timeout: Duration, now: Instant, into effects: inout [RaftEffect]
    ) -> Result<LogPosition, ChangeRefusal> {
        let former = configuration.timeouts ?? ElectionTimeouts(settings.electionTimeout)
        guard former.isSettled else { return .failure(.unfinished(history.current.index)) }
        let target = configuration.with(ElectionTimeouts(timeout, former: former.timeout))
        return proposeChange(to: target, now: now, into: &effects)
    }

    /// Leaves a committed joint configuration, and gives up the lead of a committed one that this replica is not in.
    mutating func advanceMembership(now: Instant, into effects: inout [RaftEffect]) {
        let isSettled = configuration.timeouts?.isSettled ?? true
        guard configuration.isJoint || !isVoter || !isSettled,
            history.current.index <= commitIndex || planted(.jointLeftEarly),
            hasCommittedInTerm
        else { return }
        if !isVoter, !configuration.isJoint {
            resign(now: now, into: &effects)
        } else if transfer != nil {
            return  // A hand-over waits for the target to hold the whole log: its successor, or a later tick, goes on.
        } else if configuration.isJoint {
            appendConfiguration(configuration.left, now: now, into: &effects)
        } else if let timeouts = configuration.timeouts {
            appendConfiguration(configuration.with(timeouts.settled), now: now, into: &effects)
        }
    }

    private mutating func appendConfiguration(
        _ next: Configuration, now: Instant, into effects: inout [RaftEffect]
    ) {
        append(.configuration, next.encode(), now: now)
        // Those who are dropped hear of it too, if it reaches them, and stop campaigning.
        noteAppendsDue()
        sendDueAppends(now: now, into: &effects)
        history.append(next, at: log.lastIndex)
        configurationChanged(now: now)
        noteAppendsDue()
    }

    /// Ends a leadership that the configuration does not provide for (Raft §6), and makes the most advanced voter
    /// campaign, so that nobody has to wait for a timeout.
    private mutating func resign(now: Instant, into effects: inout [RaftEffect]) {
        let heir = electorate.all.max { members[$0].match < members[$1].match }
        if let heir { effects.append(.send(.timeoutNow(term: term), to: members[heir].replica)) }
        roleCause = .notProvided
        stepDown(to: term, now: now, into: &effects)
    }

    // MARK: Follower

    mutating func adoptConfiguration(of entry: Entry, now: Instant) {
        history.append(entry)
        configurationChanged(now: now)
    }

    /// The entries after `index` are gone, and with them what they stated (Raft §6).
    mutating func rollBackConfiguration(after index: LogIndex, now: Instant) {
        if !planted(.configurationNotRolledBack), history.truncate(after: index) { configurationChanged(now: now) }
    }

    /// The log goes on after a leader's snapshot: what it stated before is void (Raft §7).
    mutating func restartConfigurations(at metadata: SnapshotMetadata, now: Instant) {
        history = ConfigurationHistory(base: metadata.configuration, at: metadata.position.index, entries: [])
        configurationChanged(now: now)
    }

    // MARK: Both

    /// Voters campaign; and who was one until a configuration that may not be committed. If all that hold the new
    /// configuration were dropped by it, nobody else can win (thesis §4.2.2; a deadlock found in several programs).
    var mayCampaign: Bool {
        if isVoter { return true }
        guard history.current.index > commitIndex else { return false }
        return history.statements.contains { statement in
            statement.index >= history.statement(at: commitIndex).index && statement.configuration.isVoter(replica)
        }
    }

    /// Goes by the newest configuration in the log. What is known of members that stay is kept.
    private mutating func configurationChanged(now: Instant) {
        configuration = history.current.configuration
        let ids = configuration.members
        members = ids.map { id in
            if let slot = slot(of: id) { return members[slot] }
            var progress = Progress(replica: id)
            // So that the entry which admits it is the first to be sent.
            if role == .leader {
                progress.reset(next: log.lastIndex)
                progress.servedUntil = now + config.electionTimeout * 2
            }
            return progress
        }
        electorate = Electorate(configuration, members: ids)
        ownSlot = ids.firstIndex(of: replica)
        arrangeObservers(now: now)
        let former = config.electionTimeout
        let formerLease = config.leasePromise
        config = settings.agreeing(with: configuration.timeouts)
        if role == .leader {
            rounds.shorten(to: config.leaseDuration)
            // What was promised for a shorter lease is no promise for a longer one.
            if config.leasePromise > formerLease {
                for slot in members.indices where slot != ownSlot { members[slot].promisedRound = 0 }
            }
        }
        // A longer timeout holds for the leader's last word too: it may count on it as soon as this is acknowledged.
        if let leaderContact {
            withholdsVotesUntil = max(withholdsVotesUntil, leaderContact + config.electionTimeout)
        }
        if role == .leader, let ownSlot { members[ownSlot].noteOwnDurable(durability.durableIndex) }
        // The timer was drawn for another timeout; and a replica without a vote had none.
        let isTimerStale = config.electionTimeout != former || electionDeadline == .distantFuture
        if mayCampaign, role == .follower, isTimerStale { restartElectionTimer(now: now) }
    }
}
