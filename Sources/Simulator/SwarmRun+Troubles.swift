import Authority
import Primitives
import Raft

// What each kind of trouble does.
extension SwarmRun {
    /// Returns what it did, for a person.
    mutating func cause(_ trouble: SwarmPlan.Trouble) -> String {
        let node = target()
        var other = (node + 1 + random.below(max(1, world.nodeCount - 1))) % world.nodeCount
        if plan.focus == .handOvers, node != 0, random.chance(1, in: 2) { other = 0 }
        switch trouble {
        case .partition, .isolation, .oneWayCut, .topology, .flap: cutNetwork(trouble, node, other)
        case .loss: world.network[node, other].lossPerMille = random.below(500)
        case .duplication: world.network[node, other].duplicatePerMille = random.below(500)
        case .delay:
            let most = random.duration(in: .milliseconds(1)...(.milliseconds(150)))
            world.network[node, other].latency = .microseconds(100)...most
        case .reordering, .clog, .streamStall, .corruption, .truncation, .replay, .misdelivery, .strangeSource,
            .straggling, .impersonation:
            disturb(trouble, node, other)
        case .streamReset: world.resetStreams(node, other)
        case .foreignFrames: world.sendForeignFrames(1 + random.below(20), to: node)
        case .slowDisk, .hungDisk, .fullDisk, .syncError, .syncErrorOnce, .lyingDisk: troubleDisk(trouble, node)
        case .misdirectedWrite, .rot, .readError, .cutTail, .wipe, .rollBack: harmDisk(trouble)
        case .drift: world.setDrift(ppm: Int64(random.below(80_001)) - 40_000, of: node)
        case .wallJump: world.jumpWallClock(by: .seconds(random.below(7201) - 3600), of: node)
        case .pause: world.pause(node, for: random.duration(in: .milliseconds(50)...(.seconds(4))))
        case .suspend: world.pause(node, for: random.duration(in: .seconds(5)...(.seconds(30))))
        case .lateTimers: world.nodes[node].timerLateness = random.duration(in: .milliseconds(1)...(.milliseconds(200)))
        case .crash, .killInBatch, .powerCutInBatch, .powerCut, .powerCutAll, .powerCutInRecovery: end(trouble, node)
        case .bounce: bounce(node)
        case .removal:
            remove(node, other)
        case .slowStart:
            world.stop(node, cutsPower: false)
            world.start(node, after: random.duration(in: .milliseconds(100)...(.seconds(10))))
        case .newConfiguration:
            world.stop(node, cutsPower: false)
            world.startReconfigured(node, heartbeatInterval: .milliseconds(30 + random.below(90)))
        case .upgrade:
            world.stop(node, cutsPower: false)
            world.install(.current, on: node)
            world.start(node)
        }
        return "\(trouble) n\(node + 1) (n\(other + 1))"
    }

    /// Any node; at times the one that leads.
    private mutating func target() -> Int {
        let drawn = random.below(world.nodeCount)
        // Whom the others hand over to.
        if plan.focus == .handOvers, random.chance(1, in: 3) { return 0 }
        guard plan.huntsLeader, random.chance(1, in: 2) else { return drawn }
        return (0..<world.nodeCount).first { world.isLeading($0) } ?? drawn
    }

    private mutating func cutNetwork(_ trouble: SwarmPlan.Trouble, _ node: Int, _ other: Int) {
        switch trouble {
        case .partition:
            var sides: [[Int]] = [[], []]
            for node in 0..<world.nodeCount { sides[random.below(2)].append(node) }
            world.partition(sides)
        case .isolation: world.isolate(node)
        case .oneWayCut: world.cutOneWay(node, other)
        case .topology:
            var edges: [(Int, Int)] = []
            for a in 0..<world.nodeCount {
                for b in 0..<a where random.chance(3, in: 5) { edges.append((a, b)) }
            }
            world.keepOnly(edges)
        default: startFlapping(node, other, for: random.duration(in: .seconds(1)...(.seconds(5))))
        }
    }

