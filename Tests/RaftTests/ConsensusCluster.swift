import Primitives
import Raft

/// Several replicas in virtual time: one event queue, links that cut, lose, delay and repeat, disks that take their
/// time and forget unfinished writes in a crash, clocks that run at unlike rates. Everything follows from one seed.
///
/// After every step the replica that moved checks its invariants and the cluster checks `ClusterChecker`'s laws; what
/// is broken is collected in `violations`.
final class ConsensusCluster {
    enum Event: Sendable {
        case deliver(RaftMessage, from: Int, to: Int)
        case persisted(Int, sequence: UInt64, life: Int)
        /// A snapshot was taken, or one that arrived was checked.
        case worked(Int, Snapshot, isTaken: Bool, life: Int)
    }

    struct Node {
        let id: ReplicaID
        var core: Consensus?
        var disk = RecoveredLog()
        /// What `loseTail` took from it: was durable, and may be counted by an answer that is still on its way.
        var lost: [Entry] = []
        /// What was applied, as a number: see `AppliedState`.
        var state = AppliedState()
        /// The states of the snapshots on disk, by index.
        var savedStates: [LogIndex: AppliedState] = [:]
        var installCount = 0
        /// Handed to the disk, not finished.
        var writing: [DurableWrite] = []
        /// Counts restarts, so that completions of an earlier life are ignored.
        var life = 0
        var ratePerMille: Int64 = 1000
        var offset: Int64 = 0
        var isPaused = false
        var isDiskHung = false
        /// Writes with anything but term and vote fail.
        var isDiskFull = false
        var inbox: [(RaftMessage, Int)] = []
        var reads: [UInt64: ReadRecord] = [:]
    }

    struct ReadRecord {
        /// What was committed when the read was asked for.
        let floor: Int
        var answer: LogIndex?
        var hasFailed = false
    }

    let configuration: Configuration
    private let makeConfig: (Int) -> RaftConfig
    private(set) var nodes: [Node]
    private(set) var now = Instant.zero
    private var queue = DeadlineQueue<Event>()
    var random: SeededRandom
    var checker = ClusterChecker()

