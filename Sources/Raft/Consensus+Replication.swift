import Primitives

// Replication and commit (Raft §5.3, §5.4.2).

extension Consensus {
    /// What an entry weighs besides its payload.
    private static let entryOverheadBytes = 64

    /// Unacknowledged appends beyond which only full ones are sent.
    private static let smallAppendsInFlight = 4

    /// Payload bytes of an append that must fit a datagram sealed twice.
    private static let relayedAppendBytes = 512

    func size(of entry: Entry) -> Int { entry.payload.count + Self.entryOverheadBytes }

    // MARK: Proposing

    /// Appends a command to the log of this leader. Success means only that it may commit: it has when `.apply` hands
    /// out an entry with this index and this term, and never will if another term's entry comes at this index.
    package mutating func propose(
        _ payload: [UInt8], now: Instant, into effects: inout [RaftEffect]
    ) -> Result<LogPosition, ProposalRefusal> {
        precondition(
            payload.count <= RaftMessage.payloadBytesMax,
            "a payload of \(payload.count) bytes exceeds \(RaftMessage.payloadBytesMax)")
        guard role == .leader else { return .failure(.notLeader(leader: leader)) }
        guard transfer == nil else { return .failure(.transferring) }
        let cost = payload.count + Self.entryOverheadBytes
        guard !durability.isFull else { return .failure(.full) }
        guard uncommittedBytes == 0 || uncommittedBytes + cost <= config.maxUncommittedBytes else {
            return .failure(.full)
        }
        append(.command, payload, now: now)
        noteAppendsDue()
        let position = log.lastPosition
        finish(now: now, into: &effects)
        return .success(position)
    }

    mutating func append(_ kind: Entry.Kind, _ payload: [UInt8], now: Instant) {
        let entry = Entry(
            index: log.lastIndex.next, term: term, time: logTime(at: now), kind: kind, payload: payload)
        log.append(entry)
        uncommittedBytes += size(of: entry)
    }

    // MARK: Leader to follower

    mutating func noteAppendsDue() {
        for slot in members.indices { members[slot].isAppendDue = true }
    }

    mutating func sendDueAppends(now: Instant, into effects: inout [RaftEffect]) {
        for slot in members.indices where members[slot].isAppendDue {
            members[slot].isAppendDue = false
            if slot != ownSlot, isServed(slot, at: now) { replicate(to: slot, now: now, into: &effects) }
        }
    }

    /// Sends what the member lacks as far as its window allows, or failing that the news of a later commit index.
    mutating func replicate(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        // An answer to an older append may show that the member needs no snapshot after all.
        if members[slot].mode == .snapshotting, members[slot].match >= log.base.index {
            members[slot].endSnapshotting(through: members[slot].match, round: rounds.last, at: now)
            releaseSnapshot()
        }
        if members[slot].next <= log.base.index || members[slot].mode == .snapshotting {
            sendSnapshot(to: slot, now: now, into: &effects)
            return
        }
        while members[slot].next <= log.lastIndex, members[slot].hasRoom(limit: config.maxAppendsInFlight) {
            let bytes = members[slot].isRelayed ? Self.relayedAppendBytes : config.maxEntriesBytesPerAppend
            // While some are being written there and others wait for that, one more small append would gain nothing (after
            // Nagle, RFC 896): what comes meanwhile goes together.
            if members[slot].inFlight.count >= Self.smallAppendsInFlight,
                !log.exceeds(bytes, after: members[slot].next.previous)
            {
                break
            }
            let entries = log.entries(after: members[slot].next.previous, bytes: bytes)
            sendAppend(entries, to: slot, now: now, into: &effects)
        }
        announceCommit(to: slot, now: now, into: &effects)
    }

