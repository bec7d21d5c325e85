import Primitives

/// The leader's side of linearizable reads without writing (thesis §6.4): note the commit index, ask a round that is
/// sent afterwards, answer when a quorum has answered it. Many reads share one round.
struct LeaderReads: Sendable {
    /// Read rounds that may be open at once; reads that come meanwhile share the next.
    static let batchMax = 2

    struct Read: Sendable {
        /// The follower that asked, or nil for this replica.
        let origin: ReplicaID?
        /// This replica's read id, or the follower's ticket.
        let id: UInt64
    }

    private struct Batch: Sendable {
        let round: UInt64
        let index: LogIndex
        let reads: [Read]
    }

    private var waiting: [Read] = []
    private var batches: [Batch] = []
    private(set) var count = 0

    var wantsRound: Bool { !waiting.isEmpty && batches.count < Self.batchMax }

    mutating func add(_ read: Read) {
        waiting.append(read)
        count += 1
    }

    /// `round` is about to be sent and the commit index is `index`: every waiting read can use it.
    mutating func attach(to round: UInt64, index: LogIndex) {
        guard !waiting.isEmpty else { return }
        batches.append(Batch(round: planted(.readJoinsOldRound) ? round - 1 : round, index: index, reads: waiting))
        waiting.removeAll(keepingCapacity: true)
    }

    /// A quorum answered `round`: returns what it confirms, oldest first.
    mutating func confirm(through round: UInt64, _ release: (Read, LogIndex) -> Void) {
        let confirmed = batches.prefix { $0.round <= round }.count
        for batch in batches.prefix(confirmed) {
            for read in batch.reads { release(read, batch.index) }
            count -= batch.reads.count
        }
        batches.removeFirst(confirmed)
    }

    /// The leadership is over. Returns this replica's own reads; followers find out by themselves.
    mutating func abandon() -> [UInt64] {
        let own = (batches.flatMap(\.reads) + waiting).filter { $0.origin == nil }.map(\.id)
        waiting.removeAll()
        batches.removeAll()
        count = 0
        return own
    }
}

/// A follower's side: its reads ask the leader under tickets, then wait until the answer's index is applied here.
struct FollowerReads: Sendable {
    /// Tickets that may be open at once; reads that come meanwhile share the next.
    static let ticketMax = 2

    private struct Ticket: Sendable {
        let number: UInt64
        let ids: [UInt64]
        let askedAt: Instant
        var sentAt: Instant
    }

    private struct Confirmed: Sendable {
        let index: LogIndex
        let ids: [UInt64]
    }

    private var nextNumber: UInt64
    private var waiting: [UInt64] = []
    private var tickets: [Ticket] = []
    private var confirmed: [Confirmed] = []
    private(set) var count = 0

    /// `firstNumber` is random, so that a reply to a ticket of this replica's earlier life matches none of this one's.
    init(firstNumber: UInt64) { nextNumber = firstNumber }

    var wantsTicket: Bool { !waiting.isEmpty && tickets.count < Self.ticketMax }

    mutating func add(_ id: UInt64) {
        waiting.append(id)
        count += 1
    }

    /// Puts every waiting read under one new ticket.
    mutating func openTicket(at now: Instant) -> UInt64 {
        let number = nextNumber
        nextNumber &+= 1
        tickets.append(Ticket(number: number, ids: waiting, askedAt: now, sentAt: now))
        waiting.removeAll(keepingCapacity: true)
        return number
    }

    mutating func confirm(_ number: UInt64, index: LogIndex) {
        guard let position = tickets.firstIndex(where: { $0.number == number || planted(.readContextReused) }) else {
            return
        }
        confirmed.append(Confirmed(index: index, ids: tickets[position].ids))
        tickets.remove(at: position)
    }

    /// Hands out the reads whose index is applied.
    mutating func release(appliedThrough applied: LogIndex, _ body: (UInt64, LogIndex) -> Void) {
        guard !confirmed.isEmpty else { return }
        for ready in confirmed where ready.index <= applied || planted(.readBeforeApplied) {
            for id in ready.ids { body(id, planted(.readBeforeApplied) ? .zero : ready.index) }
            count -= ready.ids.count
        }
        confirmed.removeAll { $0.index <= applied || planted(.readBeforeApplied) }
    }

    /// When a ticket must next be sent again.
    func nextRetry(after interval: Duration) -> Instant? { tickets.map { $0.sentAt + interval }.min() }

    /// The tickets due to be sent again.
    mutating func takeRetries(after interval: Duration, at now: Instant) -> [UInt64] {
        var due: [UInt64] = []
        for position in tickets.indices where tickets[position].sentAt + interval <= now {
            tickets[position].sentAt = now
            due.append(tickets[position].number)
        }
        return due
    }

    /// Removes and returns the reads whose ticket went unanswered for `timeout`.
    mutating func takeExpired(after timeout: Duration, at now: Instant) -> [UInt64] {
        let expired = tickets.filter { $0.askedAt + timeout <= now }.flatMap(\.ids)
        guard !expired.isEmpty else { return [] }
        tickets.removeAll { $0.askedAt + timeout <= now }
        count -= expired.count
        return expired
    }

    /// The leader is gone: removes and returns every read that is not answered, confirmed or not, since what it waits
    /// for may not come.
    mutating func abandon() -> [UInt64] {
        let ids = confirmed.flatMap(\.ids) + tickets.flatMap(\.ids) + waiting
        confirmed.removeAll()
        tickets.removeAll()
        waiting.removeAll()
        count = 0
        return ids
    }
}
