import Authority
import Primitives
import Raft
import SecureChannel

// What callers ask of the mesh: commands and linearizable reads, from arrival to answer.
//
//   submit ─▶ ProposalTable ─┬─ leader here ──▶ Consensus.propose ─┐
//                            └─ leader there ─▶ PeerMessage.forward ┴─▶ … committed … ─▶ apply ─▶ answer
//
// The answer is given when this node has applied the command, so that the caller reads its own write here at once.
extension NodeBrain {
    mutating func submit(
        _ command: AuthorityCommand, for request: RequestID?, now: Instant, into effects: inout [NodeEffect]
    ) {
        if let refusal = haltReason != nil ? CoreRefusal.stopping : proposals.isFull ? .overloaded : nil {
            if let request { effects.append(.answer(request, .refused(refusal))) }
            return
        }
        enqueue(command, for: request, refuseAt: now + timing.holdLimit, abandonAt: now + timing.outcomeLimit)
    }

    private mutating func enqueue(
        _ command: AuthorityCommand, for request: RequestID?, refuseAt: Instant, abandonAt: Instant
    ) {
        let origin = origin ?? CommandOrigin(client: random.next(), bornAt: authority.appliedIndex)
        self.origin = origin
        let sequence = proposals.takeSequence()
        let envelope = CommandEnvelope(
            client: origin.client, bornAt: origin.bornAt, sequence: sequence,
            lowestUnacknowledged: proposals.lowestSequence(of: origin.client) ?? sequence, command: command)
        let needsWord = command.needsCoreWord && authority.featureLevel >= .coreWords
        proposals.add(
            ProposalTable.Proposal(
                request: request, client: origin.client, sequence: sequence, command: command,
                envelope: needsWord ? addWord(to: envelope.encode()) : envelope.encode(), hasWord: needsWord,
                refuseAt: refuseAt, abandonAt: abandonAt))
    }

    /// This node's, whatever its class: an edge node's is refused by everybody who applies it.
    private func addWord(to envelope: [UInt8]) -> [UInt8] {
        CoreWord.append(to: envelope, cluster: roster.cluster, signer: me, sign: signatures.sign)
    }

    mutating func readBarrier(_ request: RequestID, now: Instant, into effects: inout [NodeEffect]) {
        guard haltReason == nil else { return effects.append(.answer(request, .refused(.stopping))) }
        guard !reads.isFull else { return effects.append(.answer(request, .refused(.overloaded))) }
        reads.add(
            ReadTable.Read(request: request, round: 0, index: nil, askAgainAt: now, refuseAt: now + timing.holdLimit))
    }

    /// Moves every waiting request one step: send, repeat, answer or give up.
    mutating func advanceRequests(now: Instant, into effects: inout [NodeEffect]) {
        guard haltReason == nil else { return }
        defer { consensus.settle(now: now, into: &raftEffects) }
        let isIdle = proposals.isEmpty && reads.isEmpty && removals.isEmpty && consensus.role != .leader
        guard !isIdle else { return }
        consensus.gather()
        if consensus.role == .leader {
            runDuties(now: now, into: &effects)
            tendMembership(now: now)
            tendSecrets(now: now, into: &effects)
        }
        if !proposals.isEmpty { advanceProposals(now: now, into: &effects) }
        if !reads.isEmpty { advanceReads(now: now, into: &effects) }
        if !removals.isEmpty { advanceRemovals(now: now, into: &effects) }
    }

    private mutating func advanceProposals(now: Instant, into effects: inout [NodeEffect]) {
        // First those that waited too long: another attempt now would make an honest "nothing was appended" a guess.
        for expired in proposals.takeExpired(at: now) {
            guard let request = expired.request else { continue }
            effects.append(
                .answer(
                    request,
                    .refused(expired.isResolved || planted(.unknownCalledRefused) ? .noQuorum : .outcomeUnknown)))
        }
        dispatchProposals(now: now)
    }

    private mutating func advanceReads(now: Instant, into effects: inout [NodeEffect]) {
        if let round = reads.takeOverdue(at: now, askAgainAfter: timing.retryInterval) {
            consensus.requestRead(id: round, now: now, into: &raftEffects)
        }
        for read in reads.takeReady(applied: authority.appliedIndex) {
            effects.append(.answer(read.request, .readable(authority.appliedIndex)))
        }
        for expired in reads.takeExpired(at: now) {
            effects.append(.answer(expired.request, .refused(.noQuorum)))
        }
    }

    private mutating func dispatchProposals(now: Instant) {
        proposals.noteUnanswered(at: now)
        guard !proposals.isEmpty, let leader = reachableLeader(at: now) else { return }
        if consensus.role == .leader { propose(to: leader, now: now) } else { forward(to: leader, now: now) }
    }