    /// Tells of a commit at once, unless an append that is still to come will. The news follows what the member surely
    /// holds, so that it is not rejected when it overtakes an append on the way.
    private mutating func announceCommit(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        let match = members[slot].match
        guard members[slot].mode == .replicating, members[slot].toldCommit < commitIndex,
            members[slot].inFlight.isEmpty || commitIndex == log.lastIndex, let matchTerm = log.term(at: match)
        else { return }
        let news = RaftMessage.Append(
            term: term, previous: LogPosition(index: match, term: matchTerm), entries: [], commitIndex: commitIndex,
            time: logTime(at: now))
        effects.append(.send(.append(news), to: members[slot].replica))
        members[slot].noteSent(through: match, commit: commitIndex, round: rounds.last, at: now)
    }

    private mutating func sendAppend(
        _ entries: [Entry], to slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        let before = members[slot].next.previous
        guard let previousTerm = log.term(at: before) else {
            preconditionFailure("next index \(before.next) is beyond last index \(log.lastIndex)")
        }
        let append = RaftMessage.Append(
            term: term, previous: LogPosition(index: before, term: previousTerm), entries: entries,
            commitIndex: commitIndex, time: logTime(at: now))
        effects.append(.send(.append(append), to: members[slot].replica))
        members[slot].noteSent(through: before + entries.count, commit: commitIndex, round: rounds.last, at: now)
    }

    mutating func handleAppendReply(
        _ reply: RaftMessage.AppendReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if reply.term > term {
            stepDown(to: reply.term, now: now, into: &effects)
            return
        }
        guard role == .leader, reply.term == term || planted(.staleAppendReplies) else { return }
        switch reply.outcome {
        case .matched(let index):
            guard index <= log.lastIndex else { return }
            let isNews = members[slot].noteMatched(
                planted(.countsSentAsHeld) ? lastIndex : index, round: rounds.last, at: now)
            let match = members[slot].match
            members[slot].catchUp?.note(
                match: match, last: log.lastIndex, timeout: config.electionTimeout, at: now)
            if isNews { advanceCommit(now: now, into: &effects) }
            members[slot].isAppendDue = true
            releaseTransferIfReady(now: now, into: &effects)
        case .rejected(let previous, let hint):
            serveIfAlone(slot, now: now)
            let shared = log.lastPosition(notAfter: hint)
            if members[slot].noteRejected(previous: previous, shared: shared.index) {
                members[slot].isAppendDue = true
            }
        case .lost(let hint):
            members[slot].noteLost(after: log.lastPosition(notAfter: hint).index)
            replicate(to: slot, now: now, into: &effects)
        case .stale:
            break
        }
    }

    /// The leader's own disk has caught up: its log counts as far as it is durable.
    mutating func noteOwnProgress(now: Instant, into effects: inout [RaftEffect]) {
        guard let ownSlot else { return }
        members[ownSlot].noteOwnDurable(planted(.ownDiskUncounted) ? lastIndex : durability.durableIndex)
        advanceCommit(now: now, into: &effects)
    }

    /// Commits what a majority holds, if it is of this term (Raft §5.4.2, figure 8): earlier entries commit with it.
    private mutating func advanceCommit(now: Instant, into effects: inout [RaftEffect]) {
        let reached = electorate.greatestReached { members[$0].match }
        guard let reached, reached > commitIndex, log.term(at: reached) == term || planted(.commitsOlderTerms) else {
            return
        }
        while commitIndex < reached {
            commitIndex = commitIndex.next
            uncommittedBytes -= size(of: log[commitIndex])
        }
        noteAppendsDue()
        openReadRoundIfWanted(now: now, into: &effects)
    }

    /// Whether an entry of this term is committed, so that the commit index is known to be current (thesis §6.4).
    /// Inlined, here and below, so that the whole replica is not copied to be asked.
    @inline(__always) var hasCommittedInTerm: Bool {
        log.term(at: commitIndex) == term || planted(.currentBeforeCommit)
    }

