import Primitives

// Snapshots (Raft §7): taking them so that the log stays short, and sending them to followers that need what is gone.
//
//     leader                                             follower
//       | next entry is gone: take, or re-use, a snapshot
//       | piece at 0 ------------------------------------> | gathers in memory
//       | <---------------------------------------- next k | ... as often as needed, one piece at a time
//       | piece at the end ------------------------------> | whole: checksum, then the runtime proves that it decodes
//       | <------------------------------------ next total | slices go to disk, then its name (SnapshotStep)
//       | is it installed? ------------------------------> | published: the log fits it, state replaced
//       | <-------------------------------------- installed | when all that is durable
//       | entries after it ------------------------------> |
//
// Heartbeats go on all the while. A lost piece or answer is repeated after `appendRetryInterval`; a new leader with the
// same snapshot goes on where the last one stopped. What the leader sends it keeps, with the entries after it, until the
// follower has it or has accepted nothing for `snapshotStallLimit`.

/// What a replica keeps for snapshots besides what `Durability` and `Progress` hold.
struct SnapshotDesk: Sendable {
    /// The last one taken, kept while some follower waits for one or is being sent one.
    var taken: Snapshot?
    /// From a leader, not yet installed.
    var incoming: IncomingSnapshot?
    /// `.takeSnapshot` was emitted and not answered.
    var isAsked = false
    /// What was applied when the last snapshot was asked for, and how much has been since.
    var askedAt: LogIndex
    var appliedBytes = 0
    /// Size of the last one.
    var lastBytes = 0
    /// What lies at or before this has been compacted as far as it may be.
    var compactedBefore = LogIndex.zero
}

extension Consensus {
    // MARK: Taking

    /// What a snapshot of the state as of `index` stands for. The index must be applied and no older than the log.
    package func snapshotMetadata(at index: LogIndex) -> SnapshotMetadata {
        guard index <= appliedIndex, let term = log.term(at: index) else {
            preconditionFailure("no snapshot at \(index): applied \(appliedIndex), log after \(log.base)")
        }
        return SnapshotMetadata(
            position: LogPosition(index: index, term: term), time: log.time(at: index),
            configuration: configuration(at: index))
    }

    /// The newest snapshot that is on disk.
    package var snapshotPosition: LogPosition { durability.durableSnapshot }

    /// Answers `.takeSnapshot`. What it covers must have been applied here.
    package mutating func handleSnapshotTaken(_ snapshot: Snapshot, now: Instant, into effects: inout [RaftEffect]) {
        precondition(
            snapshot.position.index <= appliedIndex,
            "a snapshot of \(snapshot.position) is beyond applied \(appliedIndex)")
        snapshots.isAsked = false
        snapshots.lastBytes = snapshot.bytes.count
        if snapshot.position.index > durability.durableSnapshot.index {
            durability.begin(snapshot, isReceived: false, sliceBytes: config.snapshotChunkBytes)
        }
        if role == .leader, members.contains(where: { $0.mode == .snapshotting }) {
            snapshots.taken = snapshot
            for slot in members.indices {
                guard members[slot].mode == .snapshotting else { continue }
                sendSnapshot(to: slot, now: now, into: &effects)
            }
        }
        finish(now: now, into: &effects)
    }

    /// Counts what was applied, and asks for a snapshot when it is time.
    mutating func noteApplied(_ entries: [Entry], into effects: inout [RaftEffect]) {
        for entry in entries { snapshots.appliedBytes += size(of: entry) }
        guard durability.snapshot == nil, snapshots.appliedBytes >= snapshots.lastBytes,
            appliedIndex - snapshots.askedAt >= config.snapshotAfterEntries
                || snapshots.appliedBytes >= config.snapshotAfterBytes
        else { return }
        askForSnapshot(into: &effects)
    }

    private mutating func askForSnapshot(into effects: inout [RaftEffect]) {
        guard !snapshots.isAsked else { return }
        snapshots.isAsked = true
        snapshots.askedAt = appliedIndex
        snapshots.appliedBytes = 0
        effects.append(.takeSnapshot)
    }

    // MARK: Leader

