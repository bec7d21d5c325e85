import NodeCore
import Primitives
import Raft
import Testing

/// What a leader wants next, as a table of meshes.
@Suite struct MembershipPlanTests {
    /// Node n runs replica `runs`; nil was never heard. Node ids are replica ids of the genesis.
    private static func node(
        _ number: UInt64, runs replica: UInt64?, level: UInt16 = 0, isAlive: Bool = true, rank: Int = 0
    ) -> MembershipPlan.Node {
        MembershipPlan.Node(
            id: NodeID(high: 0, low: number), rank: rank,
            notice: replica.map { ReplicaNotice(replica: ReplicaID($0), featureLevel: FeatureLevel(level)) },
            isAlive: isAlive)
    }

    private static func configuration(_ voters: [UInt64], learners: [UInt64] = [], level: UInt16 = 0) -> Configuration {
        Configuration(
            voters: voters.map { ReplicaID($0) }, learners: learners.map { ReplicaID($0) },
            // Replica 14 is a later life of node 4.
            bindings: (voters + learners).map {
                Configuration.Binding(replica: ReplicaID($0), node: NodeID(high: 0, low: $0 % 10))
            }, featureLevel: FeatureLevel(level))
    }

    private static func next(
        _ configuration: Configuration, _ nodes: [MembershipPlan.Node], ready: [UInt64] = []
    ) -> Configuration? {
        MembershipPlan(configuration: configuration, nodes: nodes, ready: ready.map { ReplicaID($0) }).next()
    }

    private static let three = (UInt64(1)...3).map { node($0, runs: $0) }

    @Test("a mesh that is as it should be is left alone, and silence takes nobody's vote")
    func nothing() {
        let configuration = Self.configuration([1, 2, 3])
        #expect(Self.next(configuration, Self.three) == nil)
        let silent = (UInt64(1)...3).map { Self.node($0, runs: $0, isAlive: $0 == 1) }
        #expect(Self.next(configuration, silent) == nil)
        #expect(Self.next(configuration, (1...3).map { Self.node($0, runs: nil) }) == nil)
    }

    @Test("Replica identity: a wiped node's new replica is a learner first, then takes the former one's place")
    func wiped() {
        let nodes = [Self.node(1, runs: 1), Self.node(2, runs: 2), Self.node(4, runs: 14)]
        let before = Self.configuration([1, 2, 4])
        let admitted = Self.configuration([1, 2, 4], learners: [14])
        #expect(Self.next(before, nodes) == admitted)
        #expect(Self.next(admitted, nodes) == nil, "not before it keeps up")
        #expect(Self.next(admitted, nodes, ready: [14]) == Self.configuration([1, 2, 14]))
    }

