import Primitives

// The tree of observers (`ObserverTree`): a leader serves voters, the observers at its top, and whoever asks it; all others
// fetch what is committed from each other.

extension Consensus {
    // MARK: Leader

    /// Whether this leader sends the member heartbeats and entries unasked.
    func isServed(_ slot: Int, at now: Instant) -> Bool {
        if members[slot].isAtTop || members[slot].catchUp != nil { return true }
        if let until = members[slot].servedUntil, now < until { return true }
        // Its snapshot is on the way.
        return members[slot].mode == .snapshotting && members[slot].wasHeard(within: config.snapshotStallLimit, at: now)
    }

    /// Another configuration is in force: places in the tree have changed.
    mutating func arrangeObservers(now: Instant) {
        let top = ObserverTree(configuration).top
        for slot in members.indices {
            let isAtTop = configuration.isVoter(members[slot].replica) || top.contains(members[slot].replica)
            if isAtTop, !members[slot].isAtTop { members[slot].resume(before: log.lastIndex) }
            members[slot].isAtTop = isAtTop
        }
        let isObserver = configuration.learners.contains(replica)
        if isObserver, upstream == nil { upstream = Upstream(from: now + config.electionTimeout) }
        if !isObserver { upstream = nil }
    }

    /// Asks one of those that others serve, in turn, whether it holds the configuration in force: who does not know that it
    /// belongs to the mesh, or where in the tree, fetches from nobody. Nothing comes back from those that do.
    mutating func remindObserver(now: Instant, into effects: inout [RaftEffect]) {
        guard configuration.learners.count > ObserverTree.fanOut else { return }
        let known = max(history.current.index, log.base.index)
        guard let knownTerm = log.term(at: known) else { return }
        for _ in members.indices {
            remindedSlot = (remindedSlot + 1) % members.count
            if remindedSlot == ownSlot || isServed(remindedSlot, at: now) { continue }
            let reminder = RaftMessage.Append(
                term: term, previous: LogPosition(index: known, term: knownTerm), entries: [],
                commitIndex: min(commitIndex, known), time: logTime(at: now))
            effects.append(.send(.append(reminder), to: members[remindedSlot].replica))
            return
        }
    }

    /// It asked, or does not hold what it was reminded of.
    mutating func serveIfAlone(_ slot: Int, now: Instant) {
        guard !members[slot].isAtTop else { return }
        if !isServed(slot, at: now) {
            members[slot].resume(before: log.lastIndex)
            members[slot].isAppendDue = true
        }
        members[slot].servedUntil = now + config.electionTimeout * 2
    }

    // MARK: Source

    mutating func handleFetch(_ fetch: RaftMessage.Fetch, from slot: Int, now: Instant) {
        if role == .leader {
            serveIfAlone(slot, now: now)
        } else {
            fetchDesk.note(fetch, from: members[slot].replica, patience: config.electionTimeout, at: now)
        }
    }

    /// Sends what is owed and can be said.
    mutating func answerFetches(now: Instant, into effects: inout [RaftEffect]) {
        guard role != .leader else { return fetchDesk.removeAll() }
        for place in fetchDesk.fetchers.indices {
            let fetcher = fetchDesk.fetchers[place]
            guard let previous = sharedPosition(with: fetcher) else { continue }
            let isBehind = fetcher.isOwedEntries && fetcher.commitIndex < commitIndex
            let proven = freshness.confirmedAt.flatMap { fetchDesk.takeStamp(of: place, receivedBy: $0) }
            guard isBehind || proven != nil else { continue }
            let entries = isBehind ? fetchable(after: previous) : []
            if isBehind { fetchDesk.noteSentEntries(to: place) }
            let answer = RaftMessage.Fetched(
                term: term, leader: knownLeader(at: now), previous: entries.isEmpty ? .zero : previous,
                entries: entries, commitIndex: commitIndex, time: logTime(at: now),
                proof: proven.map { RaftMessage.Fetched.Proof(stamp: $0, index: freshness.confirmedIndex) })
            reply(.fetched(answer), to: fetcher.replica, into: &effects)
        }
    }

