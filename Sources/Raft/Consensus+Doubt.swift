import Primitives

// What to do about a doubtful tail while no leader can send it again (after Alagappan et al., "Protocol-Aware Recovery
// for Consensus-Based Storage", FAST'18).
//
// The replica cannot tell a torn write, which it never acknowledged, from a rotten one, which it may have. It asks the
// other voters. An entry can be committed only if a majority may hold it: those that can read it, those that do not
// answer, and those that doubt as well, but of these no more than a minority, since the fault model is that rot strikes
// a minority of the copies. What cannot be committed need not be reached by a leader, and the doubt draws back to
// before it. So a mesh whose every tail was torn by a power cut elects a leader, and one surviving copy of a committed
// entry is waited for.

extension Consensus {
    /// The election timeout passed and the doubt forbids campaigning.
    ///
    /// The first time, the term is raised: whoever answers in a later term than any in which this replica may have
    /// acknowledged the entries will not acknowledge them to a leader of those terms any more. Once is enough, so an
    /// isolated doubter does not run away with the term.
    mutating func inquire(about tail: LogPosition, now: Instant, into effects: inout [RaftEffect]) {
        stepDown(to: term == recoveredTerm ? term.next : term, now: now, into: &effects)
        restartElectionTimer(now: now)
        drawDoubtBack(from: tail)  // a lone voter has nobody to ask
        guard let tail = doubtfulTail else { return }
        let query = RaftMessage.TailQuery(term: term, tail: tail)
        for slot in electorate.all where slot != ownSlot {
            reply(.tailQuery(query), to: members[slot].replica, into: &effects)
        }
    }

    mutating func handleTailQuery(
        _ query: RaftMessage.TailQuery, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        // Near a live leader there is nothing to resolve: it will send the entries again.
        guard isVoter, electorate.all.contains(slot), role != .leader, withholdsVotesUntil <= now else { return }
        if query.term > term { stepDown(to: query.term, now: now, into: &effects) }
        let answer = RaftMessage.TailReply(
            term: term, tail: query.tail, readable: log.lastIndex, doubtful: doubtedIndex(query.tail),
            configuration: history.current.index)
        reply(.tailReply(answer), to: members[slot].replica, into: &effects)
    }

    mutating func handleTailReply(
        _ reply: RaftMessage.TailReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if reply.term > term { stepDown(to: reply.term, now: now, into: &effects) }
        guard !isFaulty, let tail = doubtfulTail, reply.tail == tail, reply.term > recoveredTerm,
            electorate.all.contains(slot)
        else {
            return
        }
        members[slot].tailAnswer = reply
        drawDoubtBack(from: tail)
    }

    /// Someone who holds a configuration that this replica cannot read shows that others may have decided meanwhile:
    /// then the doubt stays until a leader sends the entries.
    private mutating func drawDoubtBack(from tail: LogPosition) {
        let known = history.current.index
        guard electorate.all.allSatisfy({ members[$0].tailAnswer?.configuration ?? .zero <= known }) else { return }
        var index = tail.index
        while index > log.lastIndex, !mayBeCommitted(index) { index = index.previous }
        guard index < tail.index else { return }
        // The terms of the unreadable entries are unknown, and none is later than the last one's.
        let rest = LogPosition(index: index, term: tail.term)
        if index > log.lastIndex { doubtfulTail = rest } else { endDoubt() }
        for slot in members.indices { members[slot].tailAnswer = nil }
    }

    /// A replica that is sure of its loss may not know how far it goes: it doubts whatever it is asked about.
    private func doubtedIndex(_ asked: LogPosition) -> LogIndex {
        let own = doubtfulTail?.index ?? .zero
        return isFaulty ? max(own, asked.index) : own
    }

    /// In a joint configuration, what comes after it may need the incoming voters alone.
    private func mayBeCommitted(_ index: LogIndex) -> Bool {
        if planted(.doubtDrawnBack) { return false }
        let voters = electorate.incoming.count
        var holders = 0
        var doubters = 0
        for slot in electorate.incoming {
            if slot == ownSlot {
                doubters += 1
                continue
            }
            guard let answer = members[slot].tailAnswer else {
                holders += 1
                continue
            }
            if answer.readable >= index { holders += 1 } else if answer.doubtful >= index { doubters += 1 }
        }
        return holders + min(doubters, voters - Quorum.size(voters: voters)) >= Quorum.size(voters: voters)
    }
}

// MARK: - Certain loss

extension Consensus {
    /// Acknowledged entries are missing here (`WALVerdict.faulty`). Until a leader has sent everything again through the
    /// furthest trace, this replica does not vote, does not campaign, and acknowledges only what is committed anyway:
    /// that can commit nothing, and lets the leader send the rest.
    package var isFaulty: Bool { hasLostEntries && doubtfulTail != nil && !planted(.faultyVotes) }

    mutating func recover(doubtfulTail tail: LogPosition?, isFaulty: Bool) {
        guard let tail, !planted(.doubtForgotten) else { return }
        doubtfulTail = tail
        hasLostEntries = isFaulty
        // Where no trace tells how far the log went, only an entry of a term after all that this replica can have
        // acknowledged is known to lie beyond: such a term must come.
        if isFaulty, tail.term > term {
            hardState = HardState(term: tail.term)
            durability.noteHardStateChanged()
        }
        settleDoubtIfCovered(by: log.lastPosition)
    }

    /// Ends the doubt if the log, which a leader has sent through here, reaches what it is about: whatever was committed
    /// is in that leader's log (Raft §5.4.3), hence in this one.
    mutating func settleDoubtIfCovered(by position: LogPosition) {
        if let tail = doubtfulTail, position >= tail { endDoubt() }
    }

    private mutating func endDoubt() {
        doubtfulTail = nil
        hasLostEntries = false
        durability.noteDoubtSettled()
    }
}
