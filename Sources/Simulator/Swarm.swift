import Primitives

/// Random faults under load, from one seed: what no transcript thought of. Faults for a while, then everything is mended
/// and the mesh must find itself again, with nothing that a client was promised lost or contradicted.
package struct Swarm: Sendable {
    package enum Fault: String, CaseIterable, Sendable {
        case crash, powerCut, restart, partition, isolation, oneWayCut, heal, pause, drift, loss, duplication, delay
        case slowDisk, hungDisk, mendedDisk
    }

    package struct Report: Sendable {
        package let seed: UInt64
        package let traceHash: UInt64
        package let simulated: Duration
        /// How often each fault was injected, in the order of `Fault.allCases`.
        package let faults: [Int]
        package let clients: ClientWorkload.Tally
        /// Empty in a correct run.
        package let violations: [String]
    }

    package var nodes = 5
    /// How long faults and clients go on.
    package var duration: Duration = .seconds(60)
    package var operationInterval: Duration = .milliseconds(50)
    package var checksEveryStep = true
    /// How long a mended mesh may take to agree on a primary.
    package var convergenceLimit: Duration = .seconds(60)

    package init() {}

    package func run(seed: UInt64) -> Report {
        var settings = WorldSettings(nodes: nodes, seed: seed)
        settings.checksEveryStep = checksEveryStep
        var run = Run(world: World(settings), random: SeededRandom(seed: seed ^ 0xFA17), settings: self)
        return run.play(seed: seed)
    }

    /// One run under way.
    private struct Run {
        var world: World
        var random: SeededRandom
        let settings: Swarm
        var clients: ClientWorkload
        var counts = Array(repeating: 0, count: Fault.allCases.count)

        init(world: World, random: SeededRandom, settings: Swarm) {
            self.world = world
            self.random = random
            self.settings = settings
            clients = ClientWorkload(random: self.random.fork())
        }

        mutating func play(seed: UInt64) -> Report {
            for node in 0..<world.nodeCount { world.start(node) }
            var nextFault = Instant.zero + .seconds(3)
            while world.now < .zero + settings.duration {
                clients.step(&world)
                if world.now >= nextFault {
                    inject()
                    nextFault = world.now + random.duration(in: .milliseconds(200)...(.seconds(3)))
                }
                world.run(for: settings.operationInterval)
            }
            mendEverything()
            var violations: [String] = []
            if !converge() {
                violations.append("no common primary within \(settings.convergenceLimit) of mending everything")
            }
            world.run(for: .seconds(25))
            clients.collect(&world)
            violations += world.allViolations()
            return Report(
                seed: seed, traceHash: world.trace.hash, simulated: world.now - .zero, faults: counts,
                clients: clients.tally, violations: violations)
        }

        private mutating func inject() {
            let choice = random.below(Fault.allCases.count)
            let node = random.below(world.nodeCount)
            let other = (node + 1 + random.below(max(1, world.nodeCount - 1))) % world.nodeCount
            counts[choice] += 1
            switch Fault.allCases[choice] {
            case .crash: world.stop(node, cutsPower: false)
            case .powerCut: cutPower()
            case .restart, .mendedDisk: restartAndMend()
            case .partition: partition()
            case .isolation: world.network.partition([(0..<world.nodeCount).filter { $0 != node }])
            case .oneWayCut: world.network.cut(node, other)
            case .heal: world.network.heal()
            case .pause: world.pause(node, for: random.duration(in: .milliseconds(50)...(.seconds(5))))
            case .drift: world.setDrift(ppm: Int64(random.below(60_001)) - 30_000, of: node)
            case .loss: world.network[node, other].lossPerMille = random.below(500)
            case .duplication: world.network[node, other].duplicatePerMille = random.below(500)
            case .delay:
                let most = random.duration(in: .milliseconds(1)...(.milliseconds(150)))
                world.network[node, other].latency = .microseconds(100)...most
            case .slowDisk:
                let most = random.duration(in: .milliseconds(1)...(.milliseconds(300)))
                world.nodes[node].disk.syncLatency = .microseconds(100)...most
            case .hungDisk: world.setDiskHung(true, node: node)
            }
        }

        /// One machine, or all at once.
        private mutating func cutPower() {
            let isEverywhere = random.chance(1, in: 3)
            let one = random.below(world.nodeCount)
            for node in 0..<world.nodeCount where isEverywhere || node == one { world.stop(node, cutsPower: true) }
        }

        private mutating func partition() {
            var sides: [[Int]] = [[], []]
            for node in 0..<world.nodeCount { sides[random.below(2)].append(node) }
            world.network.partition(sides)
        }

        private mutating func restartAndMend() {
            for node in 0..<world.nodeCount {
                world.setDiskHung(false, node: node)
                world.nodes[node].disk.syncLatency = SimulatedDisk().syncLatency
                world.start(node)
            }
        }

        private mutating func mendEverything() {
            world.network = SimulatedNetwork(nodes: world.nodeCount)
            restartAndMend()
            for node in 0..<world.nodeCount { world.setDrift(ppm: 0, of: node) }
        }

        /// Everyone, paused nodes included, names the same primary.
        private mutating func converge() -> Bool {
            world.run(atMost: settings.convergenceLimit) { world in
                guard let primary = world.primary(seenBy: 0) else { return false }
                return (1..<world.nodeCount).allSatisfy { world.primary(seenBy: $0) == primary }
            }
        }
    }
}
