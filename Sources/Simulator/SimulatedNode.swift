import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel

/// One machine of the world: its disk and clock, and the brain that runs on it while it is up.
struct SimulatedNode: Sendable {
    let name: String
    let id: NodeID
    /// Which replica its disk is; drawn anew when it is wiped.
    var replica: ReplicaID
    /// What the program on it understands.
    var featureLevel: FeatureLevel = .current
    let endpoint: Endpoint
    let rank: Int
    var disk = SimulatedDisk()
    /// Who belongs to the mesh, once that changed.
    var keptRoster: [UInt8] = []
    /// Who was revoked by the word of peers alone.
    var keptRevocations: [UInt8] = []
    /// The channel's keys, once they changed since it was provisioned.
    var keptKeys: ChannelKeys?
    var clock: SimulatedClock
    /// nil while the machine or its process is down.
    private(set) var brain: NodeBrain?
    private(set) var isRunning = false
    /// What `look` saw last: when the brain wants to be woken and until when it holds the leader's lease (zero: not at
    /// all), both by its own clock.
    private(set) var nextDeadline: Instant = .distantFuture
    private(set) var leaseUntil: Instant = .zero
    /// What it knew to be committed then, its term, and the one that it led.
    private(set) var commitIndex = LogIndex.zero
    private(set) var term = Term.zero
    private(set) var ledTerm: Term?
    private(set) var configurationIndex = LogIndex.zero
    private(set) var judged = Judged()
    /// How recent it said last that its state is.
    private var claimed: Instant?
    /// The state whose invariants were checked last.
    private var checkedThrough: LogIndex?
    /// The term whose lease it gave up by telling another node to campaign.
    var forfeitedTerm: Term?
    /// Its disk was found to lack acknowledged entries when this life began.
    var isFaulty = false
    /// Counts starts; what an earlier life scheduled is ignored.
    var life = 0
    /// The world time at which a wake-up is already queued.
    var wakeAt: Instant = .distantFuture
    /// Set while the process is stopped (SIGSTOP, suspended): inputs wait in `held`.
    private(set) var pausedSince: Instant?
    var held: [NodeInput] = []
    /// Running and not paused.
    private(set) var isAwake = false
    /// The disk batch that is being written, and how far it got.
    var batch: (number: UInt64, operations: [DiskOperation], next: Int)?
    /// The end of this process, or of its power, after so many more disk operations.
    var doom: Doom?
    /// An older state of the disk, to go back to one day.
    var diskCopy: SimulatedDisk?
    /// What its wall clock shows beyond the truth.
    var wallClockError: Duration = .zero
    /// Its timers fire late by up to this.
    var timerLateness: Duration = .zero
    /// Overrides the world's, once the node was restarted with another one.
    var heartbeatInterval: Duration?
    /// Why it did not start the last time; nil if it did.
    var startRefusal: String?

    /// What of a leader was looked at last.
    struct Judged: Sendable {
        var term: Term?
        var commit = LogIndex.zero
        var lease = Instant.zero
        var configuration = LogIndex.zero
    }

    struct Doom: Sendable {
        var operations: Int
        let cutsPower: Bool
    }

    init(name: String, id: NodeID, replica: ReplicaID, endpoint: Endpoint, rank: Int, clock: SimulatedClock) {
        self.name = name
        self.id = id
        self.replica = replica
        self.endpoint = endpoint
        self.rank = rank
        self.clock = clock
    }

    mutating func boot(_ brain: NodeBrain) {
        self.brain = brain
        isRunning = true
        isAwake = true
    }

    mutating func pause(at now: Instant) {
        pausedSince = now
        isAwake = false
    }

    mutating func wake() {
        pausedSince = nil
        isAwake = isRunning
    }

    /// The process is gone, and with it everything that was not on disk.
    mutating func shutDown() {
        brain = nil
        isRunning = false
        isAwake = false
        nextDeadline = .distantFuture
        leaseUntil = .zero
        commitIndex = .zero
        claimed = nil
        term = .zero
        ledTerm = nil
        forfeitedTerm = nil
        checkedThrough = nil
        isFaulty = false
        life += 1
        batch = nil
        pausedSince = nil
        held = []
        doom = nil
    }

    /// Whether a wake-up that was queued in this life is still wanted; it is used up. (Mutating, so that the node is not
    /// copied to be asked.)
    mutating func takeWake(life queuedIn: Int, at now: Instant) -> Bool {
        guard life == queuedIn, wakeAt <= now else { return false }
        wakeAt = .distantFuture
        return true
    }

    /// One input, or the passing of time.
    mutating func take(_ input: NodeInput?, at now: Instant, into effects: inout [NodeEffect]) {
        let local = clock.local(now)
        if let input {
            brain?.handle(input, now: local, into: &effects)
        } else {
            brain?.tick(now: local, into: &effects)
        }
    }

    /// What a leader's last step brought.
    struct News {
        let hasCommitted: Bool
        /// The new end of its lease, if that is later than before.
        let lease: Instant?
    }

