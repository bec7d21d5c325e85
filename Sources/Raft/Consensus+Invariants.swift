import Primitives

extension Consensus {
    /// Traps if the state contradicts itself. Tests and the simulator call it after every step.
    package func checkInvariants() {
        durability.checkInvariants(lastIndex: log.lastIndex)
        precondition(
            appliedIndex == commitIndex && commitIndex <= log.lastIndex && log.base.index <= appliedIndex,
            "base \(log.base), applied \(appliedIndex), commit \(commitIndex), last \(log.lastIndex) are out of order")
        precondition(log.lastTerm <= term, "log ends in term \(log.lastTerm) beyond \(term)")
        precondition(
            matchedIndex <= log.lastIndex, "matched \(matchedIndex) is beyond last index \(log.lastIndex)")
        precondition((leader == replica) == (role == .leader), "\(role) names \(String(describing: leader))")
        switch role {
        case .follower:
            break
        case .preCandidate, .candidate:
            precondition(leader == nil && mayCampaign, "\(role) with leader \(String(describing: leader))")
            precondition(role == .preCandidate || hardState.votedFor == replica, "candidate without its own vote")
        case .leader:
            checkLeaderInvariants()
        }
        checkConfigurationInvariants()
        precondition(
            nextDeadline == earliestDeadline, "next deadline \(nextDeadline) should be \(earliestDeadline)")
        precondition(role == .leader || transfer == nil, "\(role) hands over a leadership that it lacks")
        precondition(role == .leader || leaderReads.count == 0, "\(role) holds reads of a leader")
    }

    private func checkConfigurationInvariants() {
        let current = history.current
        precondition(configuration == current.configuration, "another configuration than the log's is in force")
        precondition(
            current.index <= log.lastIndex, "configuration at \(current.index) is beyond \(log.lastIndex)")
        for statement in history.statements.dropFirst() {
            precondition(
                log[statement.index].kind == .configuration, "entry \(statement.index) is no configuration")
        }
        precondition(
            members.map(\.replica) == configuration.members, "members \(members) do not match \(configuration)")
        precondition(ownSlot == slot(of: replica), "own slot \(String(describing: ownSlot))")
    }

    private func checkLeaderInvariants() {
        let uncommitted = history.statements.count { $0.index > commitIndex && log.term(at: $0.index) == term }
        precondition(uncommitted <= 1, "\(uncommitted) changes are under way in term \(term)")
        precondition(hardState.votedFor == replica, "leader of \(term) voted for another")
        let confirmed = rounds.confirmedSentAt ?? electedAt
        precondition(confirmed >= electedAt, "counts a round of \(confirmed), before it was elected at \(electedAt)")
        var bytes = 0
        for entry in log.entries(after: commitIndex, through: log.lastIndex) { bytes += size(of: entry) }
        precondition(bytes == uncommittedBytes, "uncommitted bytes \(uncommittedBytes) are really \(bytes)")
        for (slot, progress) in members.enumerated() {
            precondition(
                progress.match < progress.next && progress.match <= log.lastIndex,
                "match \(progress.match), next \(progress.next) of \(progress.replica), last \(log.lastIndex)")
            precondition(
                progress.snapshot == nil || progress.mode == .snapshotting, "\(progress.replica) is sent two things")
            precondition(
                progress.inFlight.count <= config.maxAppendsInFlight,
                "\(progress.inFlight.count) appends in flight to \(progress.replica)")
            precondition(
                progress.promisedRound <= progress.answeredRound && progress.answeredRound <= rounds.last
                    && progress.matchedDuringRound <= rounds.last, "\(progress.replica) answered the future")
            precondition(
                slot != ownSlot || progress.match <= durability.durableIndex,
                "own match \(progress.match) is beyond durable \(durability.durableIndex)")
        }
    }
}
