import Primitives
import Raft
import Testing

@Suite struct PartitionTests {
    /// A cluster whose leader holds a lease and has committed its no-op.
    private func settled(
        _ count: Int, seed: UInt64 = 1, timeout: Duration = .milliseconds(100)
    ) throws -> (ConsensusCluster, leader: Int) {
        let cluster = ConsensusCluster(count, seed: seed) { _ in RaftConfig(electionTimeout: timeout) }
        _ = cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false }
        cluster.run(for: .milliseconds(100))
        return (cluster, try #require(cluster.leader))
    }

    private func commits(_ cluster: ConsensusCluster, on leader: Int) -> Bool {
        guard case .success(let position)? = cluster.propose([42], on: leader) else { return false }
        return cluster.run(within: .milliseconds(500)) { cluster.core(leader).commitIndex >= position.index }
    }

    private func hasNewLeader(_ cluster: ConsensusCluster, than old: Int) -> Bool {
        cluster.run(within: .seconds(2)) { cluster.leader.map { $0 != old && cluster.holdsLease($0) } ?? false }
    }

    @Test("case 1: the minority's leader acknowledges nothing and its tail is replaced on healing")
    func minorityLeader() throws {
        let (cluster, old) = try settled(5)
        let companion = (old + 1) % 5
        cluster.partition([old, companion], (0..<5).filter { $0 != old && $0 != companion })
        guard case .success(let lost)? = cluster.propose([13], on: old) else {
            Issue.record("the leader cannot know yet")
            return
        }
        #expect(hasNewLeader(cluster, than: old))
        #expect(cluster.core(old).role != .leader && cluster.core(old).commitIndex < lost.index)
        let new = try #require(cluster.leader)
        #expect(commits(cluster, on: new))
        cluster.healLinks()
        cluster.run(for: .milliseconds(500))
        #expect(cluster.core(old).log.term(at: lost.index) != lost.term)
        #expect((0..<5).allSatisfy { cluster.core($0).commitIndex == cluster.core(new).commitIndex })
        #expect(cluster.violations.isEmpty)
    }

    @Test("a replica says why its role changed: elected, heard of, unanswered, silence")
    func causes() throws {
        let (cluster, old) = try settled(3)
        #expect(cluster.core(old).roleCause == .elected)
        let others = (0..<3).filter { $0 != old }
        #expect(others.allSatisfy { cluster.core($0).roleCause == .heard })
        cluster.partition([old], others)
        var causes: [Int: Set<RoleCause>] = [:]
        _ = cluster.run(within: .seconds(1)) {
            for place in 0..<3 { causes[place, default: []].formUnion(cluster.core(place).roleCause.map { [$0] } ?? []) }
            return false
        }
        #expect(causes[old]?.contains(.unanswered) == true)
        #expect(others.contains { causes[$0]?.isSuperset(of: [.silence, .elected]) == true })
    }