    /// `isCut[from * count + to]`.
    private var isCut: [Bool]
    var delay: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(3))
    var diskDelay: ClosedRange<Duration> = .microseconds(100)...(.milliseconds(1))
    var lossPerMille = 0
    var repeatPerMille = 0
    var straggleDelay = Duration.milliseconds(400)
    var stragglePerMille = 0
    /// Sees each message as it is sent; false loses it.
    var filter: ((RaftMessage, Int, Int) -> Bool)?
    private var nextRead: UInt64 = 1

    var count: Int { nodes.count }
    var violations: [String] { checker.violations }

    /// `voters`, by place, are those of the genesis; all unless given. The others belong to no configuration yet.
    init(
        _ count: Int, voters: [Int]? = nil, seed: UInt64 = 1, disks: [Int: RecoveredLog] = [:],
        config: @escaping (Int) -> RaftConfig = { _ in RaftConfig(electionTimeout: .milliseconds(100)) }
    ) {
        configuration = Configuration(voters: (voters ?? Array(0..<count)).map { ReplicaID(UInt64($0 + 1)) })
        makeConfig = config
        random = SeededRandom(seed: seed)
        nodes = (0..<count).map { Node(id: ReplicaID(UInt64($0 + 1))) }
        isCut = Array(repeating: false, count: count * count)
        for (place, disk) in disks { nodes[place].disk = disk }
        for place in 0..<count { start(place) }
    }

    // MARK: Faults

    func setClock(_ place: Int, ratePerMille: Int64, offset: Int64) {
        nodes[place].ratePerMille = ratePerMille
        nodes[place].offset = offset
        nodes[place].life += 1
        start(place)
    }

    func cut(from: Int, to: Int) { isCut[from * count + to] = true }
    func cut(_ a: Int, _ b: Int) {
        cut(from: a, to: b)
        cut(from: b, to: a)
    }
    func isolate(_ place: Int) { for other in 0..<count where other != place { cut(place, other) } }
    func healLinks() { isCut = Array(repeating: false, count: count * count) }

    /// Cuts every link between different groups.
    func partition(_ groups: [Int]...) {
        healLinks()
        let group = { place in groups.firstIndex { $0.contains(place) } }
        for a in 0..<count {
            for b in 0..<count where group(a) != group(b) { cut(from: a, to: b) }
        }
    }

    /// Loses memory and whatever part of the outstanding writes chance decides.
    func crash(_ place: Int) {
        for write in nodes[place].writing { tear(write, at: place) }
        nodes[place].writing = []
        nodes[place].core = nil
        nodes[place].life += 1
        nodes[place].inbox = []
        nodes[place].isPaused = false
    }

    func restart(_ place: Int) {
        precondition(nodes[place].core == nil, "\(place) is running")
        start(place)
    }

    func pause(_ place: Int) { nodes[place].isPaused = true }

    /// Delivers what queued up before any timer, as the runtime does after a gap.
    func resume(_ place: Int) {
        nodes[place].isPaused = false
        let inbox = nodes[place].inbox
        nodes[place].inbox = []
        for (message, sender) in inbox {
            with(place) { core, now, effects in
                core.handle(message, from: ReplicaID(UInt64(sender + 1)), now: now, into: &effects)
            }
        }
    }

    func setDiskFull(_ place: Int, _ isFull: Bool) { nodes[place].isDiskFull = isFull }
    func hangDisk(_ place: Int) { nodes[place].isDiskHung = true }

    // MARK: Inputs

    @discardableResult
    func propose(_ payload: [UInt8], on place: Int) -> Result<LogPosition, Consensus.ProposalRefusal>? {
        var result: Result<LogPosition, Consensus.ProposalRefusal>?
        with(place) { core, now, effects in result = core.propose(payload, now: now, into: &effects) }
        return result
    }

    /// Proposes the configuration with these voters and learners, by place.
    @discardableResult
    func change(
        to voters: [Int], learners: [Int] = [], on place: Int
    ) -> Result<LogPosition, Consensus.ChangeRefusal>? {
        let id = { ReplicaID(UInt64($0 + 1)) }
        let target = Configuration(voters: voters.map(id), learners: learners.map(id))
        var result: Result<LogPosition, Consensus.ChangeRefusal>?
        with(place) { core, now, effects in result = core.proposeChange(to: target, now: now, into: &effects) }
        return result
    }

    @discardableResult
    func changeElectionTimeout(
        to timeout: Duration, on place: Int
    ) -> Result<LogPosition, Consensus.ChangeRefusal>? {
        var result: Result<LogPosition, Consensus.ChangeRefusal>?
        with(place) { core, now, effects in
            result = core.proposeElectionTimeout(timeout, now: now, into: &effects)
        }
        return result
    }

    /// Of these learners, or of all, those that `place`, leading, finds ready.
    func readyLearners(among places: [Int]? = nil, on place: Int) -> [Int] {
        var ready: [ReplicaID] = []
        let named = places?.map { nodes[$0].id }
        with(place) { core, now, _ in
            ready = core.readyLearners(among: named ?? core.configuration.learners, at: now)
        }
        return ready.map { Int($0.value) - 1 }
    }

    /// Returns the read's id; its fate is in `nodes[place].reads`.
    func requestRead(on place: Int) -> UInt64 {
        let id = nextRead
        nextRead += 1
        nodes[place].reads[id] = ReadRecord(floor: checker.committed.count)
        with(place) { core, now, effects in core.requestRead(id: id, now: now, into: &effects) }
        return id
    }

    func transfer(from place: Int, to target: Int) {
        let id = nodes[target].id
        with(place) { core, now, effects in core.transferLeadership(to: id, now: now, into: &effects) }
    }

    /// A message from outside the simulated network.
    func inject(_ message: RaftMessage, from sender: ReplicaID, to place: Int) {
        with(place) { core, now, effects in core.handle(message, from: sender, now: now, into: &effects) }
    }

    /// Delivers `message` at a chosen later time, past cuts and filter.
    func schedule(_ message: RaftMessage, from: Int, to: Int, after span: Duration) {
        queue.add(.deliver(message, from: from, to: to), at: now + span)
    }

    // MARK: Running

    func run(for span: Duration) {
        let end = now + span
        while step(until: end) {}
        now = end
    }

    /// Runs until the condition holds; false if it does not within `span`.
    func run(within span: Duration, until condition: () -> Bool) -> Bool {
        let end = now + span
        while !condition() {
            guard step(until: end) else {
                now = end
                return condition()
            }
        }
        return true
    }

    private func step(until end: Instant) -> Bool {
        var timer: (at: Instant, place: Int)?
        for place in 0..<count where !nodes[place].isPaused {
            guard let core = nodes[place].core else { continue }
            let due = max(now, trueTime(core.nextDeadline, at: place))
            if due < timer?.at ?? .distantFuture { timer = (due, place) }
        }
        let event = queue.nextDeadline ?? .distantFuture
        if let timer, timer.at < event {
            guard timer.at <= end else { return false }
            now = timer.at
            with(timer.place) { core, now, effects in core.tick(now: now, into: &effects) }
            return true
        }
        guard event <= end, let (at, value) = queue.popDue(at: event) else { return false }
        now = max(now, at)
        perform(value)
        return true
    }

    private func perform(_ event: Event) {
        switch event {
        case .deliver(let message, let sender, let place):
            if nodes[place].isPaused {
                nodes[place].inbox.append((message, sender))
            } else {
                let id = nodes[sender].id
                with(place) { core, now, effects in core.handle(message, from: id, now: now, into: &effects) }
            }
        case .worked(let place, let snapshot, let isTaken, let life):
            guard nodes[place].life == life else { return }
            if nodes[place].isPaused {
                queue.add(event, at: now + .milliseconds(5))
                return
            }
            with(place) { core, now, effects in
                if isTaken {
                    core.handleSnapshotTaken(snapshot, now: now, into: &effects)
                } else {
                    core.handleSnapshotChecked(snapshot, isUsable: true, now: now, into: &effects)
                }
            }
        case .persisted(let place, let sequence, let life):
            guard nodes[place].life == life else { return }
            if nodes[place].isDiskHung || nodes[place].isPaused {
                queue.add(event, at: now + .milliseconds(5))
                return
            }
            let write = nodes[place].writing.first { $0.sequence == sequence }
            if nodes[place].isDiskFull, let write, !write.isReduced {
                nodes[place].writing.removeAll { $0.sequence == sequence }
                with(place) { core, now, effects in core.handleDiskFull(sequence, now: now, into: &effects) }
                return
            }
            finishWrite(sequence, at: place)
            with(place) { core, now, effects in core.handlePersisted(sequence, now: now, into: &effects) }
        }
    }

    // MARK: Queries

    func core(_ place: Int) -> Consensus {
        guard let core = nodes[place].core else { preconditionFailure("replica \(place) is down") }
        return core
    }

    func localTime(_ place: Int) -> Instant {
        Instant(nanoseconds: nodes[place].offset + now.nanoseconds / 1000 * nodes[place].ratePerMille)
    }

    private func trueTime(_ local: Instant, at place: Int) -> Instant {
        if local == .distantFuture { return .distantFuture }
        let elapsed = local.nanoseconds - nodes[place].offset
        return Instant(nanoseconds: (elapsed / nodes[place].ratePerMille + 1) * 1000)
    }

    /// The leader of the highest term, if its replica runs.
    var leader: Int? {
        (0..<count).filter { nodes[$0].core?.role == .leader }.max { core($0).term < core($1).term }
    }

    func holdsLease(_ place: Int) -> Bool { nodes[place].core?.holdsLease(at: localTime(place)) ?? false }

    func terms(_ place: Int) -> [UInt64] {
        let log = core(place).log
        return log.entries(after: log.base.index, through: log.lastIndex).map(\.term.value)
    }

    // MARK: Effects

    private func start(_ place: Int) {
        let disk = nodes[place].disk.recovered()
        nodes[place].disk = disk
        nodes[place].state = disk.snapshot.flatMap { nodes[place].savedStates[$0.position.index] } ?? AppliedState()
        nodes[place].core = Consensus(
            replica: nodes[place].id, genesis: configuration, config: makeConfig(place),
            recovered: disk, random: random.fork(), now: localTime(place))
        nodes[place].writing = []
    }

    private func with(_ place: Int, _ body: (inout Consensus, Instant, inout [RaftEffect]) -> Void) {
        guard nodes[place].core != nil, !nodes[place].isPaused else { return }
        var effects: [RaftEffect] = []
        body(&nodes[place].core!, localTime(place), &effects)  // checked just above
        nodes[place].core?.checkInvariants()
        for effect in effects { carryOut(effect, of: place) }
        checker.check(self, moved: place)
    }

    private func carryOut(_ effect: RaftEffect, of place: Int) {
        switch effect {
        case .persist(let write):
            nodes[place].writing.append(write)
            let done = now + random.duration(in: diskDelay)
            queue.add(.persisted(place, sequence: write.sequence, life: nodes[place].life), at: done)
        case .send(let message, let receiver):
            transmit(message, from: place, to: Int(receiver.value) - 1)
        case .apply(let entries):
            checker.noteApplied(entries, by: core(place), in: self)
            for entry in entries { nodes[place].state.apply(entry) }
            checker.noteState(nodes[place].state, of: place)
        case .install(let metadata):
            nodes[place].installCount += 1
            nodes[place].state = nodes[place].savedStates[metadata.position.index] ?? AppliedState()
            checker.noteState(nodes[place].state, of: place)
        case .checkSnapshot(let snapshot):
            guard let state = AppliedState(snapshot.bytes) else {
                preconditionFailure("replica \(place) was sent no state")
            }
            nodes[place].savedStates[snapshot.position.index] = state
            work(snapshot, isTaken: false, at: place)
        case .takeSnapshot:
            let state = nodes[place].state
            let snapshot = Snapshot(core(place).snapshotMetadata(at: state.index), bytes: state.encode())
            nodes[place].savedStates[state.index] = state
            work(snapshot, isTaken: true, at: place)
        case .readReady(let id, let index):
            nodes[place].reads[id]?.answer = index
            if let record = nodes[place].reads[id] { checker.noteRead(record, index: index, at: core(place)) }
        case .readFailed(let id):
            nodes[place].reads[id]?.hasFailed = true
        case .roleChanged, .configurationChanged:
            break
        }
    }

    private func work(_ snapshot: Snapshot, isTaken: Bool, at place: Int) {
        let done = now + random.duration(in: .zero...(.milliseconds(4)))
        queue.add(.worked(place, snapshot, isTaken: isTaken, life: nodes[place].life), at: done)
    }

    private func transmit(_ message: RaftMessage, from: Int, to: Int) {
        checker.checkCoding(message)
        if isCut[from * count + to] || random.chance(lossPerMille, in: 1000) { return }
        if let filter, !filter(message, from, to) { return }
        let copies = random.chance(repeatPerMille, in: 1000) ? 2 : 1
        for _ in 0..<copies {
            var span = random.duration(in: delay)
            if random.chance(stragglePerMille, in: 1000) { span += random.duration(in: .zero...straggleDelay) }
            queue.add(.deliver(message, from: from, to: to), at: now + span)
        }
    }

    // MARK: Disk

    private func finishWrite(_ sequence: UInt64, at place: Int) {
        guard let position = nodes[place].writing.firstIndex(where: { $0.sequence == sequence }) else { return }
        let write = nodes[place].writing.remove(at: position)
        nodes[place].disk = nodes[place].disk.after(write)
    }

    /// A crash in the middle of a write leaves a prefix of it.
    private func tear(_ write: DurableWrite, at place: Int) {
        guard random.chance(1, in: 2) else { return }
        let kept = random.below(write.entries.count + 1)
        nodes[place].disk = nodes[place].disk.after(write, kept: kept)
        // The identities of the lost entries may have reached the disk without their bodies.
        guard kept < write.entries.count, let last = write.entries.last, random.chance(1, in: 2) else { return }
        let disk = nodes[place].disk
        let tail = LogPosition(index: last.index, term: last.term)
        nodes[place].disk = disk.with(
            entries: disk.entries, doubtfulTail: max(tail, disk.doubtfulTail ?? tail), isFaulty: disk.isFaulty)
    }

    /// The last entry on the disk, which it acknowledged, cannot be read after the next start.
    func rotTail(of place: Int) {
        precondition(nodes[place].core == nil, "\(place) is running")
        let disk = nodes[place].disk
        guard let last = disk.entries.last else { return }
        nodes[place].disk = disk.with(
            entries: disk.entries.dropLast(), doubtfulTail: LogPosition(index: last.index, term: last.term))
    }

    /// The disk never stored what it said it did after the first `kept` entries, and leaves no trace of them.
    func forgetTail(of place: Int, keeping kept: Int) {
        setDisk(place, entries: Array(nodes[place].disk.entries.prefix(kept)))
    }

    /// The disk holds this log, and no trace of another.
    func setDisk(_ place: Int, entries: [Entry]) {
        precondition(nodes[place].core == nil, "\(place) is running")
        nodes[place].disk = nodes[place].disk.with(entries: entries, doubtfulTail: nil)
    }

    /// Everything after the first `kept` entries of the log cannot be read, and is known to have been acknowledged.
    func loseTail(of place: Int, keeping kept: Int) {
        precondition(nodes[place].core == nil, "\(place) is running")
        let disk = nodes[place].disk
        guard kept < disk.entries.count, let last = disk.entries.last else { return }
        nodes[place].lost += disk.entries.dropFirst(kept)
        nodes[place].disk = disk.with(
            entries: Array(disk.entries.prefix(kept)), doubtfulTail: LogPosition(index: last.index, term: last.term),
            isFaulty: true)
    }
}
