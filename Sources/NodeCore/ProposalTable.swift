import Authority
import Primitives

/// Commands of this node that wait for their outcome, in the order they were submitted.
///
/// A command may be sent to several leaders, or to one again; its envelope makes that harmless (exactly once, Ongaro's
/// thesis §6.3). What the table keeps honest is the refusal: as long as some attempt may have been appended, the outcome
/// is unknown; only when every attempt was refused may the client be told that nothing happened.
struct ProposalTable: Sendable {
    struct Proposal: Sendable {
        /// nil for the node's own duties: nobody waits.
        let request: RequestID?
        let client: UInt64
        let sequence: UInt64
        let command: AuthorityCommand
        /// With this node's word behind it, where the mesh asked for one when it was made.
        let envelope: [UInt8]
        let hasWord: Bool
        /// Give up then, if no attempt may have been appended.
        let refuseAt: Instant
        /// Give up then in any case.
        let abandonAt: Instant
        /// Attempts that were sent and not refused.
        var openAttempts: [Attempt] = []
        var hasForgottenAttempt = false
        /// Where the newest attempt went, so that it is not repeated needlessly.
        var sentTo: (leader: ReplicaID, term: Term)?
        var resendAt: Instant = .distantFuture
        /// After a refusal: not to the same leader before this, so that two nodes that disagree on who leads do not ask
        /// each other in a circle.
        var resendNotBefore: Instant = .zero
        var refusedBy: (leader: ReplicaID, term: Term)?

        /// Every attempt was refused, or none was made: nothing was appended.
        var isResolved: Bool { openAttempts.isEmpty && !hasForgottenAttempt }

        /// A leader that has not refused it may be asked at once: a hand-over costs its writers no pause.
        func mayBeSent(to leader: ReplicaID, in term: Term, at now: Instant) -> Bool {
            guard let refusedBy, refusedBy == (leader, term) else { return true }
            return now >= resendNotBefore
        }
    }

    struct Attempt: Hashable, Sendable {
        let number: UInt64
        /// Only its refusal counts.
        let leader: ReplicaID
    }

    /// More than this many waiting commands are refused as overload.
    static let limit = 1024
    /// While so many forwarded messages are unanswered, what comes meanwhile goes together (after Nagle, RFC 896): one
    /// more small message would gain nothing.
    static let forwardsOpenMax = 4

    private(set) var proposals: [Proposal] = []
    private var nextSequence: UInt64 = 1
    private var nextAttempt: UInt64 = 1
    /// The last sequence in each message to this leader that may still be under way.
    private var forwards: [UInt64] = []
    private var forwardsTo: (leader: ReplicaID, term: Term)?

    var isFull: Bool { proposals.count >= Self.limit }
    var isEmpty: Bool { proposals.isEmpty }

    /// The oldest command of this origin that still waits: replies to earlier ones are not needed any more.
    func lowestSequence(of client: UInt64) -> UInt64? {
        proposals.first { $0.client == client }?.sequence
    }

    mutating func takeSequence() -> UInt64 {
        defer { nextSequence += 1 }
        return nextSequence
    }

    mutating func takeAttempt() -> UInt64 {
        defer { nextAttempt += 1 }
        return nextAttempt
    }

    mutating func add(_ proposal: Proposal) {
        precondition(proposals.last.map { $0.sequence < proposal.sequence } ?? true, "sequences grow")
        proposals.append(proposal)
    }

    mutating func update(at position: Int, _ body: (inout Proposal) -> Void) {
        body(&proposals[position])
    }

    /// Removes this proposal, if it still waits.
    mutating func remove(client: UInt64, sequence: UInt64) -> Proposal? {
        guard let position = position(of: sequence), proposals[position].client == client else { return nil }
        return proposals.remove(at: position)
    }

    mutating func remove(request: RequestID) {
        proposals.removeAll { $0.request == request && $0.isResolved }
    }

    /// Whether another message may be forwarded there now.
    mutating func mayForward(to leader: ReplicaID, in term: Term) -> Bool {
        if forwardsTo.map({ $0 != (leader, term) }) ?? true {
            forwardsTo = (leader, term)
            forwards.removeAll(keepingCapacity: true)
        }
        let oldest = proposals.first?.sequence ?? .max
        forwards.removeAll { $0 < oldest }
        return forwards.count < Self.forwardsOpenMax
    }

    mutating func noteForwarded(through sequence: UInt64) { forwards.append(sequence) }

    /// Attempts whose answer is overdue are to be repeated, as soon as there is a leader to repeat them to. Without one
    /// there is nothing to wake up for.
    mutating func noteUnanswered(at now: Instant) {
        for position in proposals.indices where proposals[position].resendAt <= now {
            proposals[position].sentTo = nil
            proposals[position].resendAt = .distantFuture
            forwardsTo = nil  // what is under way is taken for lost
        }
    }

    /// The leader that was asked did not append the attempt, and will not; it may be asked again after `retryAt`.
    /// `isFrom` tells whether the refusal came from that replica's node.
    mutating func refuse(attempt number: UInt64, retryAt: Instant, isFrom: (ReplicaID) -> Bool) {
        for position in proposals.indices {
            let attempts = proposals[position].openAttempts
            guard let found = attempts.firstIndex(where: { $0.number == number && isFrom($0.leader) }) else {
                continue
            }
            proposals[position].openAttempts.remove(at: found)
            if planted(.oneRefusalIsAll) { proposals[position].openAttempts.removeAll() }
            proposals[position].refusedBy = proposals[position].sentTo
            proposals[position].sentTo = nil
            proposals[position].resendAt = retryAt
            proposals[position].resendNotBefore = retryAt
            return
        }
    }

    /// Removes and returns every proposal that waited too long.
    mutating func takeExpired(at now: Instant) -> [Proposal] {
        guard proposals.contains(where: { Self.isExpired($0, at: now) }) else { return [] }
        let expired = proposals.filter { Self.isExpired($0, at: now) }
        proposals.removeAll { Self.isExpired($0, at: now) }
        return expired
    }

    mutating func takeAll() -> [Proposal] {
        defer { proposals = [] }
        return proposals
    }

    var nextDeadline: Instant {
        var next = Instant.distantFuture
        for position in proposals.indices {
            let giveUpAt = proposals[position].isResolved ? proposals[position].refuseAt : proposals[position].abandonAt
            next = min(next, giveUpAt, proposals[position].resendAt)
        }
        return next
    }

    private static func isExpired(_ proposal: Proposal, at now: Instant) -> Bool {
        now >= proposal.abandonAt || (proposal.isResolved && now >= proposal.refuseAt)
    }

    private func position(of sequence: UInt64) -> Int? {
        var low = 0
        var high = proposals.count
        while low < high {
            let middle = (low + high) / 2
            if proposals[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < proposals.count && proposals[low].sequence == sequence ? low : nil
    }
}