    /// A leader appended a configuration while its last one was not committed. (Mutating in name, like all that is asked
    /// after every step.)
    mutating func changeDuringChange(committed: LogIndex) -> String? {
        guard let term = ledTerm, judged.term == term, configurationIndex > judged.configuration,
            judged.configuration > committed
        else { return nil }
        return "configuration: \(configurationIndex) changes what \(judged.configuration) says, which is not committed"
    }

    /// Nil where nothing is to be looked at. Nothing is, in a step that changed the configuration: then it is not known by
    /// which one the leader went.
    mutating func takeNews() -> News? {
        guard let term = ledTerm else { return nil }
        let before = judged
        judged = Judged(term: term, commit: commitIndex, lease: leaseUntil, configuration: configurationIndex)
        guard before.term == term, before.configuration == configurationIndex else { return nil }
        let lease = leaseUntil > before.lease ? leaseUntil : nil
        return commitIndex > before.commit || lease != nil
            ? News(hasCommitted: commitIndex > before.commit, lease: lease) : nil
    }

    /// A new claim of how recent its state is, by its own clock, and how far that state goes.
    mutating func takeClaim() -> (moment: Instant, applied: LogIndex)? {
        let claim = read { ($0.appliedFreshness.reachedAt, $0.authority.appliedIndex) }
        guard let claim, let moment = claim.0, moment != claimed else { return nil }
        claimed = moment
        return (moment, claim.1)
    }

    /// Keeps what the world asks for after every step.
    mutating func look() {
        guard let (deadline, seen) = brain?.glance() else { return }
        nextDeadline = deadline
        leaseUntil = seen.leaseDeadline ?? .zero
        commitIndex = seen.commitIndex
        term = seen.term
        ledTerm = seen.isLeader ? seen.term : nil
        configurationIndex = seen.configurationIndex
    }

    mutating func checkInvariants() {
        let applied = read { $0.authority.appliedIndex }
        let isStateNew = applied != checkedThrough
        checkedThrough = applied
        _ = read { $0.checkInvariants(isStateNew: isStateNew) }
    }

    /// `NodeBrain.withoutCopying`; nil while the node is down.
    mutating func read<T>(_ body: (borrowing NodeBrain) -> T) -> T? { brain?.withoutCopying(body) }
}

/// What every node of a world is provisioned with.
struct Provision: Sendable {
    static let cluster: [UInt8] = Array("simulated-mesh-1".utf8)

    let roster: Roster
    let raft: RaftConfig
    let gossip: GossipConfig
    let electionTimeout: ElectionTimeoutPolicy?

    /// n1 is named aurora's rank: the highest. The others are equal.
    init(
        nodes: ArraySlice<SimulatedNode>, electionTimeout: Duration, heartbeatInterval: Duration,
        snapshotAfterEntries: Int?,
        policy: ElectionTimeoutPolicy?, electionJitter: Duration?, transferPause: Duration?
    ) {
        self.electionTimeout = policy
        let voters = Roster.chooseVoters(nodes.map { ($0.name, $0.rank) })
        let genesis = Genesis(
            cluster: Self.cluster,
            members: nodes.map {
                Genesis.Member(
                    name: $0.name, node: $0.id, replica: $0.replica, rank: $0.rank, isVoter: voters.contains($0.name))
            })
        guard let roster = Roster(genesis) else { preconditionFailure("a generated genesis is well-formed") }
        self.roster = roster
        var raft = RaftConfig.make(
            roster: roster, electionTimeout: electionTimeout, heartbeatInterval: heartbeatInterval)
        if let snapshotAfterEntries {
            raft.snapshotAfterEntries = snapshotAfterEntries
            raft.keptEntries = snapshotAfterEntries / 4
            raft.snapshotChunkBytes = 4096
        }
        if let electionJitter {
            raft.electionJitter = electionJitter
            raft.rankDelay = .zero
        }
        if let transferPause {
            raft.transferStability = transferPause
            raft.transferCooldown = transferPause + transferPause
        }
        self.raft = raft
        gossip = GossipConfig()
    }

    func setup(for node: SimulatedNode, among nodes: [SimulatedNode]) -> NodeSetup {
        var raft = raft
        if let interval = node.heartbeatInterval { raft.heartbeatInterval = interval }
        var roster = roster
        if let kept = try? RosterTable(decoding: node.keptRoster) { roster.follow(kept) }
        return NodeSetup(
            me: node.id, name: node.name, endpoint: node.endpoint, bootEpoch: UInt64(node.life), roster: roster,
            contacts: nodes.filter { $0.id != node.id && roster.entry(of: $0.id) != nil }
                .map { Contact(id: $0.id, name: $0.name, endpoint: $0.endpoint) },
            descriptor: NodeDescriptor(
                http: Endpoint(ipv4: 10, 0, 0, 1, port: 3000), trustClass: .core, rank: node.rank, version: "simulated",
                verificationKey: Array(repeating: 0, count: 32), servesTLS: false),
            raft: raft, gossip: gossip, replica: node.replica, featureLevel: node.featureLevel,
            electionTimeout: electionTimeout, keptRevocations: node.keptRevocations,
            sign: { [id = node.id] in StandInSignature.sign($0, by: id) },
            checkSignature: StandInSignature.check)
    }
}