    @Test(
        "a node that is taken out leaves its vote or its place, the last voter stays, and a joint change is waited for")
    func removed() {
        let removing = { (configuration: Configuration, number: UInt64) in
            MembershipPlan(configuration: configuration, nodes: [], ready: []).removing {
                configuration.node(of: $0) == NodeID(high: 0, low: number)
            }
        }
        let three = Self.configuration([1, 2, 3], learners: [4])
        #expect(removing(three, 2) == Self.configuration([1, 3], learners: [4]))
        #expect(removing(three, 4) == Self.configuration([1, 2, 3]))
        #expect(removing(three, 9) == nil)
        #expect(removing(Self.configuration([1], learners: [4]), 1) == nil)
        #expect(
            removing(Self.configuration([1, 2, 4], learners: [14]), 4) == Self.configuration([1, 2]), "both lives")
        let joint = Configuration(voters: [ReplicaID(1)], outgoing: [ReplicaID(1), ReplicaID(2)])
        #expect(removing(joint, 2) == nil)
    }

    @Test("a node that is wiped twice leaves one learner behind, not two")
    func wipedTwice() {
        let nodes = [Self.node(1, runs: 1), Self.node(2, runs: 2), Self.node(4, runs: 24)]
        #expect(
            Self.next(Self.configuration([1, 2, 4], learners: [14]), nodes)
                == Self.configuration([1, 2, 4], learners: [24]))
    }

    @Test("a replica that belongs to one node cannot be claimed by another")
    func claimed() {
        let nodes = [Self.node(1, runs: 1), Self.node(2, runs: 2), Self.node(3, runs: 2)]
        #expect(Self.next(Self.configuration([1, 2, 3]), nodes) == nil)
    }

    @Test("Five voters at most, odd counts: learners are promoted in the numbers that keep them")
    func promotion() {
        let all = (UInt64(1)...7).map { Self.node($0, runs: $0, rank: Int($0)) }
        let expected: [(voters: [UInt64], learners: [UInt64], ready: [UInt64], next: [UInt64]?)] = [
            ([1, 2, 3], [4], [4], nil), ([1, 2, 3], [4, 5], [4], nil), ([1, 2, 3], [4, 5], [4, 5], [1, 2, 3, 4, 5]),
            ([1, 2, 3], [4, 5, 6], [4, 5, 6], [1, 2, 3, 5, 6]), ([1, 2], [3], [3], [1, 2, 3]),
            ([1, 2, 3, 4, 5], [6, 7], [6, 7], nil), ([1], [2, 3], [2, 3], [1, 2, 3]),
        ]
        for row in expected {
            let members = row.voters + row.learners
            let next = Self.next(
                Self.configuration(row.voters, learners: row.learners), all.filter { members.contains($0.id.low) },
                ready: row.ready)
            #expect(next?.voters == row.next?.map { ReplicaID($0) }, "\(row)")
        }
    }

    @Test("Versions: the level is the least that a voter's program understands, known of all of them, and only rises")
    func level() {
        let levels: [(levels: [UInt16?], current: UInt16, next: UInt16?)] = [
            ([1, 1, 1], 0, 1), ([1, 0, 1], 0, nil), ([1, nil, 1], 0, nil), ([3, 2, 4], 1, 2), ([1, 1, 1], 1, nil),
            ([1, 1, 1], 2, nil),
        ]
        for row in levels {
            let nodes = row.levels.enumerated().map { offset, level in
                let number = UInt64(offset + 1)
                return level.map { Self.node(number, runs: number, level: $0) } ?? Self.node(number, runs: nil)
            }
            let next = Self.next(Self.configuration([1, 2, 3], level: row.current), nodes)
            #expect(next?.featureLevel == row.next.map { FeatureLevel($0) }, "\(row)")
        }
        let replaced = [Self.node(1, runs: 1, level: 1), Self.node(2, runs: 2, level: 1), Self.node(4, runs: 4)]
        #expect(
            Self.next(Self.configuration([1, 2, 3], learners: [4], level: 1), replaced, ready: [4]) == nil,
            "a program that is too old does not vote")
    }

    @Test("E is at least five round trips, raised at once, lowered only when it is far too long")
    func timeouts() {
        let policy = ElectionTimeoutPolicy.measured(.milliseconds(60)...(.seconds(10)))
        let rows: [(current: Int64, p99: Int64?, next: Int64?)] = [
            (400, nil, nil), (400, 70, nil), (400, 81, 570), (400, 30, nil), (400, 28, nil), (400, 20, 140),
            (400, 1, 60), (60, 1, nil), (100, 5000, 10_000), (20_000, 1900, 10_000),
        ]
        for row in rows {
            let next = policy.decide(
                current: .milliseconds(row.current), percentile99: row.p99.map { .milliseconds($0) })
            #expect(next == row.next.map { .milliseconds($0) }, "\(row)")
        }
        let pinned = ElectionTimeoutPolicy.pinned(.milliseconds(400))
        #expect(pinned.decide(current: .milliseconds(400), percentile99: nil) == nil)
        #expect(pinned.decide(current: .milliseconds(60), percentile99: .milliseconds(1)) == .milliseconds(400))
    }

    private static func classed(
        _ number: UInt64, isCore: Bool, mayVote: Bool = true, rank: Int = 0
    ) -> MembershipPlan.Node {
        MembershipPlan.Node(
            id: NodeID(high: 0, low: number), rank: rank,
            notice: ReplicaNotice(replica: ReplicaID(number), featureLevel: .zero), isAlive: true, isCore: isCore,
            mayVote: mayVote)
    }

    /// What a promotion may choose from, and whom it chooses.
    private struct Classes {
        let voters: [UInt64]
        let learners: [UInt64]
        let edges: Set<UInt64>
        var observers: Set<UInt64> = []
        let promoted: [UInt64]?
    }

    @Test("edge voters are always fewer than a quorum: every majority holds a core node; observers by token never vote")
    func classes() {
        let rows = [
            Classes(voters: [1], learners: [2, 3], edges: [2, 3], promoted: nil),
            Classes(voters: [1], learners: [2, 3], edges: [2], promoted: [2, 3]),
            Classes(voters: [1], learners: [2, 3, 4], edges: [2, 3], promoted: [2, 4]),
            Classes(voters: [1, 2, 3], learners: [4, 5], edges: [4, 5], promoted: [4, 5]),
            Classes(voters: [1, 2, 3], learners: [4, 5], edges: [3, 4, 5], promoted: nil),
            Classes(voters: [1, 2], learners: [3], edges: [2, 3], promoted: nil),
            Classes(voters: [1, 2, 3], learners: [4, 5], edges: [], observers: [4], promoted: nil),
        ]
        for row in rows {
            let nodes = (row.voters + row.learners).map {
                Self.classed($0, isCore: !row.edges.contains($0), mayVote: !row.observers.contains($0))
            }
            let next = Self.next(Self.configuration(row.voters, learners: row.learners), nodes, ready: row.learners)
            #expect(
                next.map { Set($0.voters) } == row.promoted.map { Set(($0 + row.voters).map { ReplicaID($0) }) },
                "\(row)")
        }
    }

    @Test("a core voter that is taken out takes edge votes along where they would become too many; the last one stays")
    func removedCore() {
        let nodes = (UInt64(1)...5).map { Self.classed($0, isCore: $0 < 4) }
        func removing(_ gone: Set<UInt64>, from voters: [UInt64]) -> Configuration? {
            MembershipPlan(configuration: Self.configuration(voters), nodes: nodes, ready: []).removing {
                gone.contains($0.value)
            }
        }
        #expect(removing([3], from: [1, 2, 3, 4, 5])?.voters.count == 4)
        let two = removing([2], from: [1, 2, 4, 5])
        #expect(two?.voters == [ReplicaID(1), ReplicaID(4)] && two?.learners == [ReplicaID(5)])
        #expect(removing([1], from: [1, 4]) == nil, "only edge machines would be left to decide")
    }

    @Test("init: at most as many edge voters as stay below a quorum, whatever their rank")
    func chosen() {
        func voters(_ candidates: [(String, Int, Bool)]) -> Set<String> {
            Roster.chooseVoters(candidates.map { (name: $0.0, rank: $0.1, isCore: $0.2) })
        }
        #expect(voters([("a", 1, true), ("b", 9, false), ("c", 9, false)]) == ["a"])
        #expect(voters([("a", 1, true), ("b", 1, true), ("c", 9, false), ("d", 8, false)]) == ["a", "b", "c"])
        let five = [("a", 1, true), ("b", 1, true), ("c", 1, true), ("d", 9, false), ("e", 9, false)]
        #expect(voters(five).count == 5)
        #expect(voters([("a", 1, false)]) == [])
    }

    @Test("the leader asks after whoever could get a vote, and with five voters only after the successor of one")
    func candidates() {
        let candidates = { (voters: [UInt64], learners: [UInt64], nodes: [MembershipPlan.Node]) in
            MembershipPlan(configuration: Self.configuration(voters, learners: learners), nodes: nodes).candidates
        }
        let others = (UInt64(6)...8).map { Self.node($0, runs: $0, isAlive: $0 != 8) }
        #expect(candidates([1, 2, 3], [6, 7, 8], Self.three + others) == [ReplicaID(6), ReplicaID(7)])
        let wiped = Self.node(4, runs: 14)
        #expect(candidates([1, 2, 3, 4, 5], [6, 7, 8, 14], Self.three + others + [wiped]) == [ReplicaID(14)])
    }

    @Test("a learner whose node was revoked is taken out; one of a node that is merely silent stays")
    func revoked() {
        let configuration = Self.configuration([1, 2, 3], learners: [6, 7])
        let silent = Self.node(6, runs: 6, isAlive: false)
        #expect(Self.next(configuration, Self.three + [silent]) == Self.configuration([1, 2, 3], learners: [6]))
        #expect(Self.next(Self.configuration([1, 2, 3], learners: [6]), Self.three + [silent]) == nil)
    }
}
