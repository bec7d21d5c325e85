import Primitives
import Raft
import Testing

/// Random schedules of everything at once, then a quiet phase in which the cluster must recover.
@Suite struct ConsensusSwarmTests {
    @Test("no seed breaks a law, and every seed recovers", arguments: 0..<12)
    func swarm(block: Int) {
        for seed in UInt64(block * 25)..<UInt64(block * 25 + 25) {
            let swarm = Swarm(seed: seed)
            swarm.run()
            #expect(swarm.cluster.violations.isEmpty, "replay: Swarm(seed: \(seed)).run()")
            #expect(swarm.hasRecovered, "no commit on every replica after healing; replay: Swarm(seed: \(seed)).run()")
        }
    }

    @Test("equal seeds give equal histories")
    func determinism() {
        let first = Swarm(seed: 7)
        let second = Swarm(seed: 7)
        first.run()
        second.run()
        #expect(first.cluster.checker.committed == second.cluster.checker.committed)
        #expect(first.cluster.now == second.cluster.now)
        #expect(!first.cluster.checker.committed.isEmpty)
    }
}

/// One seed's world: its size, clocks, loss and faults are drawn from the seed.
final class Swarm {
    let cluster: ConsensusCluster
    private var random: SeededRandom
    private var payload: UInt64 = 0
    private(set) var hasRecovered = false

    init(seed: UInt64) {
        random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 17)
        let size = [3, 3, 5, 5, 4, 2][random.below(6)]
        let preferred = random.chance(1, in: 2)
        let window = 1 + random.below(6)
        // In two of three seeds followers fall behind what the log still holds all the time.
        let often = random.chance(2, in: 3) ? 3 + random.below(20) : nil
        cluster = ConsensusCluster(size, seed: seed) { place in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.maxAppendsInFlight = window
            config.maxEntriesBytesPerAppend = 64
            config.transferStability = .milliseconds(300)
            config.transferCooldown = .milliseconds(500)
            config.diskHangLimit = .milliseconds(200)
            if let often {
                config.snapshotAfterEntries = often
                config.keptEntries = often / 3
                config.snapshotChunkBytes = 150
                config.snapshotStallLimit = .milliseconds(400)
            }
            if preferred { config.priorities = [ReplicaID(1): 2, ReplicaID(2): 1] }
            return config
        }
        for place in 0..<size {
            cluster.setClock(
                place, ratePerMille: Int64(900 + random.below(201)), offset: Int64(random.below(1 << 40)))
        }
        if random.chance(2, in: 3) { cluster.lossPerMille = random.below(150) }
        if random.chance(1, in: 2) { cluster.repeatPerMille = random.below(200) }
        if random.chance(1, in: 2) { cluster.stragglePerMille = random.below(150) }
        if random.chance(1, in: 2) { cluster.diskDelay = .zero...(.milliseconds(Int64(1 + random.below(40)))) }
    }

    func run() {
        for _ in 0..<120 {
            disturb()
            work()
            cluster.run(for: random.duration(in: .milliseconds(1)...(.milliseconds(60))))
        }
        recover()
        cluster.checker.checkLogMatching(cluster)
    }

    private func disturb() {
        let place = random.below(cluster.count)
        switch random.below(16) {
        case 0 where cluster.nodes[place].core != nil: cluster.crash(place)
        case 1, 2: reviveOne()
        case 3: cluster.isolate(place)
        case 4: cluster.cut(from: place, to: random.below(cluster.count))
        case 5: cluster.cut(place, random.below(cluster.count))
        case 6, 7: cluster.healLinks()
        case 8 where cluster.nodes[place].core != nil: cluster.pause(place)
        case 9: resumeAll()
        case 10 where cluster.nodes[place].core != nil:
            cluster.transfer(from: cluster.leader ?? place, to: random.below(cluster.count))
        case 11 where random.chance(1, in: 4):
            for place in 0..<cluster.count where cluster.nodes[place].core != nil { cluster.crash(place) }
            for place in 0..<cluster.count { cluster.restart(place) }
        default: break
        }
    }

    private func reviveOne() {
        if let place = (0..<cluster.count).first(where: { cluster.nodes[$0].core == nil }) { cluster.restart(place) }
    }

    private func resumeAll() {
        for place in 0..<cluster.count where cluster.nodes[place].isPaused { cluster.resume(place) }
    }

    private func work() {
        for place in 0..<cluster.count where cluster.nodes[place].core?.role == .leader {
            for _ in 0..<random.below(4) {
                payload += 1
                cluster.propose((0..<8).map { UInt8(truncatingIfNeeded: payload >> (8 * $0)) }, on: place)
            }
        }
        let reader = random.below(cluster.count)
        if cluster.nodes[reader].core != nil, !cluster.nodes[reader].isPaused { _ = cluster.requestRead(on: reader) }
    }

    /// Heals everything: then one leader must commit a new entry on every replica, and every read be answered.
    private func recover() {
        cluster.healLinks()
        resumeAll()
        for place in 0..<cluster.count where cluster.nodes[place].core == nil { cluster.restart(place) }
        cluster.lossPerMille = 0
        cluster.stragglePerMille = 0
        cluster.diskDelay = .zero...(.milliseconds(1))
        let isLed = { [cluster] in cluster.leader.map { cluster.holdsLease($0) } ?? false }
        guard cluster.run(within: .seconds(5), until: isLed) else { return }
        let isDone = { [cluster] in
            guard let leader = cluster.leader, cluster.holdsLease(leader) else { return false }
            let goal = cluster.core(leader).lastIndex
            return (0..<cluster.count).allSatisfy { cluster.core($0).appliedIndex == goal }
        }
        if let leader = cluster.leader { cluster.propose([1], on: leader) }
        hasRecovered = cluster.run(within: .seconds(5), until: isDone)
    }
}
