import Authority
import NodeCore
import Primitives
import Raft
import SecureChannel

// What nodes say to each other is held against what they said before, by those checkers that go by messages. A frame that
// goes around a broken link was sent directly as well, so only direct ones are looked at; sealed ones tell nothing.
extension World {
    /// Looks at a frame the moment that it leaves.
    mutating func overhear(_ frame: [UInt8], of node: Int) {
        guard frame.count > ClearFrameSealer.headerBytes, frame[0] == FrameKind.raft.rawValue,
            !RaftMessage.isReplication(tag: frame[ClearFrameSealer.headerBytes])
        else { return }
        let payload = Array(frame[ClearFrameSealer.headerBytes...])
        guard let (replica, message) = try? NodeBrain.decodeRaft(payload) else {
            return report("\(nodes[node].name) says something that cannot be read")
        }
        let receiver = Int(frame[ClearFrameSealer.recipientOffset])
        if let found = judge(message, of: replica, from: node, to: receiver) { report(found) }
    }

    private mutating func judge(
        _ message: RaftMessage, of replica: ReplicaID, from node: Int, to receiver: Int
    ) -> String? {
        switch message {
        case .vote(let request): return judge(request, of: replica, from: node)
        case .voteReply(let reply): return judge(reply, of: replica, from: node, to: receiver)
        case .appendReply(let reply): return judge(reply, of: replica, from: node, to: receiver)
        case .heartbeat(let heartbeat):
            rounds.noteSent(heartbeat.round, term: heartbeat.term, at: now, local: localTime(of: node))
            return nil
        case .heartbeatReply(let reply) where reply.round > 0:
            rounds.noteAnswer(reply, of: replica)
            let leader = checkers.leader(of: reply.term)
            return AcknowledgementChecker.judge(receiver: receiver, leader: leader, of: reply.term, from: replica)
                ?? judge(term: reply.term, of: replica, from: node)
                ?? judge(promise: reply.promise, in: reply.term, of: replica, from: node, to: receiver)
        case .snapshotReply(let reply) where reply.outcome == .installed:
            acknowledgements.note(reply.position.index, of: replica, in: reply.term)
            return judge(term: reply.term, of: replica, from: node)
                ?? judge(reply.position, of: replica, from: node)
        case .timeoutNow(let term):
            votes.noteOrder(VoteChecker.Place(term: term, node: receiver))
            nodes[node].forfeitedTerm = term
            return nil
        case .readReply:
            noteProven(by: node)
            return nil
        case .preVote, .preVoteReply, .append, .heartbeatReply, .hello, .tailQuery, .tailReply, .readRequest, .snapshot,
            .snapshotReply, .fetch:
            return nil
        case .fetched(let fetched): return logs.judge(handedOn: fetched, by: replica)
        }
    }

    // MARK: Votes

    private mutating func judge(
        _ request: RaftMessage.VoteRequest, of replica: ReplicaID, from node: Int
    ) -> String? {
        let campaign = VoteChecker.Campaign(candidate: replica, last: request.last, isOrdered: request.isTransfer)
        let before = Term(request.term.value - 1)
        return votes.note(
            campaign, at: VoteChecker.Place(term: request.term, node: node), leaderBefore: checkers.leader(of: before))
            ?? judge(term: request.term, vote: replica, of: replica, from: node)
    }

    private mutating func judge(
        _ reply: RaftMessage.VoteReply, of replica: ReplicaID, from node: Int, to receiver: Int
    ) -> String? {
        guard reply.isGranted else { return judge(term: reply.term, of: replica, from: node) }
        let place = VoteChecker.Place(term: reply.term, node: receiver)
        let isFaulty = nodes[node].isFaulty
        let voter = nodes[node].read { brain in
            VoteChecker.Voter(
                replica: replica, last: brain.consensus.log.lastPosition, doubtfulTail: brain.consensus.doubtfulTail,
                isFaulty: isFaulty && brain.consensus.doubtfulTail != nil)
        }
        guard let voter else { return nil }
        if let found = votes.noteGrant(of: voter, to: place) { return found }
        guard let campaign = votes.campaign(at: place) else { return nil }
        let timeout = nodes[node].read { $0.consensus.electionTimeout } ?? .zero
        if !campaign.isOrdered, let found = rounds.judge(vote: replica, timeout: timeout, at: now) { return found }
        return judge(term: reply.term, vote: campaign.candidate, of: replica, from: node)
    }

