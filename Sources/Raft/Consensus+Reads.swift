import Primitives

// Linearizable reads on any replica (thesis §6.4).

extension Consensus {
    /// Asks for a moment after now at which this replica's applied state is current. Answered by `.readReady` with the
    /// same id, after the `.apply` it depends on, or by `.readFailed`.
    package mutating func requestRead(id: UInt64, now: Instant, into effects: inout [RaftEffect]) {
        if role == .leader && planted(.readWithoutRound) || leader != nil && planted(.readAtFollower) {
            effects.append(.readReady(id: id, index: commitIndex))
        } else if role == .leader, leaderReads.count < config.maxPendingReads {
            leaderReads.add(LeaderReads.Read(origin: nil, id: id))
            openReadRoundIfWanted(now: now, into: &effects)
        } else if role != .leader, leader != nil, followerReads.count < config.maxPendingReads {
            followerReads.add(id)
            askForReads(now: now, into: &effects)
        } else {
            effects.append(.readFailed(id: id))
        }
        finish(now: now, into: &effects)
    }

    // MARK: Leader

    mutating func handleReadRequest(
        _ request: RaftMessage.ReadRequest, from slot: Int, now: Instant, into effects: inout [RaftEffect]
    ) {
        // Only the leader that the follower means may answer; a silent one makes it time out and ask elsewhere.
        guard role == .leader, request.term == term, leaderReads.count < config.maxPendingReads else { return }
        leaderReads.add(LeaderReads.Read(origin: members[slot].replica, id: request.ticket))
        if planted(.followerReadWithoutRound) {
            leaderReads.attach(to: 0, index: commitIndex)
            releaseReads(through: 0, into: &effects)
        }
        openReadRoundIfWanted(now: now, into: &effects)
    }

    /// Before this term's first commit the commit index may lag what earlier leaders committed: reads are held.
    mutating func openReadRoundIfWanted(now: Instant, into effects: inout [RaftEffect]) {
        guard role == .leader, leaderReads.wantsRound, hasCommittedInTerm else { return }
        beat(now: now, into: &effects)
    }

    mutating func releaseReads(through round: UInt64, into effects: inout [RaftEffect]) {
        let term = term
        leaderReads.confirm(through: round) { read, index in
            if let origin = read.origin {
                let answer = RaftMessage.ReadReply(term: term, ticket: read.id, index: index)
                effects.append(.send(.readReply(answer), to: origin))
            } else {
                effects.append(.readReady(id: read.id, index: index))
            }
        }
    }

    // MARK: Follower

    mutating func askForReads(now: Instant, into effects: inout [RaftEffect]) {
        guard followerReads.wantsTicket, let leader else { return }
        let request = RaftMessage.ReadRequest(term: term, ticket: followerReads.openTicket(at: now))
        effects.append(.send(.readRequest(request), to: leader))
    }

    /// Requests or their answers may have been lost: ask again, and give up in time.
    mutating func retryReads(now: Instant, into effects: inout [RaftEffect]) {
        guard followerReads.count > 0 else { return }
        for id in followerReads.takeExpired(after: config.readTimeout, at: now) {
            effects.append(.readFailed(id: id))
        }
        guard let leader else { return }
        for ticket in followerReads.takeRetries(after: config.heartbeatInterval, at: now) {
            effects.append(.send(.readRequest(RaftMessage.ReadRequest(term: term, ticket: ticket)), to: leader))
        }
        askForReads(now: now, into: &effects)
    }

    var nextReadDeadline: Instant? {
        followerReads.count > 0 ? followerReads.nextRetry(after: config.heartbeatInterval) : nil
    }
}
