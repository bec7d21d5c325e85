import Primitives

/// What this replica knows about one member of the configuration, itself included.
///
/// The first group is kept in every role; the rest means something only while this replica leads, and is reset when
/// it begins to. While probing, one append at a time looks for the point where the logs agree; while replicating,
/// appends are sent ahead of their acknowledgements (after etcd's progress).
struct Progress: Sendable {
    enum Mode: Sendable {
        case probing
        case replicating
        /// Needs entries that the log no longer holds: nothing but a snapshot is sent.
        case snapshotting
    }

    let replica: ReplicaID
    /// When any message of this member last arrived.
    var heardAt: Instant?
    /// What it said about this replica's doubtful tail.
    var tailAnswer: RaftMessage.TailReply?
    /// Its answer to the current campaign.
    var vote: Bool?

    private(set) var mode = Mode.probing
    /// The greatest index known to be durable there and equal to this leader's log. Never decreases within a term.
    private(set) var match = LogIndex.zero
    /// The next index to send; always after `match`.
    private(set) var next = LogIndex.zero.next
    /// The last index of each unacknowledged append, ascending.
    private(set) var inFlight: [LogIndex] = []
    /// When the oldest unanswered append was sent or progress was last made; nil when nothing is awaited.
    private(set) var awaitedSince: Instant?
    /// What it lacks, or news of the commit index, is to be sent when the inputs at hand have been taken.
    var isAppendDue = false
    /// The snapshot that is being sent; nil while snapshotting waits for one, or for the member to be heard.
    var snapshot: SnapshotTransfer?
    /// The commit index it was last told.
    private(set) var toldCommit = LogIndex.zero
    /// The last round that was sent before it was told.
    private(set) var toldDuringRound: UInt64 = 0
    /// The greatest round of this term that it answered.
    var answeredRound: UInt64 = 0
    /// The greatest round that it answered with a promise as long as this leader's lease needs.
    var promisedRound: UInt64 = 0
    /// The last round that was sent before `match` was known: whoever answers a later one held all that.
    private(set) var matchedDuringRound: UInt64 = 0
    /// The stamp of that answer.
    var lastStamp: UInt64?
    /// What it said it has applied.
    var knownCommit = LogIndex.zero
    /// The voters it said it hears.
    var heard: [ReplicaID] = []
    /// How well it keeps up, as long as it is a learner and asked about.
    var catchUp: CatchUp?
    /// It is reached around a broken link, where only small messages pass.
    var isRelayed = false
    /// A voter, or at the top of the tree of observers: served without asking.
    var isAtTop = true
    /// Until when it is served because it asked this leader itself.
    var servedUntil: Instant?
    /// Since when it could have been handed the leadership; nil while it could not.
    var eligibleSince: Instant?

    init(replica: ReplicaID) { self.replica = replica }

    func wasHeard(within span: Duration, at now: Instant) -> Bool {
        guard let heardAt else { return false }
        return now - heardAt <= span
    }

    mutating func reset(next: LogIndex) {
        mode = .probing
        match = .zero
        self.next = next
        inFlight.removeAll(keepingCapacity: true)
        awaitedSince = nil
        snapshot = nil
        toldCommit = .zero
        toldDuringRound = 0
        answeredRound = 0
        promisedRound = 0
        matchedDuringRound = 0
        lastStamp = nil
        knownCommit = .zero
        heard = []
        eligibleSince = nil
        catchUp = nil
        servedUntil = nil
    }

    /// Whether another append may leave now.
    func hasRoom(limit: Int) -> Bool {
        switch mode {
        case .probing: inFlight.isEmpty
        case .replicating: inFlight.count < limit
        case .snapshotting: false
        }
    }

    /// `round` is the last that was sent.
    mutating func noteSent(through last: LogIndex, commit: LogIndex, round: UInt64, at now: Instant) {
        if commit > toldCommit {
            toldCommit = commit
            toldDuringRound = round
        }
        guard last >= next else { return }
        inFlight.append(last)
        if awaitedSince == nil { awaitedSince = now }
        if mode == .replicating { next = last.next }
    }

    /// Returns whether `match` advanced. `round` is the last that was sent.
    mutating func noteMatched(_ index: LogIndex, round: UInt64, at now: Instant) -> Bool {
        let answered = inFlight.prefix { $0 <= index }.count
        if answered > 0 { inFlight.removeFirst(answered) }
        let advanced = index > match
        if advanced {
            match = index
            matchedDuringRound = round
        }
        next = max(next, match.next)
        if advanced, mode == .probing {
            mode = .replicating
            inFlight.removeAll(keepingCapacity: true)
        }
        awaitedSince = inFlight.isEmpty ? nil : (advanced ? now : awaitedSince)
        return advanced
    }

    /// Starts over from the last acknowledged entry: what was in flight is taken for lost.
    mutating func restartProbing() {
        mode = .probing
        next = match.next
        inFlight.removeAll(keepingCapacity: true)
        awaitedSince = nil
    }

    /// It was not served for a while: begins where its log is likely to end.
    mutating func resume(before last: LogIndex) {
        guard mode != .snapshotting else { return }
        restartProbing()
        next = max(match.next, last)
    }

    /// Goes back to just after `shared` because the append following `previous` was rejected. Returns whether the
    /// rejection was news: answers to older appends must not undo later progress.
    mutating func noteRejected(previous: LogIndex, shared: LogIndex) -> Bool {
        guard previous > match else { return false }
        switch mode {
        case .replicating:
            restartProbing()
        case .probing:
            guard previous == next.previous else { return false }
            next = max(match.next, min(shared.next, previous))
            inFlight.removeAll(keepingCapacity: true)
            awaitedSince = nil
        case .snapshotting:
            return false
        }
        return true
    }

    /// Its disk lost what follows `shared`: what it acknowledged beyond counts no longer.
    mutating func noteLost(after shared: LogIndex) {
        guard mode != .snapshotting else { return }
        if !planted(.lossNotCounted) { match = min(match, shared) }
        restartProbing()
        next = shared.next
    }

    /// It answered `round` and knows of no later commit than `commit`. Returns whether it was told more before: the news was
    /// lost, or the member with it when it was started anew, and must be repeated.
    mutating func missedCommit(known commit: LogIndex, round: UInt64) -> Bool {
        guard commit < toldCommit, round > toldDuringRound else { return false }
        toldCommit = commit
        return true
    }

    /// It answered `round` and its log ends at `last`. Returns whether that is less than it acknowledged before: its disk
    /// lied, and nothing that it said counts any longer. Its log is compared anew from the start.
    mutating func hasForgotten(last: LogIndex, round: UInt64) -> Bool {
        guard last < match, round > matchedDuringRound, mode != .snapshotting else { return false }
        match = .zero
        restartProbing()
        next = last.next
        return true
    }

    mutating func beginSnapshotting() {
        guard mode != .snapshotting else { return }
        restartProbing()
        mode = .snapshotting
    }

    /// It holds everything through `index`.
    mutating func endSnapshotting(through index: LogIndex, round: UInt64, at now: Instant) {
        snapshot = nil
        mode = .probing
        _ = noteMatched(index, round: round, at: now)
        next = match.next
    }

    /// The leader's own entry: what its disk holds counts, and nothing is sent to it.
    mutating func noteOwnDurable(_ index: LogIndex) {
        match = max(match, index)
        next = max(next, match.next)
    }
}