    mutating func checkElection(of node: Int) {
        let checker = votes
        let found = nodes[node].read { brain in
            let counted = brain.consensus.beliefs.filter(\.isVoteCounted).map(\.member)
            return checker.judge(
                leader: brain.consensus.replica, term: brain.consensus.term,
                configuration: brain.consensus.configuration, counted: counted)
        }
        if let found = found ?? nil { report(found) }
    }

    /// A node is back.
    mutating func checkMemory(of node: Int) {
        let checker = votes
        let found = nodes[node].read { brain in
            checker.judge(
                recovered: brain.consensus.replica, term: brain.consensus.term, vote: brain.consensus.votedFor)
        }
        if let found = found ?? nil { report(found) }
    }

    // MARK: Copies

    private mutating func judge(
        _ reply: RaftMessage.AppendReply, of replica: ReplicaID, from node: Int, to receiver: Int
    ) -> String? {
        if let found = judge(term: reply.term, of: replica, from: node) { return found }
        guard case .matched(let index) = reply.outcome else { return nil }
        acknowledgements.note(index, of: replica, in: reply.term)
        let leader = checkers.leader(of: reply.term)
        if let found = AcknowledgementChecker.judge(receiver: receiver, leader: leader, of: reply.term, from: replica) {
            return found
        }
        let wasFaulty = nodes[node].isFaulty
        let held = nodes[node].read { brain in
            (
                term: brain.consensus.log.term(at: index), commit: brain.consensus.commitIndex,
                isFaulty: wasFaulty && brain.consensus.doubtfulTail != nil
            )
        }
        guard let held else { return nil }
        if held.isFaulty, index > held.commit {
            return "durability: \(replica) acknowledges \(index), and its disk lost what it acknowledged before"
        }
        guard let term = held.term, durability.wantsLook() else { return nil }
        return judge(LogPosition(index: index, term: term), of: replica, from: node)
    }

    /// What a leader's step committed, and what it makes its lease of.
    mutating func noteCommit(of node: Int) {
        if nodes[node].commitIndex > logs.committedThrough {
            noteCommitted(through: nodes[node].commitIndex, in: nodes[node].term)
        }
        if settings.isOverheard { checkFreshness(of: node) }
        guard isOverheard else { return }
        if let found = nodes[node].changeDuringChange(committed: logs.committedThrough) { report(found) }
        if settings.checksEveryStep { checkBeliefs(of: node) }
        guard let seen = nodes[node].takeNews() else { return }
        let (acknowledgements, rounds) = (acknowledgements, rounds)
        let found = nodes[node].read { brain in
            (seen.hasCommitted ? acknowledgements.judge(commit: brain.consensus) : nil)
                ?? seen.lease.flatMap { rounds.judge(lease: $0, of: brain.consensus) }
        }
        if let found = found ?? nil { report(found) }
    }

    /// What leaders believe.
    mutating func checkBeliefs() {
        guard isOverheard else { return }
        for node in nodes.indices { checkBeliefs(of: node) }
    }

    private mutating func checkBeliefs(of node: Int) {
        guard let term = nodes[node].ledTerm else { return }
        let beliefs = nodes[node].read { $0.consensus.beliefs } ?? []
        let found =
            acknowledgements.judge(beliefs: beliefs, term: term) ?? rounds.judge(beliefs: beliefs, term: term)
        if let found { report(found) }
    }

    // MARK: Reads

