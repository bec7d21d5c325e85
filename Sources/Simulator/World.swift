import Authority
import Gossip
import NodeCore
import Primitives
import Raft
import Routing
import SecureChannel

/// Everything that a simulated run depends on. Equal settings give equal runs.
package struct WorldSettings: Sendable {
    package var nodes: Int
    package var seed: UInt64
    /// How many of the nodes, the last ones, do not belong to the mesh until they are admitted.
    package var outsiders = 0
    package var electionTimeout: Duration = .milliseconds(300)
    package var heartbeatInterval: Duration = .milliseconds(60)
    /// Up to how much chance adds to a follower's timeout, and nothing for its rank, so that campaigns collide; nil: as
    /// in a real node.
    package var electionJitter: Duration?
    /// How the mesh finds its election timeout; nil: it keeps the one above.
    package var electionTimeoutPolicy: ElectionTimeoutPolicy?
    /// How long a preferred leader waits before it takes over, and half of the time between two attempts; nil: as in a
    /// real node.
    package var transferPause: Duration?
    /// Real sealed frames; otherwise clear ones. One seed of sixteen is sealed unless this is set.
    package var isSealed: Bool?
    /// Check every core's invariants after every step, not only the mesh's.
    package var checksEveryStep = true
    package var keepsTraceLines = false
    /// Snapshots more often than a real node takes them, and short tails; nil as in a real node.
    package var snapshotAfterEntries: Int?
    /// Keep what a report shows.
    package var isRecorded = false
    /// Hold what nodes say to each other, where it is not sealed, against what they said before and what is on their disks.
    package var isOverheard = true

    package init(nodes: Int, seed: UInt64) {
        self.nodes = nodes
        self.seed = seed
    }
}

