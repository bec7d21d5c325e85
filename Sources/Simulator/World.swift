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
    package var electionTimeout: Duration = .milliseconds(300)
    package var heartbeatInterval: Duration = .milliseconds(60)
    /// Real sealed frames; otherwise clear ones. One seed of sixteen is sealed unless this is set.
    package var isSealed: Bool?
    /// Check every core's invariants after every step, not only the mesh's.
    package var checksEveryStep = true
    package var keepsTraceLines = false

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
    package private(set) var trace: Trace
    /// What the checkers found; empty in a correct run.
    package internal(set) var violations: [String] = []
    var random: SeededRandom
    var nodes: [SimulatedNode]
    var network: SimulatedNetwork
    var checkers: Checkers
    var answers: [RequestID: NodeAnswer] = [:]
    private let provision: Provision
    private var queue = EventQueue()
    private var inFlight = InFlight()
    private var effects: [NodeEffect] = []
    /// An empty buffer that was one of effects before: reused, so that steps do not allocate.
    private var spareEffects: [NodeEffect] = []
    private var nextRequest: UInt64 = 1
    private var stepsAtThisInstant = 0

    /// A world of provisioned nodes that are all still down.
    package init(_ settings: WorldSettings) {
        precondition((1...64).contains(settings.nodes), "a world has 1 to 64 nodes, not \(settings.nodes)")
        self.settings = settings
        trace = Trace(keepsLines: settings.keepsTraceLines)
        var random = SeededRandom(seed: settings.seed)
        nodes = (1...settings.nodes).map { number in
            SimulatedNode(
                name: "n\(number)", id: NodeID(high: random.next(), low: random.next()),
                replica: ReplicaID(random.next()),
                endpoint: Endpoint(ipv4: 10, 0, 0, UInt8(number), port: 7946), rank: number == 1 ? 100 : 0,
                clock: SimulatedClock(offset: random.duration(in: .seconds(1)...(.seconds(100_000)))))
        }
        network = SimulatedNetwork(nodes: settings.nodes)
        checkers = Checkers()
        provision = Provision(
            nodes: nodes, electionTimeout: settings.electionTimeout, heartbeatInterval: settings.heartbeatInterval)
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
            switch input {
            case .datagram(let bytes, _): trace.record(2, node: node, at: now, bytes: bytes)
            case .streamMessage(let bytes, _, _): trace.record(6, node: node, at: now, bytes: bytes)
            default: preconditionFailure("only messages travel")
            }
            step(node, input)
        case .diskStep(let node, let life):
            guard nodes[node].life == life else { return }
            trace.record(3, node: node, at: now)
            finishSync(node)
        case .wallClock(let node, let life):
            guard nodes[node].life == life else { return }
            step(node, .wallClock(unixMilliseconds: Self.unixAtStart + now.nanoseconds / 1_000_000))
            queue.add(.wallClock(node, life: life), at: now + .seconds(5))
        case .resume(let node): resume(node)
        }
    }

    /// 2025-01-01: where the simulated wall clocks start.
    private static let unixAtStart: Int64 = 1_735_689_600_000
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

    private mutating func runEffects(of node: Int) {
        // An effect may make this very node step again (a write without a sync), so the buffers are local.
        var batch = spareEffects
        spareEffects = []
        swap(&batch, &effects)
        for effect in batch { run(effect, of: node) }
        batch.removeAll(keepingCapacity: true)
        spareEffects = batch
        nodes[node].look()
        scheduleWake(of: node)
        if settings.checksEveryStep { nodes[node].brain?.checkInvariants() }
        checkLeases(after: node)
    }

    private mutating func run(_ effect: NodeEffect, of node: Int) {
        switch effect {
        case .sendDatagram(let bytes, let endpoint):
            guard let target = index(of: endpoint) else { return }
            transmit(.datagram(bytes, from: nodes[node].endpoint), from: node, to: target)
        case .sendStream(let payload, let kind, _, let endpoint):
            guard let target = index(of: endpoint) else { return }
            let peer = AuthenticatedPeer(node: nodes[node].id, assurance: .unproven)
            transmitOnStream(.streamMessage(payload, kind: kind, from: peer), from: node, to: target)
        case .disk(let number, let operations):
            nodes[node].batch = (number, operations, 0)
            continueBatch(node)
        case .answer(let request, let answer): answers[request] = answer
        case .event(let event): observe(event, of: node)
        }
    }

    private mutating func transmit(_ input: NodeInput, from: Int, to: Int) {
        guard case .delivered(let delay, let repeatDelay) = network.fate(from: from, to: to, random: &random) else {
            return
        }
        queue.add(.arrival(to, inFlight.put(input)), at: now + delay)
        if let repeatDelay { queue.add(.arrival(to, inFlight.put(input)), at: now + repeatDelay) }
    }

    /// Like TCP: in order, once, late where datagrams would be lost, and gone with the connection when the link is cut.
    private mutating func transmitOnStream(_ input: NodeInput, from: Int, to: Int) {
        guard let delay = network.streamDelay(from: from, to: to, random: &random) else { return }
        let at = max(now + delay, network.streamFreeAt(from: from, to: to))
        network.noteStream(from: from, to: to, arrivesAt: at)
        queue.add(.arrival(to, inFlight.put(input)), at: at)
    }

    private mutating func observe(_ event: NodeEvent, of node: Int) {
        trace.note(at: now, "\(nodes[node].name) \(event)")
        if let violation = checkers.observe(event, of: node) { report(violation) }
    }

    /// At most one node holds the leader's lease at any instant of true time. A lease only begins or grows when its
    /// holder takes a step, so looking then is looking always.
    private mutating func checkLeases(after node: Int) {
        guard nodes[node].leaseUntil > .zero, holdsLease(node) else { return }
        for other in nodes.indices where other != node && holdsLease(other) {
            report("lease safety: \(nodes[node].name) and \(nodes[other].name) both hold a lease")
        }
    }

    func holdsLease(_ node: Int) -> Bool {
        nodes[node].leaseUntil > .zero && nodes[node].clock.local(now) < nodes[node].leaseUntil
    }

    /// More than this many say nothing new.
    private static let violationsMax = 100

    mutating func report(_ violation: String) {
        if violations.count < Self.violationsMax { violations.append("\(Trace.stamp(now))  \(violation)") }
    }

    private mutating func scheduleWake(of node: Int) {
        let due = max(now, nodes[node].clock.world(nodes[node].nextDeadline))
        guard nodes[node].isRunning, due < nodes[node].wakeAt else { return }
        nodes[node].wakeAt = due
        queue.add(.wake(node, life: nodes[node].life), at: due)
    }

    // MARK: Disks

    /// Small files, so that logs grow across many of them and recovery reads little.
    private static let geometry = WALGeometry.small

    private mutating func provisionDisk(of node: Int) {
        let (_, operations) = WriteAheadLog.create(
            cluster: Provision.cluster, replica: nodes[node].replica, geometry: Self.geometry)
        runAtOnce(operations, on: node)
    }

    private mutating func runAtOnce(_ operations: [DiskOperation], on node: Int) {
        for operation in operations {
            nodes[node].disk.begin(operation)
            nodes[node].disk.finishSync(operation)
        }
    }

    /// Runs operations up to the next sync, which takes time.
    private mutating func continueBatch(_ node: Int) {
        guard let batch = nodes[node].batch else { return }
        for position in batch.next..<batch.operations.count {
            let operation = batch.operations[position]
            nodes[node].disk.begin(operation)
            guard SimulatedDisk.isSync(operation) else { continue }
            nodes[node].batch?.next = position
            if !nodes[node].disk.isHung {
                let latency = random.duration(in: nodes[node].disk.syncLatency)
                queue.add(.diskStep(node, life: nodes[node].life), at: now + latency)
            }
            return
        }
        nodes[node].batch = nil
        step(node, .diskDone(write: batch.number))
    }

    private mutating func finishSync(_ node: Int) {
        guard let batch = nodes[node].batch, !nodes[node].disk.isHung else { return }
        nodes[node].disk.finishSync(batch.operations[batch.next])
        nodes[node].batch?.next += 1
        continueBatch(node)
    }

    /// A hung disk answers again: the sync it sat on completes.
    mutating func setDiskHung(_ isHung: Bool, node: Int) {
        let wasHung = nodes[node].disk.isHung
        nodes[node].disk.isHung = isHung
        // What waited before the hang was dropped with it, so the sync that is under way is looked at now.
        if wasHung, !isHung, nodes[node].batch != nil {
            queue.add(.diskStep(node, life: nodes[node].life), at: now)
        }
    }

    package mutating func isolate(_ node: Int) {
        network.partition([(0..<nodes.count).filter { $0 != node }])
    }

    package mutating func setDrift(ppm: Int64, of node: Int) {
        nodes[node].clock.setDrift(ppm: ppm, at: now)
        // Its deadlines fall on other moments of true time now.
        nodes[node].wakeAt = .distantFuture
        scheduleWake(of: node)
    }

    // MARK: Starting and stopping

    /// Recovers from disk and runs; does nothing to a node that is up.
    package mutating func start(_ node: Int) {
        guard !nodes[node].isRunning else { return }
        nodes[node].life += 1
        nodes[node].wakeAt = .distantFuture
        let recovery: WALRecovery
        do throws(WALError) {
            recovery = try WriteAheadLog.recover(
                from: nodes[node].disk, cluster: Provision.cluster, replica: nodes[node].replica,
                geometry: Self.geometry)
        } catch {
            report("\(nodes[node].name) could not recover its log: \(error)")
            return
        }
        switch recovery.verdict {
        case .clean, .torn, .doubtful: break
        case .faulty, .newReplica:
            report("\(nodes[node].name) lost what it had acknowledged: \(recovery.verdict)")
            return
        }
        runAtOnce(recovery.repairs, on: node)
        let brain = NodeBrain(
            setup: provision.setup(for: nodes[node], among: nodes), recovery: recovery, sealer: makeSealer(for: node),
            random: random.fork(), now: nodes[node].clock.local(now), into: &effects)
        nodes[node].boot(brain)
        runEffects(of: node)
        queue.add(.wallClock(node, life: nodes[node].life), at: now)
    }

    /// Ends the process. `cutsPower` also loses what was not synced.
    package mutating func stop(_ node: Int, cutsPower: Bool) {
        guard nodes[node].isRunning else { return }
        nodes[node].shutDown()
        if cutsPower { nodes[node].disk.cutPower(random: &random) } else { nodes[node].disk.killProcess() }
        trace.record(cutsPower ? 5 : 4, node: node, at: now)
    }

    /// Stops the process for a while (SIGSTOP, a suspended laptop) without it noticing.
    package mutating func pause(_ node: Int, for span: Duration) {
        guard nodes[node].isAwake else { return }
        nodes[node].pause(at: now)
        queue.add(.resume(node), at: now + span)
    }

    private mutating func resume(_ node: Int) {
        guard let since = nodes[node].pausedSince else { return }
        nodes[node].wake()
        let held = nodes[node].held
        nodes[node].held = []
        step(node, .paused(now - since))
        for input in held { step(node, input) }
        step(node, nil)
    }

    private func makeSealer(for node: Int) -> any FrameSealer {
        let isSealed = settings.isSealed ?? settings.seed.isMultiple(of: 16)
        guard isSealed else {
            return ClearFrameSealer(me: node, nodes: nodes.map(\.id), bootEpoch: UInt32(nodes[node].life))
        }
        return SharedKeyFrameSealer(
            cluster: ClusterKey.simulated(id: Provision.cluster), me: nodes[node].id,
            bootEpoch: UInt64(nodes[node].life), entropy: SeededEntropy(seed: settings.seed &+ UInt64(node)))
    }

    // MARK: Requests

    package mutating func submit(_ command: AuthorityCommand, to node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .submit(request, command))
        } else {
            answers[request] = .refused(.stopping)
        }
        return request
    }

    package mutating func readBarrier(at node: Int) -> RequestID {
        let request = takeRequest()
        if nodes[node].isRunning {
            step(node, .readBarrier(request))
        } else {
            answers[request] = .refused(.stopping)
        }
        return request
    }

    mutating func takeAnswer(to request: RequestID) -> NodeAnswer? { answers.removeValue(forKey: request) }

    private mutating func takeRequest() -> RequestID {
        defer { nextRequest += 1 }
        return RequestID(nextRequest)
    }

    // MARK: Looking

    package var nodeCount: Int { nodes.count }
    package func index(named name: String) -> Int? { nodes.firstIndex { $0.name == name } }
    package func name(of node: Int) -> String { nodes[node].name }
    package func brain(of node: Int) -> NodeBrain? { nodes[node].brain }

    /// Who this node believes is primary now; nil if it is down or may not say.
    package func primary(seenBy node: Int) -> Int? {
        guard let view = view(of: node), let primary = view.primary(at: localTime(of: node)) else { return nil }
        return nodes.firstIndex { $0.id == primary }
    }

    package func view(of node: Int) -> ClusterView? {
        guard nodes[node].isAwake else { return nil }
        return nodes[node].brain?.makeView(at: localTime(of: node))
    }

    /// Everything that is known to be wrong: what was seen on the way, and what is wrong now.
    package func allViolations() -> [String] {
        let states = nodes.compactMap { node in node.brain.map { (name: node.name, state: $0.authority) } }
        return violations + checkers.sessionViolations(in: self)
            + [Checkers.divergence(among: states)].compactMap { $0 }
    }

    package func localTime(of node: Int) -> Instant { nodes[node].clock.local(now) }

    private func index(of endpoint: Endpoint) -> Int? {
        guard endpoint.isIPv4 else { return nil }
        let number = Int(endpoint.low & 0xFF)
        return (1...nodes.count).contains(number) ? number - 1 : nil
    }
}

/// What is queued for later. Plain numbers, so that the queue moves them cheaply.
enum WorldEvent: Sendable {
    case wake(Int, life: Int)
    /// A message, by its place in `InFlight`.
    case arrival(Int, Int)
    case diskStep(Int, life: Int)
    case wallClock(Int, life: Int)
    case resume(Int)
}

/// Messages under way, each at a place that is reused once it has arrived.
struct InFlight: Sendable {
    private var parcels: [NodeInput?] = []
    private var free: [Int] = []

    mutating func put(_ input: NodeInput) -> Int {
        guard let place = free.popLast() else {
            parcels.append(input)
            return parcels.count - 1
        }
        parcels[place] = input
        return place
    }

    mutating func take(_ place: Int) -> NodeInput {
        guard let input = parcels[place].take() else { preconditionFailure("nothing is under way at \(place)") }
        free.append(place)
        return input
    }
}