    mutating func checkRead(_ answer: NodeAnswer, _ request: RequestID, of node: Int) {
        guard case .readable(let index) = answer else { return reads.forget(request) }
        noteProven(by: node)
        let applied = nodes[node].read { $0.authority.appliedIndex } ?? .zero
        let found = reads.judge(request, answered: index, applied: applied, seesRounds: isOverheard)
        if let found { report("\(found), on \(nodes[node].name)") }
    }

    private mutating func noteProven(by node: Int) {
        guard isOverheard else { return }
        let (rounds, now, before) = (rounds, now, nodes[node].judged)
        let moment: Instant?? = nodes[node].read { brain in
            let term = brain.consensus.role == .leader ? brain.consensus.term : nil
            // In a step that ends its leadership or changes the voters, it is not known by whom it was confirmed.
            if let led = before.term, led != term || before.configuration != brain.consensus.configurationIndex {
                return now
            }
            guard term != nil else { return nil }
            // Nobody else is asked.
            return brain.consensus.configuration.isQuorum([brain.consensus.replica])
                ? now : rounds.proven(by: brain.consensus)
        }
        if let moment = moment ?? nil { reads.noteProven(moment) }
    }

    // MARK: Freshness

    private mutating func checkFreshness(of node: Int) {
        freshness.noteCommitted(through: logs.committedThrough, at: now)
        guard let (claimed, applied) = nodes[node].takeClaim() else { return }
        let moment = nodes[node].clock.world(claimed)
        // The clock ran otherwise then.
        guard moment > nodes[node].clock.changedAt else { return }
        if let found = freshness.judge(claimed: moment, applied: applied) { report("\(found), on \(nodes[node].name)") }
    }

    // MARK: Disks

    /// A disk that lies, or lied, holds nobody to anything.
    private func isDiskTrusted(_ node: Int) -> Bool {
        !nodes[node].disk.isForgetful && nodes[node].disk.trouble?.isLying != true
    }

    private mutating func judge(
        term: Term, vote: ReplicaID? = nil, of replica: ReplicaID, from node: Int
    ) -> String? {
        let isNews = durability.isNews(term, of: replica, life: nodes[node].life)
        guard isNews || vote != nil, isDiskTrusted(node) else { return nil }
        let slots = WriteAheadLog.hardStates(
            on: nodes[node].disk.afterWorstPowerCut(), cluster: Provision.cluster, replica: replica)
        return DurabilityChecker.judge(
            term: term, vote: vote, of: replica, slots: slots, needed: nodes[node].disk.isHarmed ? 1 : 2)
    }

    private mutating func judge(_ position: LogPosition, of replica: ReplicaID, from node: Int) -> String? {
        guard isDiskTrusted(node), !nodes[node].disk.isHarmed else { return nil }
        return DurabilityChecker.judge(position, of: replica, on: recoverWorst(of: node))
    }

    /// Where the leader counts on less, because it has shortened E meanwhile, no more need be kept.
    private mutating func judge(
        promise: Duration, in term: Term, of replica: ReplicaID, from node: Int, to leader: Int
    ) -> String? {
        guard nodes.indices.contains(leader), nodes[leader].ledTerm == term else { return nil }
        let counted = min(promise, nodes[leader].read { $0.consensus.leasePromise } ?? .zero)
        guard durability.isNews(promise: counted, of: replica, life: nodes[node].life), counted > .zero,
            isDiskTrusted(node), !nodes[node].disk.isHarmed
        else { return nil }
        return DurabilityChecker.judge(
            promise: counted, of: replica, on: recoverWorst(of: node), genesis: settings.electionTimeout)
    }

    private func recoverWorst(of node: Int) -> WALRecovery? {
        try? WriteAheadLog.recover(
            from: nodes[node].disk.afterWorstPowerCut(), cluster: Provision.cluster, replica: nodes[node].replica,
            geometry: Self.geometry)
    }
}