    /// The surroundings reach the member around a broken link now, or directly again.
    package mutating func noteRelayed(_ isRelayed: Bool, to member: ReplicaID) {
        if let slot = slot(of: member) { members[slot].isRelayed = isRelayed }
    }

    // MARK: Follower

    mutating func handleAppend(
        _ append: RaftMessage.Append, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard follow(sender, term: append.term, now: now, into: &effects) else {
            answer(.stale, to: sender, into: &effects)
            return
        }
        clock.observe(append.time, in: append.term, at: now)
        guard isShared(append.previous) else {
            let bound = LogPosition(index: append.previous.index, term: append.previous.term)
            let hint = log.lastPosition(notAfter: bound)
            let outcome = RaftMessage.AppendReply.Outcome.rejected(previous: append.previous.index, hint: hint)
            answer(doubtfulTail == nil ? outcome : .lost(hint: hint), to: sender, into: &effects)
            return
        }
        merge(append.entries, now: now)
        matchedIndex = max(matchedIndex, append.previous.index + append.entries.count)
        settleDoubtIfCovered(by: log.lastPosition)
        learnCommit(append.commitIndex)
        guard !append.entries.isEmpty else { return }
        owesAcknowledgement = true
        if matchedIndex <= durability.durableIndex { acknowledge(into: &effects) }
    }

    /// Committed entries equal the leader's without looking (leader completeness, Raft §5.4.3).
    @inline(__always) func isShared(_ previous: LogPosition) -> Bool {
        previous.index <= commitIndex || log.term(at: previous.index) == previous.term
            || (planted(.previousUnchecked) && previous.index <= lastIndex)
    }

    /// Appends what is new. Only a conflict truncates: an append that arrives late and is shorter than what is already
    /// here must not cut off entries that were acknowledged (Raft §5.3, rule 3 of AppendEntries).
    mutating func merge(_ entries: [Entry], now: Instant) {
        for entry in entries where entry.index > log.base.index {
            if let present = log.term(at: entry.index) {
                if planted(.truncatesNever) || (present == entry.term && !planted(.truncatesAlways)) { continue }
                precondition(
                    entry.index > commitIndex,
                    "the leader's term \(entry.term) contradicts committed term \(present) at \(entry.index)")
                log.truncate(after: entry.index.previous)
                durability.noteTruncated(after: entry.index.previous)
                rollBackConfiguration(after: entry.index.previous, now: now)
            }
            log.append(entry)
            if entry.kind == .configuration { adoptConfiguration(of: entry, now: now) }
        }
    }

    mutating func learnCommit(_ leaderCommit: LogIndex) {
        commitIndex = max(commitIndex, min(leaderCommit, planted(.commitsUnmatched) ? lastIndex : matchedIndex))
    }

    /// Tells the leader what is both shared with it and durable. One answer covers all appends before it.
    mutating func acknowledge(into effects: inout [RaftEffect]) {
        guard owesAcknowledgement, let leader else { return }
        var acknowledged = planted(.acknowledgesBeforeSync) ? matchedIndex : min(matchedIndex, durability.durableIndex)
        // What is committed anyway commits nothing more; the leader must know it to send the rest.
        if isFaulty, !planted(.faultyAcknowledges) { acknowledged = min(acknowledged, commitIndex) }
        owesAcknowledgement = acknowledged < matchedIndex
        if acknowledged > .zero { answer(.matched(acknowledged), to: leader, into: &effects) }
    }

    /// The leader may think that this replica still holds what its disk lost, and have nothing else to send.
    mutating func reportLoss(to receiver: ReplicaID, into effects: inout [RaftEffect]) {
        answer(.lost(hint: log.lastPosition), to: receiver, into: &effects)
    }

    private mutating func answer(
        _ outcome: RaftMessage.AppendReply.Outcome, to receiver: ReplicaID, into effects: inout [RaftEffect]
    ) {
        reply(.appendReply(RaftMessage.AppendReply(term: term, outcome: outcome)), to: receiver, into: &effects)
    }
}