    @Test("case 2: split 2|2|1 commits nothing; one leader after healing")
    func threeWays() throws {
        let (cluster, old) = try settled(5)
        let others = (0..<5).filter { $0 != old }
        cluster.partition([old, others[0]], [others[1], others[2]], [others[3]])
        let before = cluster.checker.committed.count
        cluster.propose([1], on: old)
        cluster.run(for: .seconds(2))
        #expect(cluster.checker.committed.count == before && cluster.leader == nil)
        cluster.healLinks()
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 3: a leader that can only send steps down and stops its heartbeats")
    func deafLeader() throws {
        let (cluster, old) = try settled(5)
        for other in 0..<5 where other != old { cluster.cut(from: other, to: old) }
        #expect(cluster.run(within: .milliseconds(250)) { cluster.core(old).role != .leader })
        var heartbeats = 0
        cluster.filter = { message, from, _ in
            if from == old, case .heartbeat = message { heartbeats += 1 }
            return true
        }
        #expect(hasNewLeader(cluster, than: old))
        #expect(heartbeats == 0)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 4: a leader that can only receive is replaced and follows its successor")
    func muteLeader() throws {
        let (cluster, old) = try settled(5)
        for other in 0..<5 where other != old { cluster.cut(from: old, to: other) }
        #expect(hasNewLeader(cluster, than: old))
        let new = try #require(cluster.leader)
        cluster.run(for: .milliseconds(100))
        #expect(cluster.core(old).leader == cluster.nodes[new].id)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 5: a follower that can only send for ten minutes changes no term")
    func deafFollower() throws {
        let (cluster, leader) = try settled(5, timeout: .seconds(1))
        let term = cluster.core(leader).term
        let follower = (leader + 1) % 5
        for other in 0..<5 where other != follower { cluster.cut(from: other, to: follower) }
        cluster.run(for: .seconds(600))
        #expect((0..<5).allSatisfy { cluster.core($0).term == term })
        #expect(cluster.leader == leader && cluster.violations.isEmpty)
    }

    @Test("case 6: a bridge between halves that see only it keeps one leader that commits")
    func bridge() throws {
        let (cluster, leader) = try settled(5)
        let term = cluster.core(leader).term
        for a in [0, 1] { for b in [3, 4] { cluster.cut(a, b) } }
        cluster.run(for: .seconds(20))
        let after = try #require(cluster.leader)
        #expect(commits(cluster, on: after))
        #expect(cluster.core(after).term.value - term.value <= 2)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 8: replicas that do not reach the leader do not interrupt it")
    func fringe() throws {
        let (cluster, first) = try settled(5)
        cluster.transfer(from: first, to: 2)
        _ = cluster.run(within: .seconds(2)) { cluster.leader == 2 && cluster.holdsLease(2) }
        let term = cluster.core(2).term
        let edges = [[0, 1], [0, 2], [1, 2], [1, 3], [2, 4]]
        for a in 0..<5 { for b in a + 1..<5 where !edges.contains([a, b]) { cluster.cut(a, b) } }
        cluster.run(for: .seconds(30))
        #expect(cluster.leader == 2 && cluster.core(2).term == term && commits(cluster, on: 2))
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 14: a replica that rejoins after a long isolation finds the same leader and term")
    func rejoin() throws {
        let (cluster, leader) = try settled(3)
        let term = cluster.core(leader).term
        let lonely = (leader + 1) % 3
        cluster.isolate(lonely)
        for _ in 0..<100 {
            cluster.propose([1], on: leader)
            cluster.run(for: .milliseconds(300))
        }
        cluster.healLinks()
        cluster.run(for: .milliseconds(500))
        #expect(cluster.leader == leader && cluster.core(lonely).term == term)
        #expect(cluster.core(lonely).commitIndex == cluster.core(leader).commitIndex)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 36: when the leader's disk hangs another replica leads")
    func hungDisk() throws {
        let (cluster, old) = try settled(3)
        cluster.hangDisk(old)
        cluster.propose([1], on: old)
        #expect(cluster.run(within: .seconds(3)) { cluster.leader.map { $0 != old } ?? false })
        #expect(commits(cluster, on: try #require(cluster.leader)))
        #expect(cluster.violations.isEmpty)
    }

    @Test("all replicas crash at once: nothing that was committed is lost")
    func powerCut() throws {
        for seed in UInt64(0)..<20 {
            let (cluster, leader) = try settled(5, seed: seed)
            for value in UInt8(0)..<30 { cluster.propose([value], on: leader) }
            cluster.run(for: .milliseconds(Int64(seed)))
            let committed = cluster.checker.committed
            for place in 0..<5 { cluster.crash(place) }
            for place in 0..<5 { cluster.restart(place) }
            #expect(cluster.run(within: .seconds(3)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            #expect(commits(cluster, on: try #require(cluster.leader)))
            #expect(Array(cluster.checker.committed.prefix(committed.count)) == committed)
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }

    @Test("case 31: log time goes on across leaders and counts the gap once")
    func logTime() throws {
        let (cluster, old) = try settled(3)
        let start = cluster.core(old).logTime(at: cluster.localTime(old))
        cluster.run(for: .seconds(6))
        cluster.crash(old)
        #expect(hasNewLeader(cluster, than: old))
        cluster.run(for: .seconds(2))
        let new = try #require(cluster.leader)
        let elapsed = cluster.core(new).logTime(at: cluster.localTime(new)) - start
        #expect(elapsed > .seconds(8) && elapsed < .milliseconds(8600))
        #expect(cluster.violations.isEmpty)
    }

    @Test("freshness follows the leader closely and stops when cut off")
    func freshness() throws {
        let (cluster, leader) = try settled(3)
        let follower = (leader + 1) % 3
        cluster.run(for: .seconds(1))
        for place in 0..<3 {
            let confirmedAt = try #require(cluster.core(place).freshness.confirmedAt)
            #expect(cluster.localTime(place) - confirmedAt < .milliseconds(80))
            #expect(cluster.core(place).freshness.confirmedIndex == cluster.core(leader).commitIndex)
        }
        cluster.isolate(follower)
        cluster.run(for: .milliseconds(20))
        let last = try #require(cluster.core(follower).freshness.confirmedAt)
        cluster.run(for: .seconds(2))
        #expect(cluster.core(follower).freshness.confirmedAt.map { $0 - last < .milliseconds(20) } ?? false)
        #expect(cluster.violations.isEmpty)
    }
}
