import Authority
import NodeCore
import Primitives
import Raft

/// One run of the swarm under way: the phases, and what keeps the faults within what can be survived.
///
/// Bounds, so that every violation is a real one:
/// - *Harm*: rot, misdirected writes, lost tails, unreadable, emptied and rolled-back disks hit at most a minority of
///   the voters in one seed (nodes without a vote are not bounded). Between two starts a disk is harmed once: two
///   harms that fit each other, a record and its identity, can hide an acknowledged entry for good, and no single
///   disk can tell.
/// - *Amnesia*: a voter whose disk lied when the power went, or went back to an older copy, has forgotten promises and
///   cannot know it. No protocol that counts it survives that; whoever runs such a node must not start it as the same
///   replica again. Here its disk is emptied, so that it knows.
/// - *Doubt*: a voter whose torn tail may have been acknowledged waits for a majority that knows better. With a
///   minority of the disks lost for good there may be none; then nobody leads, and that is the honest outcome.
/// - *Clocks* drift by at most 4%, below the 10% that the lease allows. Wall clocks jump by at most an hour: sessions
///   live for days.
struct SwarmRun {
    var world: World
    let plan: SwarmPlan
    var random: SeededRandom
    let settings: Swarm
    var clients: ClientWorkload
    /// Voters whose disks were harmed in this seed.
    private var harmed: Set<Int> = []
    /// The life in which each disk was harmed last.
    private var harmedInLife: [Int: Int] = [:]
    private(set) var troubles: [Swarm.Trouble] = []
    private var steps = 0
    /// Links that go up and down until the next change.
    private var flapping: (a: Int, b: Int, until: Instant)?

    init(world: World, plan: SwarmPlan, random: SeededRandom, settings: Swarm) {
        self.world = world
        self.plan = plan
        self.random = random
        self.settings = settings
        clients = ClientWorkload(random: self.random.fork())
        clients.habits = plan.habits
    }

    /// Returns what is wrong.
    mutating func play() -> [String] {
        for node in 0..<world.nodeCount {
            if plan.reordersWrites { world.changeTrouble(of: node) { $0.reordersWrites = true } }
            if plan.beginsOutdated { world.install(.zero, on: node) }
            world.start(node)
        }
        var number = 0
        var nextTrouble = Instant.zero + .seconds(3)
        while world.now < .zero + settings.duration, world.violations.isEmpty {
            if world.now >= nextTrouble {
                nextTrouble = world.now + disturb(number)
                number += 1
            }
            flap()
            serve()
        }
        guard world.violations.isEmpty, settings.mends else { return world.violations }
        mendEverything()
        if !converge(), !isHeldUpByDoubt {
            return [
                "convergence: no common primary within \(settings.convergenceLimit) of mending everything: \(opinions())"
            ]
        }
        let problem = serveAgain()
        return world.allViolations() + clients.violations() + (problem.map { [$0] } ?? [])
    }

    private static let stepsBetweenLooks = 150

    /// A while of clients, and of looking at what is new.
    private mutating func serve() {
        clients.step(&world)
        world.run(for: settings.operationInterval)
        world.checkLogs()
        steps += 1
        guard steps.isMultiple(of: Self.stepsBetweenLooks) else { return }
        for violation in world.presentViolations() { world.report(violation) }
    }

    /// Does the trouble of this number, unless it is left out. Returns when the next one comes.
    private mutating func disturb(_ number: Int) -> Duration {
        random = SeededRandom(seed: world.settings.seed &* 0x1_0000_01B3 &+ UInt64(number))
        let pause = random.duration(in: plan.pace)
        if let kept = settings.keptTroubles, !kept.contains(number) { return pause }
        let text = random.chance(1, in: 3) ? mendSomething() : cause(plan.troubles[random.below(plan.troubles.count)])
        troubles.append(Swarm.Trouble(number: number, at: world.now, text: text))
        world.note(text)
        return pause
    }

    /// After everything was mended: clients are served, and every node hears of what they did.
    private mutating func serveAgain() -> String? {
        let before = clients.tally.succeeded
        let end = world.now + .seconds(8)
        while world.now < end { serve() }
        let top = (0..<world.nodeCount).compactMap { world.appliedIndex(of: $0) }.max() ?? .zero
        world.run(for: .seconds(14))
        clients.collect(&world)
        world.checkLogs()
        guard !isHeldUpByDoubt else { return nil }
        if clients.tally.succeeded == before { return "convergence: a mended mesh serves nobody: \(opinions())" }
        let late = (0..<world.nodeCount).first { node in
            world.nodes[node].isAwake && !world.isHalted(node) && world.appliedIndex(of: node) ?? .zero < top
        }
        return late.map { "convergence: \(world.name(of: $0)) has not applied \(top): \(opinions())" }
    }