    /// The entries that the member needs are gone: sends it a snapshot, as soon as there is one and it is there.
    mutating func sendSnapshot(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        members[slot].beginSnapshotting()
        guard members[slot].snapshot == nil, members[slot].wasHeard(within: config.electionTimeout, at: now) else {
            return
        }
        guard let taken = snapshots.taken, taken.position.index >= log.base.index else {
            return askForSnapshot(into: &effects)
        }
        members[slot].snapshot = SnapshotTransfer(taken, now: now)
        sendChunk(to: slot, now: now, into: &effects)
    }

    private mutating func sendChunk(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        let term = term
        let chunk = members[slot].snapshot?.makeChunk(term: term, bytes: config.snapshotChunkBytes, now: now)
        if let chunk { effects.append(.send(.snapshot(chunk), to: members[slot].replica)) }
    }

    /// Takes a piece that was not answered in time for lost, and gives up on who accepts nothing.
    mutating func retrySnapshot(to slot: Int, now: Instant, into effects: inout [RaftEffect]) {
        guard members[slot].mode == .snapshotting else { return }
        guard let transfer = members[slot].snapshot else {
            sendSnapshot(to: slot, now: now, into: &effects)
            return
        }
        if now - transfer.progressAt >= config.snapshotStallLimit {
            members[slot].snapshot = nil
            releaseSnapshot()
        } else if now - transfer.sentAt >= config.appendRetryInterval {
            sendChunk(to: slot, now: now, into: &effects)
        }
    }

    mutating func handleSnapshotReply(
        _ reply: RaftMessage.SnapshotReply, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        if reply.term > term {
            stepDown(to: reply.term, now: now, into: &effects)
            return
        }
        guard role == .leader, reply.term == term, members[slot].snapshot?.snapshot.position == reply.position else {
            return
        }
        switch reply.outcome {
        case .next(let offset):
            if members[slot].snapshot?.note(next: offset, now: now) == true {
                sendChunk(to: slot, now: now, into: &effects)
            }
        case .installed:
            members[slot].endSnapshotting(through: reply.position.index, round: rounds.last, at: now)
            releaseSnapshot()
            replicate(to: slot, now: now, into: &effects)
        }
    }

    /// Lets go of what nobody needs any more: the taken snapshot, and the entries kept for those it is sent to.
    mutating func releaseSnapshot() {
        if !members.contains(where: { $0.mode == .snapshotting }) { snapshots.taken = nil }
        compactLog()
    }

    /// Leads no longer: whoever does sends its own.
    mutating func abandonSnapshots() {
        snapshots.taken = nil
        for slot in members.indices { members[slot].snapshot = nil }
    }

    /// Shortens the log in memory to what followers may still want. Never beyond what is in a durable snapshot, nor
    /// what is not yet in the log on disk, nor what follows a snapshot that is being sent.
    mutating func compactLog() {
        let end = min(durability.durableSnapshot.index, durability.durableIndex)
        guard end > snapshots.compactedBefore else { return }
        let wanted = log.compactionPoint(before: end, keepingEntries: config.keptEntries, bytes: config.keptBytes)
        let point = members.compactMap { $0.snapshot?.snapshot.position.index }.reduce(wanted, min)
        if point == wanted { snapshots.compactedBefore = end }
        log.compact(through: point)
        history.compact(through: point)
    }

    // MARK: Follower

    mutating func handleSnapshotChunk(
        _ chunk: RaftMessage.SnapshotChunk, from sender: ReplicaID, now: Instant, into effects: inout [RaftEffect]
    ) {
        let position = chunk.metadata.position
        guard follow(sender, term: chunk.term, now: now, into: &effects) else {
            answer(position, .next(0), to: sender, into: &effects)
            return
        }
        if isCovered(position) {
            answer(position, .installed, to: sender, into: &effects)
            return
        }
        if position.index <= commitIndex || (snapshots.incoming?.id == chunk.id && snapshots.incoming?.isWhole == true)
        {
            // It is on its way to disk; the answer follows.
            answer(position, .next(chunk.total), to: sender, into: &effects)
            return
        }
        if snapshots.incoming?.id != chunk.id {
            guard chunk.offset == 0 else {
                answer(position, .next(0), to: sender, into: &effects)
                return
            }
            snapshots.incoming = IncomingSnapshot(chunk)
        }
        snapshots.incoming?.add(chunk)
        answer(position, .next(gatherSnapshot(into: &effects)), to: sender, into: &effects)
    }