    private func knownLeader(at now: Instant) -> RaftMessage.Fetched.Leader? {
        guard let leader, let leaderHeardAt, now - leaderHeardAt < config.electionTimeout else { return nil }
        return RaftMessage.Fetched.Leader(leader, heardAgo: now - leaderHeardAt)
    }

    /// Up to where the observer's log surely equals this one; nil if this one begins later: a leader's snapshot must help.
    private func sharedPosition(with fetcher: FetchDesk.Fetcher) -> LogPosition? {
        if fetcher.last.index <= commitIndex, log.term(at: fetcher.last.index) == fetcher.last.term {
            return fetcher.last
        }
        // It is ahead, and misses nothing.
        guard fetcher.commitIndex < commitIndex else { return .zero }
        return log.term(at: fetcher.commitIndex).map { LogPosition(index: fetcher.commitIndex, term: $0) }
    }

    private func fetchable(after previous: LogPosition) -> [Entry] {
        guard previous.index < commitIndex else { return [] }
        let entries = log.entries(after: previous.index, bytes: config.maxEntriesBytesPerAppend)
        return planted(.fetchesUncommitted) ? entries : Array(entries.prefix { $0.index <= commitIndex })
    }

    // MARK: Observer

    mutating func fetchIfDue(now: Instant, into effects: inout [RaftEffect]) {
        guard var upstream, upstream.dueAt <= now else { return }
        let sources = ObserverTree(configuration).sources(of: replica, leader: leader)
        let asked = upstream.ask(
            of: sources.count, patience: config.electionTimeout, interval: config.heartbeatInterval, at: now)
        self.upstream = upstream
        for place in asked {
            let fetch = RaftMessage.Fetch(
                term: term, last: log.lastPosition, commitIndex: commitIndex, stamp: freshness.makeStamp(at: now))
            effects.append(.send(.fetch(fetch), to: sources[place]))
        }
    }

    /// What is committed is in the log of every later leader (leader completeness, Raft §5.4.3), so that it may be taken from
    /// anybody of any term.
    mutating func handleFetched(
        _ fetched: RaftMessage.Fetched, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard upstream != nil, role != .leader else { return }
        if fetched.term > term { stepDown(to: fetched.term, now: now, into: &effects) }
        clock.observe(fetched.time, in: fetched.term, at: now)
        guard isShared(fetched.previous) else { return }
        merge(fetched.entries, now: now)
        matchedIndex = max(matchedIndex, fetched.previous.index + fetched.entries.count)
        settleDoubtIfCovered(by: log.lastPosition)
        learnCommit(fetched.commitIndex)
        // The configuration that it campaigned in spite of is committed.
        if role != .follower, !mayCampaign { stepDown(to: term, now: now, into: &effects) }
        if fetched.term == term, role == .follower, let told = fetched.leader { noteLeader(told, now: now) }
        if let proof = fetched.proof, let sentAt = freshness.sentAt(proof.stamp) {
            freshness.confirm(proof.index, at: planted(.freshAtArrival) ? now : sentAt)
        }
        askForReads(now: now, into: &effects)
        let sources = ObserverTree(configuration).sources(of: replica, leader: leader)
        guard let place = sources.firstIndex(of: sender) else { return }
        upstream?.noteAnswer(from: place, hasMore: commitIndex < fetched.commitIndex, at: now)
    }

    private mutating func noteLeader(_ told: RaftMessage.Fetched.Leader, now: Instant) {
        guard leader == nil || leader == told.replica, told.replica != replica else { return }
        leader = told.replica
        roleCause = .heard
        leaderHearsay = max(leaderHearsay ?? .zero, now - told.heardAgo)
    }
}