/// Runtime two: whole nodes, a network, disks and clocks in virtual time, all from one seed.
///
/// One queue orders everything that will happen. Each step takes the earliest event, hands it to the brain it concerns,
/// runs the effects (which queue further events) and lets the checkers look. Nothing here knows wall-clock time.
package struct World: Sendable {
    package let settings: WorldSettings
    /// True time since the world began.
    package private(set) var now: Instant = .zero
    package internal(set) var trace: Trace
    /// What the checkers found; empty in a correct run.
    package internal(set) var violations: [String] = []
    var random: SeededRandom
    var nodes: [SimulatedNode]
    var network: SimulatedNetwork
    var checkers: Checkers
    var answers: [RequestID: Answered] = [:]
    /// What to look up the moment that a read is answered.
    var readKeys: [RequestID: ValueKey] = [:]
    var logs: LogChecker
    var votes = VoteChecker()
    var rounds = RoundChecker()
    var acknowledgements = AcknowledgementChecker()
    var durability = DurabilityChecker()
    var reads = ReadChecker()
    var freshness = FreshnessChecker()
    let provision: Provision
    var queue = DeadlineQueue<WorldEvent>()
    var inFlight = InFlight()
    var recorder = Recorder()
    /// What was met outside of network and disks, which count for themselves.
    var faults = FaultCounts()
    let isSealed: Bool
    let isOverheard: Bool
    package internal(set) var recording: Recording?
    package internal(set) var protocolTrace: ProtocolTrace?
    var effects: [NodeEffect] = []
    /// An empty buffer that was one of effects before: reused, so that steps do not allocate.
    private var spareEffects: [NodeEffect] = []
    var nextRequest: UInt64 = 1
    private var stepsAtThisInstant = 0

    /// A world of provisioned nodes that are all still down.
    package init(_ settings: WorldSettings) {
        precondition((1...64).contains(settings.nodes), "a world has 1 to 64 nodes, not \(settings.nodes)")
        self.settings = settings
        isSealed = settings.isSealed ?? settings.seed.isMultiple(of: 16)
        isOverheard = settings.isOverheard && !isSealed
        trace = Trace(keepsLines: settings.keepsTraceLines)
        var random = SeededRandom(seed: settings.seed)
        nodes = (1...settings.nodes).map { number in
            SimulatedNode(
                name: "n\(number)", id: NodeID(high: random.next(), low: random.next()),
                replica: ReplicaID(random.next()),
                endpoint: Endpoint(ipv4: 10, 0, 0, UInt8(number), port: 7946), rank: number == 1 ? 100 : 0,
                clock: SimulatedClock(offset: random.duration(in: .seconds(1)...(.seconds(100_000)))))
        }
        if settings.isRecorded { recording = Recording(nodes: nodes.map(\.name)) }
        network = SimulatedNetwork(nodes: settings.nodes)
        checkers = Checkers()
        logs = LogChecker(nodes: settings.nodes)
        provision = Provision(
            nodes: nodes.dropLast(settings.outsiders), electionTimeout: settings.electionTimeout,
            heartbeatInterval: settings.heartbeatInterval,
            snapshotAfterEntries: settings.snapshotAfterEntries, policy: settings.electionTimeoutPolicy,
            electionJitter: settings.electionJitter, transferPause: settings.transferPause)
        self.random = random
        for index in nodes.indices { provisionDisk(of: index) }
    }

    // MARK: Running

    /// Runs everything that happens up to and including `limit`.
    package mutating func run(until limit: Instant) {
        while let (at, event) = queue.popDue(at: limit) {
            advance(to: at)
            handle(event)
        }
        now = limit
    }

    package mutating func run(for span: Duration) { run(until: now + span) }

    /// Runs until the condition holds; false if it does not within `limit`. Looks after every event.
    package mutating func run(atMost limit: Duration, until condition: (World) -> Bool) -> Bool {
        let end = now + limit
        while !condition(self) {
            guard let (at, event) = queue.popDue(at: end) else {
                now = end
                return condition(self)
            }
            advance(to: at)
            handle(event)
        }
        return true
    }

    /// A brain that wants to be woken again and again at one moment would stop time for everyone.
    private mutating func advance(to next: Instant) {
        stepsAtThisInstant = next == now ? stepsAtThisInstant + 1 : 0
        precondition(stepsAtThisInstant < 100_000, "time stands still at \(now): a deadline is never met")
        now = next
    }

    private mutating func handle(_ event: WorldEvent) {
        switch event {
        case .wake(let node, let life):
            guard nodes[node].takeWake(life: life, at: now) else { return }
            trace.record(1, node: node, at: now)
            step(node, nil)
        case .arrival(let node, let parcel):
            let input = inFlight.take(parcel)
            guard nodes[node].isRunning else { return }
            guard case .datagram(let bytes, _) = input else { preconditionFailure("only datagrams fly") }
            trace.record(2, node: node, at: now, bytes: bytes)
            step(node, input)
        case .streamArrival(let stream, let parcel):
            let node = Int(stream.to)
            guard let input = takeFromStream(stream, parcel), nodes[node].isRunning else { return }
            guard case .streamMessage(let bytes, _, _) = input else { preconditionFailure("only messages stream") }
            trace.record(6, node: node, at: now, bytes: bytes)
            step(node, input)
        case .diskStep(let node, let life):
            guard nodes[node].life == life else { return }
            trace.record(3, node: node, at: now)
            finishSync(node)
        case .wallClock(let node, let life):
            guard nodes[node].life == life else { return }
            step(node, .wallClock(unixMilliseconds: unixMilliseconds(of: node)))
            queue.add(.wallClock(node, life: life), at: now + .seconds(5))
        case .resume(let node): resume(node)
        case .worked(let node, let life, let parcel):
            let input = inFlight.take(parcel)
            guard nodes[node].life == life else { return }
            step(node, input)
        case .start(let node, let life):
            guard nodes[node].life == life else { return }
            faults.note(.slowStart)
            start(node)
        }
    }

    /// What a stopped process's socket buffers hold.
    private static let heldInputsMax = 4096

    /// Lets one brain take one input, or the passing of time, and carries out what it asks for.
    mutating func step(_ node: Int, _ input: NodeInput?) {
        guard nodes[node].isRunning else { return }
        if !nodes[node].isAwake {
            if let input, nodes[node].held.count < Self.heldInputsMax { nodes[node].held.append(input) }
            return
        }
        nodes[node].take(input, at: now, into: &effects)
        runEffects(of: node)
    }

    mutating func runEffects(of node: Int) {
        if protocolTrace != nil { recordProtocol(of: node) }
        // An effect may make this very node step again (a write without a sync), so the buffers are local.
        var batch = spareEffects
        spareEffects = []
        swap(&batch, &effects)
        // What one of them ends, the process or its power, carries out none of the others.
        let life = nodes[node].life
        for effect in batch where nodes[node].life == life { run(effect, of: node) }
        batch.removeAll(keepingCapacity: true)
        spareEffects = batch
        nodes[node].look()
        noteCommit(of: node)
        scheduleWake(of: node)
        if recording != nil { recordLease(of: node) }
        if settings.checksEveryStep { nodes[node].checkInvariants() }
        checkLeases(after: node)
    }

    private mutating func run(_ effect: NodeEffect, of node: Int) {
        switch effect {
        case .sendDatagram(let bytes, let endpoint):
            guard let target = index(of: endpoint) else { return }
            if isOverheard { overhear(bytes, of: node) }
            sendDatagram(bytes, from: node, to: target)
        case .sendStream(let payload, let kind, _, let endpoint):
            guard let target = index(of: endpoint) else { return }
            let peer = AuthenticatedPeer(node: nodes[node].id)
            sendOnStream(.streamMessage(payload, kind: kind, from: peer), from: node, to: target)
        case .disk(let number, let operations):
            nodes[node].batch = (number, operations, 0)
            continueBatch(node)
        case .work(let work):
            let span = random.duration(in: .milliseconds(1)...(.milliseconds(8)))
            queue.add(.worked(node, life: nodes[node].life, inFlight.put(.worked(work.run()))), at: now + span)
        case .keepRoster(let bytes): nodes[node].keptRoster = bytes
        case .keepRevocations(let bytes): nodes[node].keptRevocations = bytes
        case .keepKeys(let keys):
            nodes[node].keptKeys = keys
            step(node, .keysKept(true))
        case .answer(let request, let answer): note(answer, to: request, of: node)
        case .broadcast(let event, let origin):
            trace.note(at: now, "\(nodes[node].name) heard \(event.topic) of \(origin)")
        case .event(let event): observe(event, of: node)
        }
    }

    private mutating func observe(_ event: NodeEvent, of node: Int) {
        trace.note(at: now, "\(nodes[node].name) \(event)")
        if recording != nil { record(event, of: node) }
        if let violation = checkers.observe(event, of: node) { report(violation) }
        guard case .roleChanged(.leader, _, _) = event else { return }
        checkLeader(node)
        if isOverheard { checkElection(of: node) }
    }

    /// A line for who reads the trace.
    mutating func note(_ text: @autoclosure () -> String) { trace.note(at: now, text()) }

    mutating func scheduleWake(of node: Int) {
        let due = max(now, nodes[node].clock.world(nodes[node].nextDeadline))
        guard nodes[node].isRunning, due < nodes[node].wakeAt else { return }
        nodes[node].wakeAt = due
        let lateness = nodes[node].timerLateness > .zero ? drawLateness(of: node) : .zero
        queue.add(.wake(node, life: nodes[node].life), at: due + lateness)
    }
}