    private mutating func disturb(_ trouble: SwarmPlan.Trouble, _ node: Int, _ other: Int) {
        var mischief = world.network.mischief(from: node, to: other)
        let share = 1 + random.below(300)
        switch trouble {
        case .reordering: mischief.reorderPerMille = share
        case .clog: mischief.cloggedUntil = world.now + random.duration(in: .milliseconds(100)...(.seconds(5)))
        case .streamStall: mischief.stalledUntil = world.now + random.duration(in: .milliseconds(100)...(.seconds(5)))
        case .corruption: mischief.corruptPerMille = share
        case .truncation: mischief.truncatePerMille = share
        case .replay: mischief.replayPerMille = share
        case .misdelivery: mischief.misdeliverPerMille = share
        case .straggling: mischief.stragglePerMille = share
        case .impersonation: mischief.impersonatePerMille = share
        default: mischief.strangeSourcePerMille = share
        }
        world.network.setMischief(mischief, from: node, to: other)
    }

    private mutating func troubleDisk(_ trouble: SwarmPlan.Trouble, _ node: Int) {
        switch trouble {
        case .slowDisk:
            let most = random.duration(in: .milliseconds(1)...(.milliseconds(300)))
            world.nodes[node].disk.syncLatency = .microseconds(100)...most
        case .hungDisk: world.setDiskHung(true, node: node)
        case .fullDisk: world.changeTrouble(of: node) { $0.isFull = true }
        case .syncError: world.changeTrouble(of: node) { $0.syncFailure = .always }
        case .syncErrorOnce: world.changeTrouble(of: node) { $0.syncFailure = .once }
        default:
            guard let node = victim() else { return }
            world.changeTrouble(of: node) { $0.isLying = true }
        }
    }

    private mutating func harmDisk(_ trouble: SwarmPlan.Trouble) {
        guard let node = victim() else { return }
        world.note("n\(node + 1) is harmed")
        switch trouble {
        case .misdirectedWrite: world.changeTrouble(of: node) { $0.misdirectsNext = true }
        case .rot:
            let part = WALLayout.Part.allCases[random.below(WALLayout.Part.allCases.count)]
            _ = world.nodes[node].disk.rot(part, .any, random: &random)
        case .readError:
            // Files are read when a node starts.
            world.stop(node, cutsPower: false)
            let part: WALLayout.Part = random.chance(1, in: 2) ? .slotA : .segmentHeader
            _ = world.nodes[node].disk.makeUnreadable(part)
        case .cutTail:
            world.stop(node, cutsPower: false)
            _ = world.nodes[node].disk.cutTail(bytes: 1 + random.below(400))
        case .rollBack where !world.isVoter(node):
            rollBack(node)
        default:
            forget(node)
        }
    }

    /// Takes a copy the first time, and goes back to it the next.
    private mutating func rollBack(_ node: Int) {
        guard let copy = world.nodes[node].diskCopy else {
            world.nodes[node].diskCopy = world.nodes[node].disk
            return
        }
        world.stop(node, cutsPower: true)
        world.nodes[node].disk.rollBack(to: copy)
    }

    /// Asks for one or two nodes to be taken out; at times of a leader that nobody hears any more, so that what it appends
    /// is cut off again.
    private mutating func remove(_ node: Int, _ other: Int) {
        world.faults.note(.removal)
        if random.chance(1, in: 3), let leader = (0..<world.nodeCount).first(where: { world.isLeading($0) }) {
            world.isolate(leader)
            _ = world.removeMember(node, on: leader)
        } else {
            _ = world.removeMember(node, on: other)
        }
        if random.chance(1, in: 2) { _ = world.removeMember(other, on: random.below(world.nodeCount)) }
    }

    /// The process ends, or its power, and is back at once.
    private mutating func bounce(_ node: Int) {
        guard world.nodes[node].isRunning else { return }
        world.faults.note(.bounce)
        if random.chance(1, in: 2) { cutPower(node) } else { world.stop(node, cutsPower: false) }
        world.start(node)
    }

    private mutating func end(_ trouble: SwarmPlan.Trouble, _ node: Int) {
        switch trouble {
        case .crash: world.stop(node, cutsPower: false)
        case .killInBatch: world.doom(node, afterOperations: random.below(8), cutsPower: false)
        case .powerCutInBatch:
            guard world.nodes[node].disk.trouble?.isLying != true else { return }
            world.doom(node, afterOperations: random.below(8), cutsPower: true)
        case .powerCut: cutPower(node)
        case .powerCutAll:
            world.faults.note(.powerCutAll)
            for node in 0..<world.nodeCount { cutPower(node) }
        default:
            cutPower(node)
            world.startAndCutPower(node, afterRepairs: random.below(4))
        }
    }
}