    // MARK: Bounds

    /// A node whose disk may be harmed now, or nil.
    mutating func victim() -> Int? {
        let node = random.below(world.nodeCount)
        guard harmedInLife[node] != world.nodes[node].life else { return nil }
        if world.isVoter(node), !harmed.contains(node) {
            guard harmed.count < (world.voterCount - 1) / 2 else { return nil }
            harmed.insert(node)
        }
        harmedInLife[node] = world.nodes[node].life
        return node
    }

    /// The power goes at one node. See "Amnesia" above.
    mutating func cutPower(_ node: Int) {
        let forgets = world.nodes[node].disk.trouble?.isLying == true
        world.stop(node, cutsPower: true)
        if forgets { forget(node) }
    }

    mutating func forget(_ node: Int) {
        world.stop(node, cutsPower: true)
        world.nodes[node].disk.wipe()
        world.changeTrouble(of: node) { $0.isLying = false }
    }

    mutating func startFlapping(_ a: Int, _ b: Int, for span: Duration) { flapping = (a, b, world.now + span) }

    private mutating func flap() {
        guard let (a, b, until) = flapping else { return }
        let isOver = world.now >= until
        world.setLink(a, b, isCut: !isOver && !world.network[a, b].isCut)
        if isOver { flapping = nil }
    }

    // MARK: Mending

    /// What an operator or chance puts right: nodes come back, disks are mended, the network heals.
    private mutating func mendSomething() -> String {
        if random.chance(1, in: 3) { world.network.heal() }
        if random.chance(1, in: 4) { world.network.mendEverything() }
        var mended: [Int] = []
        for node in 0..<world.nodeCount where random.chance(1, in: 2) {
            mend(node)
            mended.append(node)
        }
        return "mend \(mended.map(world.name(of:)).joined(separator: " "))"
    }

    private mutating func mend(_ node: Int) {
        world.mendDisk(of: node, reordersWrites: plan.reordersWrites)
        world.restartIfHalted(node)
        world.start(node)
    }

    private mutating func mendEverything() {
        flapping = nil
        world.network.mendEverything()
        for node in 0..<world.nodeCount {
            world.install(.current, on: node)
            mend(node)
            world.nodes[node].timerLateness = .zero
            world.nodes[node].doom = nil
            world.setDrift(ppm: 0, of: node)
        }
    }

    /// See "Doubt" above.
    private var isHeldUpByDoubt: Bool {
        let voters = (0..<world.nodeCount).filter(world.isVoter)
        let certain = voters.count { node in world.brain(of: node).map { $0.consensus.doubtfulTail == nil } ?? false }
        return certain < world.voterCount / 2 + 1
    }

    /// What each node knows, for who looks into a failure.
    private func opinions() -> String {
        (0..<world.nodeCount).map { node in
            guard let consensus = world.brain(of: node)?.consensus else { return "\(world.name(of: node)) down" }
            let doubt = consensus.doubtfulTail.map { ", doubts \($0)" } ?? ""
            let log = "last \(consensus.lastIndex), term \(consensus.term)"
            return "\(world.name(of: node)) \(consensus.role), \(log)\(doubt)"
        }.joined(separator: "; ")
    }

    /// Everyone who can run, paused nodes included, names the same primary, and is as fresh as it. A program that the mesh has left behind ends,
    /// and whoever supervises it starts the new one.
    private mutating func converge() -> Bool {
        let end = world.now + settings.convergenceLimit
        while world.now < end {
            let isAgreed = world.run(atMost: .seconds(1)) { world in
                let running = (0..<world.nodeCount).filter { world.nodes[$0].isRunning }
                guard let first = running.first, let primary = world.primary(seenBy: first) else { return false }
                return running.allSatisfy { world.primary(seenBy: $0) == primary && world.isFresh($0) }
            }
            if isAgreed { return true }
            for node in 0..<world.nodeCount { world.restartIfHalted(node) }
        }
        return false
    }
}
