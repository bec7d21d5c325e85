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
            world.start(node)
        }
        var nextTrouble = Instant.zero + .seconds(3)
        while world.now < .zero + settings.duration {
            clients.step(&world)
            if world.now >= nextTrouble {
                if random.chance(1, in: 3) {
                    mendSomething()
                } else {
                    cause(plan.troubles[random.below(plan.troubles.count)])
                }
                nextTrouble = world.now + random.duration(in: plan.pace)
            }
            flap()
            world.run(for: settings.operationInterval)
        }
        mendEverything()
        var violations: [String] = []
        if !converge(), !isHeldUpByDoubt {
            violations.append(
                "no common primary within \(settings.convergenceLimit) of mending everything: \(opinions())")
        }
        world.run(for: .seconds(25))
        clients.collect(&world)
        return violations + world.allViolations()
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
    private mutating func mendSomething() {
        if random.chance(1, in: 3) { world.network.heal() }
        if random.chance(1, in: 4) { world.network.mendEverything() }
        for node in 0..<world.nodeCount where random.chance(1, in: 2) { mend(node) }
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

    /// Everyone who can run, paused nodes included, names the same primary.
    private mutating func converge() -> Bool {
        world.run(atMost: settings.convergenceLimit) { world in
            let running = (0..<world.nodeCount).filter { world.nodes[$0].isRunning }
            guard let first = running.first, let primary = world.primary(seenBy: first) else { return false }
            return running.allSatisfy { world.primary(seenBy: $0) == primary }
        }
    }
}
