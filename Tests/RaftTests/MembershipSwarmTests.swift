import Primitives
import Raft
import Testing

/// Random changes of voters and learners among crashes, cuts, loss and slow disks.
@Suite struct MembershipSwarmTests {
    @Test("no schedule of changes and faults breaks a law, and every seed recovers", arguments: 0..<8)
    func swarm(block: Int) {
        for seed in UInt64(block * 25)..<UInt64(block * 25 + 25) {
            let swarm = MembershipSwarm(seed: seed)
            swarm.run()
            #expect(swarm.cluster.violations.isEmpty, "replay: MembershipSwarm(seed: \(seed)).run()")
            #expect(swarm.hasRecovered, "no commit after healing; replay: MembershipSwarm(seed: \(seed)).run()")
        }
    }
}

final class MembershipSwarm {
    let cluster: ConsensusCluster
    private var random: SeededRandom
    private(set) var hasRecovered = false
    private(set) var changes = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed &* 0x51_7CC1 &+ 3)
        let window = 1 + random.below(4)
        cluster = ConsensusCluster(6, voters: Array(0..<(1 + random.below(5))), seed: seed) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.maxAppendsInFlight = window
            config.maxEntriesBytesPerAppend = 64
            config.diskHangLimit = .milliseconds(200)
            return config
        }
        if random.chance(1, in: 2) { cluster.lossPerMille = random.below(150) }
        if random.chance(1, in: 3) { cluster.stragglePerMille = random.below(150) }
        if random.chance(1, in: 2) { cluster.diskDelay = .zero...(.milliseconds(Int64(1 + random.below(30)))) }
    }

    func run() {
        for _ in 0..<150 {
            disturb()
            if let leader = cluster.leader {
                cluster.propose([1], on: leader)
                _ = cluster.requestRead(on: leader)
                if random.chance(1, in: 2) { change(on: leader) }
            }
            cluster.run(for: random.duration(in: .milliseconds(1)...(.milliseconds(50))))
        }
        recover()
        cluster.checker.checkLogMatching(cluster)
    }

    private func change(on leader: Int) {
        let size = 1 + random.below(5)
        var places = Array(0..<6)
        for place in places.indices { places.swapAt(place, random.below(6)) }
        let learners = places.dropFirst(size).prefix(random.below(3))
        if case .success = cluster.change(to: Array(places.prefix(size)), learners: Array(learners), on: leader) {
            changes += 1
        }
    }

    private func disturb() {
        let place = random.below(cluster.count)
        switch random.below(14) {
        case 0 where cluster.nodes[place].core != nil: cluster.crash(place)
        case 1, 2: reviveOne()
        case 3: cluster.isolate(place)
        case 4: cluster.cut(from: place, to: random.below(cluster.count))
        case 5: cluster.cut(place, random.below(cluster.count))
        case 6, 7, 8: cluster.healLinks()
        case 9 where cluster.nodes[place].core != nil:
            cluster.transfer(from: cluster.leader ?? place, to: random.below(cluster.count))
        default: break
        }
    }

    private func reviveOne() {
        if let place = (0..<cluster.count).first(where: { cluster.nodes[$0].core == nil }) { cluster.restart(place) }
    }

    private func recover() {
        cluster.healLinks()
        for place in 0..<cluster.count where cluster.nodes[place].core == nil { cluster.restart(place) }
        cluster.lossPerMille = 0
        cluster.stragglePerMille = 0
        cluster.diskDelay = .zero...(.milliseconds(1))
        let isDone = { [cluster] in
            guard let leader = cluster.leader, cluster.holdsLease(leader) else { return false }
            let core = cluster.core(leader)
            guard !core.isChangeUnfinished else { return false }
            return core.configuration.members.allSatisfy { id in
                cluster.core(Int(id.value) - 1).appliedIndex == core.lastIndex
            }
        }
        hasRecovered = cluster.run(within: .seconds(10), until: isDone)
    }
}
