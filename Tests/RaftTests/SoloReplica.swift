import Primitives
import Raft

/// One replica, with the test playing everyone else: what it sends is kept in `sent`, what it wants written waits in
/// `writes` until `persist()`.
struct SoloReplica {
    static let timeout = Duration.milliseconds(100)

    var core: Consensus
    private(set) var now = Instant.zero
    private(set) var sent: [(message: RaftMessage, to: ReplicaID)] = []
    private(set) var writes: [DurableWrite] = []
    private(set) var applied: [Entry] = []
    private(set) var answeredReads: [UInt64: LogIndex] = [:]
    private(set) var failedReads: [UInt64] = []
    private(set) var installed: [SnapshotMetadata] = []
    /// Snapshots that wait for `check`.
    private(set) var checks: [Snapshot] = []
    /// How often it asked for a snapshot of its state.
    private(set) var takesWanted = 0
    /// What a crash would leave.
    private(set) var disk: RecoveredLog
    let config: RaftConfig

    static func id(_ number: Int) -> ReplicaID { ReplicaID(UInt64(number)) }

    /// Replica 1 of `voters`; `terms` are those of its log's entries.
    init(
        voters: Int = 3, terms: [UInt64] = [], term: UInt64? = nil, votedFor: Int? = nil,
        doubtfulTail: LogPosition? = nil, isFaulty: Bool = false,
        config: RaftConfig = RaftConfig(electionTimeout: timeout)
    ) {
        let last = term ?? terms.last ?? 0
        disk = RecoveredLog(
            hardState: HardState(term: Term(last), votedFor: votedFor.map(Self.id)),
            entries: Self.entries(terms), doubtfulTail: doubtfulTail, isFaulty: isFaulty)
        self.config = config
        core = Self.start(voters: voters, disk: disk, config: config, now: .zero)
    }

    static func entries(_ terms: [UInt64], after index: UInt64 = 0) -> [Entry] {
        terms.enumerated().map { offset, term in
            Entry(
                index: LogIndex(index + UInt64(offset) + 1), term: Term(term), time: .zero, kind: .command,
                payload: [UInt8(truncatingIfNeeded: term)])
        }
    }

    private static func start(voters: Int, disk: RecoveredLog, config: RaftConfig, now: Instant) -> Consensus {
        Consensus(
            replica: id(1), genesis: Configuration(voters: (1...voters).map(id)), config: config, recovered: disk,
            random: SeededRandom(seed: UInt64(bitPattern: now.nanoseconds) &+ 1), now: now)
    }

    // MARK: Inputs

    mutating func receive(_ message: RaftMessage, from sender: Int) {
        step { core, now, effects in core.handle(message, from: Self.id(sender), now: now, into: &effects) }
    }

    /// Takes the snapshot that it asked for.
    mutating func takeSnapshot(_ bytes: [UInt8]) {
        let snapshot = Snapshot(core.snapshotMetadata(at: core.appliedIndex), bytes: bytes)
        step { core, now, effects in core.handleSnapshotTaken(snapshot, now: now, into: &effects) }
    }

    /// Says of every received snapshot whether it can be installed.
    mutating func check(isUsable: Bool = true) {
        for snapshot in checks {
            step { core, now, effects in
                core.handleSnapshotChecked(snapshot, isUsable: isUsable, now: now, into: &effects)
            }
        }
        checks = []
    }

    /// Lets time pass, and tells the replica whenever it asked to be told, and at the end.
    mutating func advance(by span: Duration) {
        let end = now + span
        while core.nextDeadline < end {
            now = max(now, core.nextDeadline)
            step { core, now, effects in core.tick(now: now, into: &effects) }
        }
        now = end
        step { core, now, effects in core.tick(now: now, into: &effects) }
    }

    /// Lets time pass without telling the replica.
    mutating func sleep(_ span: Duration) { now += span }

    mutating func request(read id: UInt64) {
        step { core, now, effects in core.requestRead(id: id, now: now, into: &effects) }
    }

    mutating func transfer(to target: Int) {
        step { core, now, effects in core.transferLeadership(to: Self.id(target), now: now, into: &effects) }
    }

