import Primitives

/// Linearizable reads that wait: first for consensus to name an index, then for this node to have applied it.
struct ReadTable: Sendable {
    struct Read: Sendable {
        let request: RequestID
        /// The newest consensus read that was asked for it. Rounds are never reused: an answer to an abandoned one
        /// matches nothing.
        var round: UInt64
        var index: LogIndex?
        var askAgainAt: Instant
        let refuseAt: Instant
    }

    static let limit = 4096

    private(set) var reads: [Read] = []
    private var nextRound: UInt64 = 1

    var isFull: Bool { reads.count >= Self.limit }
    var isEmpty: Bool { reads.isEmpty }

    private mutating func takeRound() -> UInt64 {
        defer { nextRound += 1 }
        return nextRound
    }

    mutating func add(_ read: Read) { reads.append(read) }

    mutating func remove(_ request: RequestID) { reads.removeAll { $0.request == request } }

    /// Consensus named the index for a round.
    mutating func resolve(round: UInt64, index: LogIndex) {
        for position in reads.indices where reads[position].round == round { reads[position].index = index }
    }

    /// Consensus could not confirm a round: ask again soon.
    mutating func fail(round: UInt64, askAgainAt: Instant) {
        for position in reads.indices where reads[position].round == round && reads[position].index == nil {
            reads[position].askAgainAt = min(reads[position].askAgainAt, askAgainAt)
        }
    }

    /// Puts all reads whose answer is overdue, the new ones among them, under one fresh round, which is to be asked for;
    /// nil where there are none.
    mutating func takeOverdue(at now: Instant, askAgainAfter interval: Duration) -> UInt64? {
        var round: UInt64?
        for position in reads.indices where reads[position].index == nil && reads[position].askAgainAt <= now {
            let shared = round ?? takeRound()
            round = shared
            reads[position].round = shared
            reads[position].askAgainAt = now + interval
        }
        return round
    }

    mutating func takeReady(applied: LogIndex) -> [Read] {
        let ready = reads.filter { $0.index.map { $0 <= applied } ?? false }
        if !ready.isEmpty { reads.removeAll { $0.index.map { $0 <= applied } ?? false } }
        return ready
    }

    mutating func takeExpired(at now: Instant) -> [Read] {
        let expired = reads.filter { now >= $0.refuseAt }
        if !expired.isEmpty { reads.removeAll { now >= $0.refuseAt } }
        return expired
    }

    mutating func takeAll() -> [Read] {
        defer { reads = [] }
        return reads
    }

    var nextDeadline: Instant {
        reads.reduce(.distantFuture) { min($0, $1.index == nil ? min($1.askAgainAt, $1.refuseAt) : $1.refuseAt) }
    }
}
