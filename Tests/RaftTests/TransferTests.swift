import Primitives
import Raft
import Testing

@Suite struct TransferTests {
    /// Replica 1 is preferred, E is 100 ms, hand-overs need 300 ms of readiness and 1 s between attempts.
    private func cluster(_ count: Int = 5, seed: UInt64 = 1) -> ConsensusCluster {
        ConsensusCluster(count, seed: seed) { _ in
            var config = RaftConfig(electionTimeout: .milliseconds(100))
            config.transferStability = .milliseconds(300)
            config.transferCooldown = .seconds(1)
            config.priorities = [ReplicaID(1): 9]
            return config
        }
    }

    private func isLed(_ cluster: ConsensusCluster, by place: Int, within span: Duration = .seconds(3)) -> Bool {
        cluster.run(within: span) { cluster.leader == place && cluster.holdsLease(place) }
    }

    /// Ends the preferred replica's leadership by a crash and returns its successor.
    private func dethrone(_ cluster: ConsensusCluster) throws -> Int {
        #expect(isLed(cluster, by: 0))
        cluster.run(for: .seconds(1))
        cluster.crash(0)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        return try #require(cluster.leader)
    }

    @Test("an idle leader hands over on demand within a few round trips")
    func onDemand() throws {
        let cluster = ConsensusCluster(3)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        cluster.run(for: .milliseconds(100))
        let old = try #require(cluster.leader)
        let target = (old + 1) % 3
        let term = cluster.core(old).term
        cluster.transfer(from: old, to: target)
        #expect(cluster.run(within: .milliseconds(20)) { cluster.core(target).role == .leader })
        #expect(cluster.core(target).term == term.next)
        #expect(cluster.violations.isEmpty)
    }

    @Test("a hand-over waits for the target to hold the whole log, and loses nothing")
    func catchesUp() throws {
        let cluster = ConsensusCluster(3)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        cluster.run(for: .milliseconds(100))
        let old = try #require(cluster.leader)
        for value in UInt8(0)..<50 { cluster.propose([value], on: old) }
        let last = cluster.core(old).lastIndex
        cluster.transfer(from: old, to: (old + 2) % 3)
        #expect(isLed(cluster, by: (old + 2) % 3, within: .milliseconds(100)))
        #expect(cluster.core((old + 2) % 3).lastIndex > last)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 39: the preferred replica's crash is an ordinary failover, its return exactly one hand-over")
    func preferredReturns() throws {
        let cluster = cluster()
        let successor = try dethrone(cluster)
        let term = cluster.core(successor).term
        cluster.restart(0)
        cluster.run(for: .milliseconds(250))
        #expect(cluster.leader == successor, "not before it was stable")
        #expect(isLed(cluster, by: 0))
        cluster.run(for: .seconds(20))
        #expect(cluster.leader == 0 && cluster.core(0).term == term.next)
        #expect(cluster.violations.isEmpty)
    }

    @Test("case 39: a preferred replica gets the leadership back also where clients write without a pause")
    func underWrites() throws {
        for seed in UInt64(1)...8 {
            let cluster = cluster(3, seed: seed)
            let successor = try dethrone(cluster)
            cluster.restart(0)
            var milliseconds = 0
            while cluster.leader == successor, milliseconds < 3000 {
                for value in UInt8(0)..<4 {
                    cluster.propose([value], on: successor)
                    cluster.run(for: .microseconds(250))
                }
                milliseconds += 1
            }
            #expect(milliseconds < 2000, "seed \(seed)")
            #expect(isLed(cluster, by: 0))
            #expect(cluster.violations.isEmpty)
        }
    }

    @Test("case 39: a flapping preferred replica is not handed the leadership")
    func flapping() throws {
        let cluster = cluster()
        let successor = try dethrone(cluster)
        let term = cluster.core(successor).term
        for _ in 0..<10 {
            cluster.restart(0)
            cluster.run(for: .milliseconds(200))
            cluster.crash(0)
            cluster.run(for: .milliseconds(200))
        }
        #expect(cluster.leader == successor && cluster.core(successor).term == term)
        #expect(cluster.violations.isEmpty)
    }

    @Test(
        "case 39: no hand-over to a preferred replica that reaches fewer voters than the leader",
        arguments: [true, false])
    func reachesFewer(bothWays: Bool) throws {
        let cluster = cluster()
        let successor = try dethrone(cluster)
        let term = cluster.core(successor).term
        let other = successor == 4 ? 3 : 4
        cluster.restart(0)
        if bothWays { cluster.cut(0, other) } else { cluster.cut(from: 0, to: other) }
        cluster.run(for: .seconds(5))
        #expect(cluster.leader == successor && cluster.core(successor).term == term)
        cluster.healLinks()
        #expect(isLed(cluster, by: 0))
        #expect(cluster.violations.isEmpty)
    }

    @Test("voters that the leader does not reach either do not hold a hand-over up")
    func deadVoter() throws {
        let cluster = cluster()
        let successor = try dethrone(cluster)
        cluster.crash(successor == 4 ? 3 : 4)
        cluster.restart(0)
        #expect(isLed(cluster, by: 0))
        #expect(cluster.violations.isEmpty)
    }

    @Test("attempts keep their distance")
    func cooldown() throws {
        let cluster = cluster()
        let successor = try dethrone(cluster)
        var orders: [Instant] = []
        cluster.filter = { message, _, _ in
            guard case .timeoutNow = message else { return true }
            orders.append(cluster.now)
            return false
        }
        cluster.restart(0)
        cluster.run(for: .seconds(8))
        #expect(orders.count >= 3)
        #expect(zip(orders, orders.dropFirst()).allSatisfy { $1 - $0 >= .milliseconds(390) })
        #expect(cluster.leader != nil && successor != 0)
        #expect(cluster.violations.isEmpty)
    }
}