    mutating func propose(_ payload: [UInt8] = [1]) -> Result<LogPosition, Consensus.ProposalRefusal>? {
        var result: Result<LogPosition, Consensus.ProposalRefusal>?
        step { core, now, effects in result = core.propose(payload, now: now, into: &effects) }
        return result
    }

    mutating func change(to target: Configuration) -> Result<LogPosition, Consensus.ChangeRefusal>? {
        var result: Result<LogPosition, Consensus.ChangeRefusal>?
        step { core, now, effects in result = core.proposeChange(to: target, now: now, into: &effects) }
        return result
    }

    mutating func changeElectionTimeout(to timeout: Duration) -> Result<LogPosition, Consensus.ChangeRefusal>? {
        var result: Result<LogPosition, Consensus.ChangeRefusal>?
        step { core, now, effects in result = core.proposeElectionTimeout(timeout, now: now, into: &effects) }
        return result
    }

    /// Finishes every outstanding write and those that follow from it.
    mutating func persist() {
        while !writes.isEmpty { persistNext() }
    }

    /// Finishes the oldest outstanding write.
    mutating func persistNext() {
        let write = writes.removeFirst()
        disk = disk.after(write)
        step { core, now, effects in core.handlePersisted(write.sequence, now: now, into: &effects) }
    }

    /// There is no space for the oldest outstanding write.
    mutating func failNext() {
        let write = writes.removeFirst()
        step { core, now, effects in core.handleDiskFull(write.sequence, now: now, into: &effects) }
    }

    /// Crashes, losing what is not on disk, and starts again.
    mutating func crashAndRestart() {
        writes = []
        sent = []
        disk = disk.recovered()
        core = Self.start(voters: core.configuration.voters.count, disk: disk, config: config, now: now)
    }

    /// Removes and returns what was sent.
    mutating func takeSent() -> [RaftMessage] {
        defer { sent = [] }
        return sent.map(\.message)
    }

    mutating func takeSent(to receiver: Int) -> [RaftMessage] {
        defer { sent = [] }
        return sent.filter { $0.to == Self.id(receiver) }.map(\.message)
    }

    /// Campaigns and wins with the vote of replica 2. Its no-op is durable but not committed.
    mutating func lead() {
        advance(by: Self.timeout * 4)
        receive(.preVoteReply(.init(term: core.term.next, isGranted: true)), from: 2)
        if core.configuration.voters.count > 3 {
            receive(.preVoteReply(.init(term: core.term.next, isGranted: true)), from: 3)
        }
        persist()
        for voter in 2...max(2, core.configuration.quorumSize) {
            receive(.voteReply(.init(term: core.term, isGranted: true)), from: voter)
        }
        persist()
        precondition(core.role == .leader, "the replica did not win: \(core.role)")
    }

    mutating func acknowledge(through index: UInt64, from follower: Int) {
        receive(.appendReply(.init(term: core.term, outcome: .matched(LogIndex(index)))), from: follower)
    }

    /// As a follower that holds everything, and withholds its vote for as long as this replica would.
    mutating func answer(_ round: UInt64, from follower: Int, last: LogIndex? = nil, promise: Duration? = nil) {
        let reply = RaftMessage.HeartbeatReply(
            term: core.term, round: round, stamp: 0, commitIndex: core.commitIndex, last: last ?? core.lastIndex,
            promise: promise ?? core.electionTimeout)
        receive(.heartbeatReply(reply), from: follower)
    }

    /// The last round that it sent; what was sent is kept.
    var lastRound: UInt64? {
        sent.compactMap { if case .heartbeat(let heartbeat) = $0.message { heartbeat.round } else { nil } }.last
    }

    private mutating func step(_ body: (inout Consensus, Instant, inout [RaftEffect]) -> Void) {
        var effects: [RaftEffect] = []
        body(&core, now, &effects)
        core.checkInvariants()
        for effect in effects {
            switch effect {
            case .persist(let write): writes.append(write)
            case .send(let message, let receiver): sent.append((message, receiver))
            case .apply(let entries): applied += entries
            case .roleChanged, .configurationChanged: break
            case .install(let metadata): installed.append(metadata)
            case .checkSnapshot(let snapshot): checks.append(snapshot)
            case .takeSnapshot: takesWanted += 1
            case .readReady(let id, let index): answeredReads[id] = index
            case .readFailed(let id): failedReads.append(id)
            }
        }
    }
}