    /// Returns how many bytes of it are here.
    private mutating func gatherSnapshot(into effects: inout [RaftEffect]) -> Int {
        guard let incoming = snapshots.incoming else { return 0 }
        guard let snapshot = incoming.whole else { return incoming.count }
        guard snapshot.id == incoming.id else {
            snapshots.incoming = nil
            return 0
        }
        snapshots.incoming?.releaseBytes()
        effects.append(.checkSnapshot(snapshot))
        return snapshot.bytes.count
    }

    /// Answers `.checkSnapshot`. One that is not usable is forgotten; the leader will send it, or another, again.
    package mutating func handleSnapshotChecked(
        _ snapshot: Snapshot, isUsable: Bool, now: Instant, into effects: inout [RaftEffect]
    ) {
        guard snapshots.incoming?.id == snapshot.id else { return }
        if isUsable {
            durability.begin(snapshot, isReceived: true, sliceBytes: config.snapshotChunkBytes)
        } else {
            snapshots.incoming = nil
        }
        finish(now: now, into: &effects)
    }

    /// Of the leader's snapshot that is being written, to be installed then.
    package var receivedPosition: LogPosition? {
        durability.snapshot.flatMap { $0.isReceived ? $0.snapshot.position : nil }
    }

    /// Every slice is on disk: makes log and state fit the snapshot, and publishes it with the next write. Entries after
    /// it stay if the log agrees with it (figure 13, rule 6).
    mutating func publishSnapshotIfWritten(now: Instant, into effects: inout [RaftEffect]) {
        // Asked first what costs nothing: this ends every input.
        guard durability.snapshot != nil, let writing = durability.publishable else { return }
        let metadata = writing.snapshot.metadata
        guard writing.isReceived, metadata.position.index > commitIndex else {
            return durability.publish(voidsLog: false, committed: commitIndex)
        }
        // Elected meanwhile: then the log reaches as far as any snapshot, and goes its own way.
        guard role != .leader else { return durability.abandonSnapshot() }
        let isHeld = log.term(at: metadata.position.index) == metadata.position.term || planted(.snapshotKeepsOldLog)
        durability.publish(voidsLog: !isHeld, committed: commitIndex)
        // Before the configurations: what one means is asked of the commit index.
        commitIndex = metadata.position.index
        appliedIndex = metadata.position.index
        if !isHeld {
            log.restart(after: metadata.position, time: metadata.time)
            if !planted(.snapshotForgetsVoters) { restartConfigurations(at: metadata, now: now) }
        }
        matchedIndex = max(matchedIndex, metadata.position.index)
        snapshots.askedAt = appliedIndex
        snapshots.appliedBytes = 0
        settleDoubtIfCovered(by: metadata.position)
        effects.append(.install(metadata))
    }

    /// After each write: the log may be shorter now, and the leader may hear that its snapshot is installed.
    mutating func noteSnapshotProgress(into effects: inout [RaftEffect]) {
        if durability.durableSnapshot.index > log.base.index { compactLog() }
        guard let incoming = snapshots.incoming, isCovered(incoming.metadata.position) else { return }
        snapshots.incoming = nil
        guard role == .follower, let leader else { return }
        answer(incoming.metadata.position, .installed, to: leader, into: &effects)
    }

    /// Whether state and log reach this committed position, durably.
    private func isCovered(_ position: LogPosition) -> Bool {
        position.index <= commitIndex
            && (position.index <= max(durability.durableIndex, durability.durableSnapshot.index)
                || planted(.installedBeforeDurable))
    }

    private mutating func answer(
        _ position: LogPosition, _ outcome: RaftMessage.SnapshotReply.Outcome, to receiver: ReplicaID,
        into effects: inout [RaftEffect]
    ) {
        let answer = RaftMessage.SnapshotReply(term: term, position: position, outcome: outcome)
        reply(.snapshotReply(answer), to: receiver, into: &effects)
    }
}
