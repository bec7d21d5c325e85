import Primitives
import Raft
import Testing

/// Observers pull what is committed, and how recent it is, through a tree in which nobody serves more than eight.
@Suite struct ObserverTreeTests {
    private static let fanOut = ObserverTree.fanOut

    /// Three voters led by place 0, and this many observers.
    private func cluster(
        observers: Int, seed: UInt64 = 1, configure: @escaping (inout RaftConfig) -> Void = { _ in }
    ) throws -> ConsensusCluster {
        let cluster = ConsensusCluster(3 + observers, voters: [0, 1, 2], seed: seed) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.priorities = [ReplicaID(1): 9]
            configure(&config)
            return config
        }
        try #require(cluster.run(within: .seconds(15)) { cluster.holdsLease(0) })
        let admit = {
            if case .success = cluster.change(to: [0, 1, 2], learners: Array(3..<3 + observers), on: 0) { return true }
            return false
        }
        try #require(cluster.run(within: .seconds(1), until: admit))
        try #require(cluster.run(within: .seconds(5)) { haveAll(cluster, places: 0..<cluster.count) })
        return cluster
    }

    private func haveAll(_ cluster: ConsensusCluster, places: Range<Int>) -> Bool {
        guard let leader = cluster.leader else { return false }
        let last = cluster.core(leader).lastIndex
        return places.allSatisfy { cluster.nodes[$0].core.map { $0.appliedIndex == last } ?? true }
    }

    private func age(_ cluster: ConsensusCluster, _ place: Int) -> Duration? {
        cluster.core(place).freshness.confirmedAt.map { cluster.localTime(place) - $0 }
    }

    /// Whom the leader at place 0 sends heartbeats within this time, and how many other messages the rest got.
    private func served(_ cluster: ConsensusCluster, for span: Duration) -> (places: Set<Int>, others: Int) {
        var places: Set<Int> = []
        var receivers: [Int] = []
        cluster.filter = { message, from, to in
            if from == 0 { receivers.append(to) }
            if from == 0, case .heartbeat = message { places.insert(to) }
            return true
        }
        cluster.run(for: span)
        cluster.filter = nil
        return (places, receivers.count { !places.contains($0) })
    }

    // MARK: Shape

    @Test("nobody is asked first by more than eight, and the leader is never more than three steps away")
    func shape() {
        for count in [1, 8, 9, 72, 73, 500] {
            let replicas = (10..<UInt64(10 + count)).map { ReplicaID($0) }
            let voters = [ReplicaID(1), ReplicaID(2), ReplicaID(3)]
            let tree = ObserverTree(Configuration(voters: voters, learners: replicas))
            #expect(Array(tree.top) == Array(replicas.prefix(8)))
            var served: [ReplicaID: Int] = [:]
            for replica in replicas.dropFirst(8) {
                let sources = tree.sources(of: replica, leader: ReplicaID(2))
                served[sources[0], default: 0] += 1
                #expect(sources.prefix { !tree.top.contains($0) }.count <= 1, "two steps to the top at most")
                #expect(Set(sources).count == sources.count && sources.last == ReplicaID(2))
                #expect(Set(sources).isSuperset(of: [ReplicaID(1), ReplicaID(3)]))
                #expect(!sources.contains(replica))
            }
            #expect(served.values.allSatisfy { $0 <= 8 })
        }
    }

    // MARK: Entries

    @Test("a leader speaks to voters and eight observers; what is committed reaches all the others without it")
    func unburdened() throws {
        let cluster = try cluster(observers: 80)
        cluster.run(for: .seconds(1))
        cluster.propose([7], on: 0)
        let served = served(cluster, for: .milliseconds(500))
        #expect(served.places == Set(1...10))
        #expect(served.others <= 26, "a reminder every 20 ms")
        #expect(haveAll(cluster, places: 0..<83))
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("nothing that is not committed is handed on")
    func committedOnly() throws {
        let cluster = try cluster(observers: 20)
        cluster.run(for: .milliseconds(500))
        // Those at the bottom fall behind by an entry, and when they are heard again the next cannot be committed.
        cluster.filter = { message, _, _ in if case .fetched = message { false } else { true } }
        cluster.propose([7], on: 0)
        cluster.run(for: .milliseconds(60))
        let committed = cluster.core(0).commitIndex
        cluster.filter = { message, from, to in if case .append = message { from != 0 || to > 2 } else { true } }
        cluster.propose([8], on: 0)
        cluster.run(for: .milliseconds(80))
        #expect(cluster.core(3).lastIndex == committed.next, "one at the top has it")
        #expect((11..<23).allSatisfy { cluster.core($0).lastIndex == committed })
        cluster.filter = nil
        #expect(cluster.run(within: .seconds(1)) { haveAll(cluster, places: 0..<23) })
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("an observer at the bottom learns of a new leader and its term, and proposals find the way there")
    func newLeader() throws {
        let cluster = try cluster(observers: 20)
        cluster.crash(0)
        #expect(cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        let leader = try #require(cluster.leader)
        cluster.propose([7], on: leader)
        #expect(cluster.run(within: .seconds(1)) { haveAll(cluster, places: 1..<23) })
        cluster.run(for: .milliseconds(300))
        for place in 11..<23 {
            #expect(cluster.core(place).leader == cluster.nodes[leader].id)
            #expect(cluster.core(place).term == cluster.core(leader).term)
        }
        let read = cluster.requestRead(on: 22)
        #expect(cluster.run(within: .seconds(1)) { cluster.nodes[22].reads[read]?.answer != nil })
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("whose parent is gone asks elsewhere, and the parent again when it is back")
    func orphan() throws {
        let cluster = try cluster(observers: 20)
        cluster.run(for: .milliseconds(500))
        // Place 3 is the first observer, the parent of the ninth to the sixteenth: places 11 to 18.
        cluster.crash(3)
        cluster.run(for: .milliseconds(200))
        cluster.propose([7], on: 0)
        #expect(cluster.run(within: .milliseconds(500)) { haveAll(cluster, places: 0..<23) })
        cluster.run(for: .seconds(1))
        #expect(try #require(age(cluster, 11)) < .milliseconds(200))
        cluster.restart(3)
        cluster.run(for: .seconds(1))
        var asked: Set<Int> = []
        cluster.filter = { message, from, to in
            if case .fetch = message, from == 11 { asked.insert(to) }
            return true
        }
        cluster.run(for: .seconds(1))
        #expect(asked == [3])
    }

    @Test("who reaches nobody but the leader is served by it")
    func lonely() throws {
        let cluster = try cluster(observers: 20)
        for place in 1..<22 { cluster.cut(22, place) }
        cluster.run(for: .milliseconds(500))
        for value in 0..<20 {
            cluster.propose([UInt8(value)], on: 0)
            #expect(cluster.run(within: .milliseconds(350)) { haveAll(cluster, places: 22..<23) })
        }
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("who is too far behind gets the leader's snapshot, and leaves the leader alone afterwards")
    func snapshot() throws {
        let cluster = try cluster(observers: 20) {
            $0.snapshotAfterEntries = 50
            $0.keptEntries = 10
            $0.transferStability = .seconds(100)
        }
        cluster.crash(22)
        for _ in 0..<300 {
            cluster.propose([1, 2, 3], on: 0)
            cluster.run(for: .milliseconds(2))
        }
        #expect(cluster.core(3).log.base.index > LogIndex(100))
        cluster.restart(22)
        #expect(cluster.run(within: .seconds(3)) { haveAll(cluster, places: 0..<23) })
        #expect(cluster.nodes[22].installCount == 1)
        cluster.run(for: .seconds(1))
        #expect(!served(cluster, for: .seconds(1)).places.contains(22))
        #expect(try #require(age(cluster, 22)) < .milliseconds(200))
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("a leader serves an observer at the bottom itself while it may be given a vote, and then it is ready")
    func promotion() throws {
        let cluster = try cluster(observers: 20) { $0.transferStability = .seconds(1) }
        var isReady = false
        for _ in 0..<30 where !isReady {
            isReady = cluster.readyLearners(among: [22], on: 0) == [22]
            cluster.run(for: .milliseconds(100))
        }
        #expect(isReady)
        #expect(served(cluster, for: .milliseconds(200)).places.contains(22))
        cluster.change(to: [0, 1, 2, 21, 22], learners: Array(3..<21), on: 0)
        #expect(cluster.run(within: .seconds(1)) { haveAll(cluster, places: 0..<23) })
        #expect(cluster.readyLearners(among: [], on: 0).isEmpty)
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("who was unreachable when it was admitted is reminded, by whoever leads then")
    func reminded() throws {
        let cluster = ConsensusCluster(23, voters: [0, 1, 2])
        let hasLeader = { cluster.leader.map { cluster.holdsLease($0) } ?? false }
        try #require(cluster.run(within: .seconds(3), until: hasLeader))
        cluster.run(for: .milliseconds(50))
        cluster.isolate(22)
        let first = try #require(cluster.leader)
        cluster.change(to: [0, 1, 2], learners: Array(3..<23), on: first)
        #expect(cluster.run(within: .seconds(1)) { haveAll(cluster, places: 0..<22) })
        cluster.crash(first)
        try #require(cluster.run(within: .seconds(3), until: hasLeader))
        cluster.healLinks()
        #expect(cluster.run(within: .seconds(1)) { haveAll(cluster, places: 0..<23) })
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    // MARK: Freshness

    @Test("an idle mesh keeps observers at any depth fresh: a few heartbeats old")
    func fresh() throws {
        let cluster = try cluster(observers: 80)
        var oldest: [Duration] = [.zero, .zero, .zero]
        cluster.run(for: .seconds(1))
        for _ in 0..<50 {
            cluster.run(for: .milliseconds(23))
            for place in 3..<83 {
                let depth = place < 11 ? 0 : place < 75 ? 1 : 2
                oldest[depth] = max(oldest[depth], try #require(age(cluster, place)))
            }
        }
        // Rounds are 20 ms apart.
        #expect(oldest[0] < .milliseconds(70), "\(oldest)")
        #expect(oldest[1] < .milliseconds(100), "\(oldest)")
        #expect(oldest[2] < .milliseconds(130), "\(oldest)")
    }

    @Test("what an observer holds is never older than it says, whatever is lost, late or cut off", arguments: 1...4)
    func proven(seed: Int) throws {
        // The cluster holds what each replica says against when entries were committed, after every step.
        let cluster = try cluster(observers: 24, seed: UInt64(seed))
        cluster.lossPerMille = 100
        cluster.stragglePerMille = 100
        cluster.straggleDelay = .milliseconds(150)
        for round in 0..<250 {
            if round % 90 == 40 {
                let rest = (0..<27).filter { $0 != 3 && $0 != 12 && $0 != 1 }
                cluster.partition([1, 3, 12], rest)
            } else if round % 90 == 75 {
                cluster.healLinks()
            }
            if let leader = cluster.leader { cluster.propose([UInt8(round % 256)], on: leader) }
            cluster.run(for: .milliseconds(7))
        }
        #expect((11..<27).allSatisfy { cluster.core($0).freshness.confirmedIndex > LogIndex(100) })
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }

    @Test("crashes, cuts, changes of the configuration: all converge, nobody applies anything else", arguments: 1...6)
    func storms(seed: Int) throws {
        let cluster = try cluster(observers: 22, seed: UInt64(seed)) {
            $0.snapshotAfterEntries = 40
            $0.keptEntries = 20
        }
        cluster.lossPerMille = 50
        cluster.repeatPerMille = 50
        var random = SeededRandom(seed: UInt64(1000 + seed))
        for _ in 0..<60 {
            let place = random.below(25)
            switch random.below(6) {
            case 0 where cluster.nodes[place].core != nil: cluster.crash(place)
            case 1: for place in 0..<25 where cluster.nodes[place].core == nil { cluster.restart(place) }
            case 2: cluster.cut(place, random.below(25))
            case 3: cluster.healLinks()
            case 4:
                guard let leader = cluster.leader else { break }
                cluster.change(to: [0, 1, 2], learners: (3..<25).filter { $0 != place }, on: leader)
            default: break
            }
            for _ in 0..<5 {
                if let leader = cluster.leader { cluster.propose([1], on: leader) }
                cluster.run(for: .milliseconds(10))
            }
        }
        cluster.healLinks()
        for place in 0..<25 where cluster.nodes[place].core == nil { cluster.restart(place) }
        cluster.lossPerMille = 0
        let isWhole = {
            guard let leader = cluster.leader else { return false }
            if case .success = cluster.change(to: [0, 1, 2], learners: Array(3..<25), on: leader) { return false }
            return self.haveAll(cluster, places: 0..<25) && cluster.core(leader).configuration.learners.count == 22
        }
        for _ in 0..<200 where !isWhole() { cluster.run(for: .milliseconds(50)) }
        #expect(isWhole())
        #expect(cluster.violations.isEmpty, "\(cluster.violations)")
    }
}
