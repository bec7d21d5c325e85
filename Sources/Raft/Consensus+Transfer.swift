import Primitives

// Handing leadership over (thesis §3.10), on demand and to preferred voters.

extension Consensus {
    /// Hands leadership to `target` as soon as it is caught up. Ignored unless this replica leads, no hand-over is
    /// under way and `target` is another voter. Watch `leader` for the outcome.
    package mutating func transferLeadership(to target: ReplicaID, now: Instant, into effects: inout [RaftEffect]) {
        guard role == .leader, transfer == nil, target != replica, configuration.voters.contains(target) else {
            return
        }
        startTransfer(to: target, now: now, into: &effects)
        finish(now: now, into: &effects)
    }

    private mutating func startTransfer(to target: ReplicaID, now: Instant, into effects: inout [RaftEffect]) {
        transfer = Transfer(target: target, deadline: now + config.electionTimeout)
        transferNotBefore = now + config.transferCooldown
        releaseTransferIfReady(now: now, into: &effects)
    }

    /// Tells the target to campaign once it holds the whole log. From that moment the lease of this term is over.
    mutating func releaseTransferIfReady(now: Instant, into effects: inout [RaftEffect]) {
        guard let pending = transfer, !pending.isReleased, let slot = slot(of: pending.target),
            members[slot].match == log.lastIndex
        else { return }
        transfer?.isReleased = true
        isLeaseForfeited = true
        effects.append(.send(.timeoutNow(term: term), to: pending.target))
    }

    /// The target did not take over in time. If it may still do so, leading on without a lease would leave the mesh
    /// without a valid primary for as long as this term lasts: campaign anew.
    mutating func giveUpTransfer(_ pending: Transfer, now: Instant, into effects: inout [RaftEffect]) {
        transfer = nil
        if planted(.handOverForgotten) {
            isLeaseForfeited = false
            return
        }
        guard pending.isReleased else { return }
        roleCause = .unclaimed
        startElection(isTransfer: true, now: now, into: &effects)
    }

    /// The leader of this term asks for a successor.
    mutating func handleTimeoutNow(
        _ messageTerm: Term, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard messageTerm == term && leader == sender || planted(.lateOrderObeyed), role != .leader, isVoter,
            !isDiskHung(at: now),
            doubtfulTail == nil
        else { return }
        roleCause = .handOver
        startElection(isTransfer: true, now: now, into: &effects)
    }

    // MARK: Preference

    /// Whether a preferred voter is there, so that followers should find out whom it reaches.
    func wantsSurvey(now: Instant) -> Bool { electorate.all.contains { isPreferred($0, at: now) } }

    private func isPreferred(_ slot: Int, at now: Instant) -> Bool {
        config.priority(of: members[slot].replica) > config.priority(of: replica) && reaches(slot, at: now)
    }

    private func reaches(_ slot: Int, at now: Instant) -> Bool {
        members[slot].wasHeard(within: config.electionTimeout, at: now)
    }

    /// Hands over to the most preferred voter that has been ready for long enough.
    mutating func considerTransfer(now: Instant, into effects: inout [RaftEffect]) {
        guard transfer == nil, !configuration.isJoint else { return }
        var best: Int?
        for slot in electorate.all where slot != ownSlot {
            guard isEligible(slot, at: now) else {
                members[slot].eligibleSince = nil
                continue
            }
            let since = members[slot].eligibleSince ?? now
            members[slot].eligibleSince = since
            guard now - since >= config.transferStability else { continue }
            if let current = best, priority(at: slot) <= priority(at: current) { continue }
            best = slot
        }
        guard let best, transferNotBefore <= now, hasCommittedInTerm else { return }
        startTransfer(to: members[best].replica, now: now, into: &effects)
    }

    private func priority(at slot: Int) -> Int { config.priority(of: members[slot].replica) }

    /// Keeps up with the log, and directly hears and is heard by every voter that this leader hears directly: a
    /// better-ranked leader that reaches fewer voters would be a worse one.
    private func isEligible(_ candidate: Int, at now: Instant) -> Bool {
        guard isPreferred(candidate, at: now), members[candidate].match >= commitTwoRoundsAgo else { return false }
        return electorate.all.allSatisfy { other in
            if other == ownSlot || other == candidate { return true }
            guard reaches(other, at: now), !members[other].isRelayed else { return true }
            return members[candidate].heard.contains(members[other].replica)
                && members[other].heard.contains(members[candidate].replica)
        }
    }
}
