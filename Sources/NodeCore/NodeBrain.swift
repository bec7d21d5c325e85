import Authority
import Gossip
import Primitives
import Raft
import Routing
import SecureChannel

/// A whole node's brain as one value: it introduces the cores to each other and owns nothing that can block, wait or
/// surprise. Time, bytes and chance come in; effects go out. The agent and the simulator drive this same type.
///
/// ```
/// datagram ── sealer.open ──┬─ gossip ─▶ Membership ─▶ sections, members ─┐
///                           ├─ raft ───▶ Consensus ──▶ apply ─▶ Authority ├─▶ ClusterView
///                           └─ node ───▶ forwarded proposals ─────────────┘
/// ```
///
/// After every call the caller runs the effects in order and wakes the brain again at `nextDeadline` with `tick`.
package struct NodeBrain: Sendable {
    package let me: NodeID
    package let name: String
    var roster: Roster
    let featureLevel: FeatureLevel
    /// Log time when this process first heard of a leader.
    var bootedAt: LogTime?
    let timeoutPolicy: ElectionTimeoutPolicy
    let contacts: [Contact]
    var timing: NodeTiming
    /// Names this process life to the exactly-once table; drawn with the first command.
    var origin: CommandOrigin?
    var random: SeededRandom

    var sealer: any FrameSealer
    package internal(set) var membership: Membership
    package internal(set) var consensus: Consensus
    package internal(set) var authority = AuthorityState()
    /// The state of a leader's snapshot that is being installed.
    var received: AuthorityState?
    private var writeAheadLog: WriteAheadLog
    /// The write under way and the log before it, should there be no space for it.
    private var beforeWrite: (log: WriteAheadLog, write: DurableWrite)?
    var proposals = ProposalTable()
    var reads = ReadTable()
    var removals = RemovalTable()
    var duties = PrimaryDuties()
    var membershipDuties = MembershipDuties()
    let meshOrigin: MeshOrigin
    /// The roster's notary is made of these.
    let signatures: (sign: Notary.Sign, check: MeshOrigin.Check)
    var keys = KeyKeeping()
    var replicas: ReplicaBook
    var links: PeerLinks
    var counters = NodeCounters()
    /// Why this node takes part no longer; nil while it does.
    package internal(set) var haltReason: String?
    /// Grows whenever `makeView` would return something new.
    package internal(set) var viewVersion: UInt64 = 0
    /// Grows whenever a member or something it says of itself changed.
    var membersVersion: UInt64 = 0
    var memberViews = MemberViewCache()
    package private(set) var appliedFreshness = AppliedFreshness()
    /// Messages to other brains that wait for the end of the current step.
    var outbox: [(kind: FrameKind, payload: [UInt8], to: NodeID)] = []
    /// Reused between calls.
    var gossipEffects: [GossipEffect] = []
    private var spareGossipEffects: [GossipEffect] = []
    var raftEffects: [RaftEffect] = []
    private var spareRaftEffects: [RaftEffect] = []
    /// By place in the roster: when a frame of that peer is worth telling gossip again.
    var hearNextAt: [Instant]

    /// A recovered node. Run `effects` first: they hold what recovery repairs on disk.
    package init(
        setup: NodeSetup, recovery: WALRecovery, sealer: any FrameSealer, random: SeededRandom, now: Instant,
        into effects: inout [NodeEffect]
    ) {
        self.random = random
        me = setup.me
        name = setup.name
        roster = setup.roster
        hearNextAt = Array(repeating: .zero, count: setup.roster.entries.count)
        timing = setup.timing
        contacts = setup.contacts
        featureLevel = setup.featureLevel
        timeoutPolicy = setup.electionTimeout
        meshOrigin = setup.origin
        signatures = (setup.sign, setup.checkSignature)
        replicas = ReplicaBook(roster: setup.roster)
        links = PeerLinks(count: setup.roster.entries.count)
        self.sealer = sealer
        membership = Membership(
            me: Contact(id: setup.me, name: setup.name, endpoint: setup.endpoint), bootEpoch: setup.bootEpoch,
            config: setup.gossip, seeds: setup.contacts,
            notary: Notary(setup.roster, sign: setup.sign, check: setup.checkSignature), random: self.random.fork(),
            now: now)
        consensus = Consensus(
            replica: setup.replica, genesis: setup.roster.configuration, config: setup.raft,
            recovered: RecoveredLog(recovery), random: self.random.fork(), now: now)
        writeAheadLog = recovery.log
        if let snapshot = recovery.snapshot {
            if let state = AuthorityState(snapshot) {
                authority = state
                haltIfOutdated(into: &effects)
            } else {
                halt("the snapshot of \(snapshot.position) on disk is intact, but not of this version", into: &effects)
            }
        }
        membership.publish(.descriptor, bytes: setup.descriptor.encode(), now: now)
        membership.publish(.replica, bytes: ownNotice.encode(), now: now)
        expelRevoked()
        if let held = sealer.keyring?.newest { keys.kept = held }
        recallRevocations(setup.keptRevocations, now: now, into: &effects)
        followKeys(now: now, into: &effects)
        adoptConfiguration()
        tick(now: now, into: &effects)
    }

    // MARK: Inputs

    package mutating func handle(_ input: NodeInput, now: Instant, into effects: inout [NodeEffect]) {
        gather(input, now: now, into: &effects)
        settle(now: now, into: &effects)
    }

    /// Takes one of several inputs that arrived together. `settle` must follow the last of them, before time passes:
    /// then one message carries what otherwise would take one for each input.
    package mutating func gather(_ input: NodeInput, now: Instant, into effects: inout [NodeEffect]) {
        consensus.gather()
        switch input {
        case .datagram(let bytes, let source): receive(bytes, from: source, now: now, into: &effects)
        case .streamMessage(let payload, let kind, let peer):
            receive(OpenedFrame(peer: peer, kind: kind, payload: payload), from: nil, now: now, into: &effects)
        case .connectionLost(let node): membership.noteLostConnection(to: node, now: now, into: &gossipEffects)
        case .keysKept(let isKept): noteKept(isKept, now: now, into: &effects)
        case .diskDone(let write): consensus.handlePersisted(write, now: now, into: &raftEffects)
        case .worked(let outcome): finish(outcome, now: now, into: &effects)
        case .diskFull(let write): diskIsFull(write, now: now, into: &effects)
        case .diskFailed where planted(.syncErrorIgnored):
            if let write = beforeWrite?.write.sequence {
                consensus.handlePersisted(write, now: now, into: &raftEffects)
            }
        case .diskFailed(let reason): halt(reason, into: &effects)
        case .submit(let request, let command):
            submit(command, for: request, now: now, into: &effects)
        case .readBarrier(let request): readBarrier(request, now: now, into: &effects)
        case .removeMember(let request, let node): submitRemoval(of: node, for: request, now: now, into: &effects)
        case .forget(let request):
            proposals.remove(request: request)
            reads.remove(request)
            removals.forget(request)
        case .publish(let section):
            membership.publish(section.id, bytes: section.encode(), now: now)
            noteMembersChanged()
        case .broadcast(let event): broadcast(event, now: now, into: &effects)
        case .wallClock(let unixMilliseconds):
            duties.wallClock = (unixMilliseconds, now)
            tellClock(now: now)
        case .paused: membership.notePause(now: now)
        case .leave: membership.leave(now: now, into: &gossipEffects)
        }
    }

    package mutating func tick(now: Instant, into effects: inout [NodeEffect]) {
        membership.tick(now: now, into: &gossipEffects)
        sealer.tick(now: now)
        if haltReason == nil {
            let confirmed = consensus.freshness.confirmedAt
            consensus.tick(now: now, into: &raftEffects)
            // A voter that is alone confirms its own rounds: no message of another would make the view newer.
            if consensus.freshness.confirmedAt != confirmed { viewVersion += 1 }
        }
        settle(now: now, into: &effects)
    }

    /// When `tick` is due next, if nothing else happens.
    package var nextDeadline: Instant {
        var next = min(membership.nextDeadline, proposals.nextDeadline, reads.nextDeadline, sealer.nextDeadline)
        if !removals.isEmpty { next = min(next, removals.nextDeadline) }
        if haltReason == nil { next = min(next, consensus.nextDeadline) }
        return next
    }

    /// Looks at the brain where it lies. Mutating only in name: a call that changes nothing, on a property of a class or an
    /// optional, copies the whole brain first, and counts references to every table in it.
    package mutating func withoutCopying<T>(_ body: (borrowing NodeBrain) -> T) -> T { body(self) }

    /// See `Consensus.glance`.
    package mutating func glance() -> (nextDeadline: Instant, consensus: Consensus.Glance) {
        (nextDeadline, consensus.glance())
    }

    /// - Parameter isStateNew: walk through the state too, which is large and changes only with what is applied.
    package func checkInvariants(isStateNew: Bool = true) {
        membership.checkInvariants()
        consensus.checkInvariants()
        if isStateNew { authority.checkInvariants() }
        sealer.checkInvariants()
        precondition(
            authority.appliedIndex <= consensus.commitIndex,
            "applied \(authority.appliedIndex) is beyond commit \(consensus.commitIndex)")
        let ownBoot = consensus.bootedAt(of: consensus.replica)
        precondition(
            ownBoot == bootedAt || !consensus.configuration.members.contains(consensus.replica),
            "elections go by a start at \(String(describing: ownBoot)), not at \(String(describing: bootedAt))")
    }

    // MARK: Settling

    /// Lets the cores' effects run into each other until none is left. Bounded: each round only reacts to what the one
    /// before produced, and nothing here answers itself.
    package mutating func settle(now: Instant, into effects: inout [NodeEffect]) {
        advanceRequests(now: now, into: &effects)
        while !raftEffects.isEmpty {
            var batch: [RaftEffect] = []
            swap(&batch, &raftEffects)
            swap(&raftEffects, &spareRaftEffects)
            for effect in batch { run(effect, now: now, into: &effects) }
            batch.removeAll(keepingCapacity: true)
            swap(&batch, &spareRaftEffects)
            advanceRequests(now: now, into: &effects)
        }
        appliedFreshness.note(
            confirmedAt: consensus.freshness.confirmedAt, within: consensus.freshness.confirmedIndex,
            applied: authority.appliedIndex)
        while !gossipEffects.isEmpty {
            var batch: [GossipEffect] = []
            swap(&batch, &gossipEffects)
            swap(&gossipEffects, &spareGossipEffects)
            for effect in batch { run(effect, now: now, into: &effects) }
            batch.removeAll(keepingCapacity: true)
            swap(&batch, &spareGossipEffects)
        }
        if !outbox.isEmpty {
            let messages = outbox
            outbox.removeAll(keepingCapacity: true)
            for message in messages {
                send(message.payload, kind: message.kind, to: message.to, now: now, into: &effects)
            }
        }
        if sealer.hasOutbox { sendOutbox(now: now, into: &effects) }
    }

    private mutating func run(_ effect: GossipEffect, now: Instant, into effects: inout [NodeEffect]) {
        switch effect {
        case .send(let payload, let id, let endpoint):
            transmit(payload, kind: .gossip, to: id, at: endpoint, now: now, into: &effects)
        case .sendStream(let payload, let id, let endpoint):
            effects.append(.sendStream(payload, kind: .gossip, to: id, at: endpoint))
        case .fenced:
            halt(
                "another process runs with this node's key; of the two this one gave way. Stop the one that does not belong, "
                    + "and give copies a key of their own (meshnode init)", into: &effects)
        case .memberChanged(let member):
            noteMembersChanged()
            effects.append(.event(.memberChanged(member)))
        case .sectionChanged(let section, let owner):
            if section == .replica { notePreferences() }
            if section == .revocations { heedRevocations(of: [owner], now: now, into: &effects) }
            noteMembersChanged()
        }
    }

    private mutating func noteMembersChanged() {
        membersVersion += 1
        viewVersion += 1
    }

    private mutating func run(_ effect: RaftEffect, now: Instant, into effects: inout [NodeEffect]) {
        switch effect {
        case .persist(let write):
            // Consensus has one write under way at a time, and gathers what comes meanwhile into the next.
            beforeWrite = (writeAheadLog, write)
            effects.append(.disk(write: write.sequence, writeAheadLog.plan([write])))
        case .send(let message, let replica):
            guard let node = replicas.node(of: replica) else { return }
            let isAround = send(
                encodeRaft(message), kind: .raft, to: node, mayGoAround: message.mayGoAround, now: now, into: &effects)
            consensus.noteRelayed(isAround, to: replica)
        case .apply(let entries): apply(entries, now: now, into: &effects)
        case .install(let metadata): install(metadata, now: now, into: &effects)
        case .checkSnapshot(let snapshot): effects.append(.work(.decode(snapshot)))
        case .takeSnapshot: takeSnapshot(into: &effects)
        case .roleChanged:
            viewVersion += 1
            duties.restart()
            noteBooted(now: now)
            effects.append(.event(.roleChanged(consensus.role, consensus.term, leader: leader)))
        case .configurationChanged: adoptConfiguration()
        case .readReady(let round, let index): reads.resolve(round: round, index: index)
        case .readFailed(let round): reads.fail(round: round, askAgainAt: now + timing.retryInterval)
        }
    }

    private mutating func diskIsFull(_ write: UInt64, now: Instant, into effects: inout [NodeEffect]) {
        guard haltReason == nil, let before = beforeWrite, before.write.sequence == write else { return }
        if !consensus.isDiskFull { effects.append(.event(.diskFull)) }
        writeAheadLog.rollBack(to: before.log, failed: before.write)
        consensus.handleDiskFull(write, now: now, into: &raftEffects)
        viewVersion += 1
    }

    mutating func halt(_ reason: String, into effects: inout [NodeEffect]) {
        guard haltReason == nil else { return }
        haltReason = reason
        viewVersion += 1
        raftEffects.removeAll()
        effects.append(.event(.halted(reason)))
        for proposal in proposals.takeAll() {
            guard let request = proposal.request else { continue }
            effects.append(.answer(request, .refused(proposal.isResolved ? .stopping : .outcomeUnknown)))
        }
        for read in reads.takeAll() { effects.append(.answer(read.request, .refused(.stopping))) }
        for removal in removals.take(where: { _ in true }) {
            effects.append(.answer(removal.request, .refused(.outcomeUnknown)))
        }
    }

    /// The leader that consensus knows, as a node.
    package var leader: NodeID? { consensus.leader.flatMap { replicas.node(of: $0) } }
}