    private mutating func propose(to leader: ReplicaID, now: Instant) {
        let term = consensus.term
        for position in proposals.proposals.indices {
            if let sent = proposals.proposals[position].sentTo, sent == (leader, term) { continue }
            let envelope = proposals.proposals[position].envelope
            guard case .success = consensus.propose(envelope, now: now, into: &raftEffects) else { return }
            proposals.markSent(position, to: leader, in: term, resendAt: .distantFuture)
        }
    }

    private mutating func forward(to leader: ReplicaID, now: Instant) {
        let term = consensus.term
        guard proposals.mayForward(to: leader, in: term) else { return }
        var forwarded: [PeerMessage.Forwarded] = []
        var last: UInt64?
        for position in proposals.proposals.indices {
            if let sent = proposals.proposals[position].sentTo, sent == (leader, term) { continue }
            guard proposals.proposals[position].mayBeSent(to: leader, in: term, at: now) else { continue }
            let attempt = proposals.markSent(position, to: leader, in: term, resendAt: now + timing.retryInterval)
            let proposal = proposals.proposals[position]
            forwarded.append(PeerMessage.Forwarded(attempt: attempt, envelope: proposal.envelope))
            last = proposal.sequence
        }
        if let last { proposals.noteForwarded(through: last) }
        forward(forwarded, to: leader, now: now)
    }

    /// Envelopes of one message that must fit a datagram sealed twice.
    private static let relayedForwardBytes = 512

    /// Everything that goes to the leader at once shares a message, as far as one may hold it.
    private mutating func forward(_ forwarded: [PeerMessage.Forwarded], to leader: ReplicaID, now: Instant) {
        guard !forwarded.isEmpty, let node = replicas.node(of: leader) else { return }
        let bytesMax = isSilent(node, at: now) ? Self.relayedForwardBytes : RaftMessage.payloadBytesMax
        var rest = forwarded[...]
        while let first = rest.first {
            var bytes = first.envelope.count
            let count =
                rest.prefix(PeerMessage.forwardCountMax).dropFirst().prefix {
                    bytes += $0.envelope.count
                    return bytes <= bytesMax
                }.count + 1
            outbox.append((.node, PeerMessage.forward(Array(rest.prefix(count))).encode(), node))
            rest = rest.dropFirst(count)
        }
    }

    /// The leader, as long as it was heard within E. A replica without a vote remembers its leader for ever: what it
    /// sent there meanwhile would have to be answered with "outcome unknown".
    private func reachableLeader(at now: Instant) -> ReplicaID? {
        if consensus.role == .leader { return consensus.leader }
        guard let heardAt = consensus.leaderHeardAt, now < heardAt + timing.electionTimeout else { return nil }
        return consensus.leader
    }

    mutating func apply(_ entries: [Entry], now: Instant, into effects: inout [NodeEffect]) {
        for entry in entries {
            switch entry.kind {
            case .command: break
            case .noop:
                authority.noteApplied(entry.index)
                continue
            case .configuration:
                applyConfiguration(entry, into: &effects)
                if haltReason != nil { return }  // what follows may mean what this program does not know
                continue
            }
            let applied = authority.apply(
                entry.payload, at: entry.index, time: entry.time, origin: meshOrigin)
            effects.append(.event(.applied(entry.index, applied.reply)))
            guard let proposal = proposals.remove(client: applied.client, sequence: applied.sequence) else { continue }
            let isTooNew = applied.reply == .refused(.unsigned) && proposal.command.needsCoreWord && !proposal.hasWord
            if applied.reply == .refused(.clientExpired) || isTooNew {
                // It was not run, and never will be under this id: ask again as someone new. The same for one that was on
                // its way when the mesh came to ask for a word.
                if origin?.client == applied.client, !isTooNew { origin = nil }
                enqueue(
                    proposal.command, for: proposal.request, refuseAt: proposal.refuseAt,
                    abandonAt: proposal.abandonAt)
            } else if let request = proposal.request {
                effects.append(.answer(request, .committed(applied.reply, at: entry.index)))
            }
        }
        viewVersion += 1
        followKeys(now: now, into: &effects)
    }
}

/// Whose commands these are, to the exactly-once table.
struct CommandOrigin: Hashable, Sendable {
    let client: UInt64
    /// What this node had applied when it drew the id.
    let bornAt: LogIndex
}

extension ProposalTable {
    /// More open attempts than this are forgotten, oldest first; the outcome then stays unknown.
    private static let openAttemptsMax = 16

    /// Records that the proposal was handed to a leader, and returns the attempt's number.
    @discardableResult
    mutating func markSent(
        _ position: Int, to leader: ReplicaID, in term: Term, resendAt: Instant
    ) -> UInt64 {
        let attempt = takeAttempt()
        update(at: position) {
            if $0.openAttempts.count == ProposalTable.openAttemptsMax {
                $0.openAttempts.removeFirst()
                $0.hasForgottenAttempt = true
            }
            $0.openAttempts.append(Attempt(number: attempt, leader: leader))
            $0.sentTo = (leader, term)
            $0.resendAt = resendAt
        }
        return attempt
    }
}
