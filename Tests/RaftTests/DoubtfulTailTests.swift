import Primitives
import Raft
import Testing

@Suite struct DoubtfulTailTests {
    /// A follower's disk with `entries` readable entries of term 1, and doubt about the next if asked for.
    private func disk(_ entries: Int, doubtsThrough last: UInt64? = nil) -> RecoveredLog {
        RecoveredLog(
            hardState: HardState(term: Term(1)),
            entries: SoloReplica.entries(Array(repeating: 1, count: entries)),
            doubtfulTail: last.map { LogPosition(index: LogIndex($0), term: Term(1)) })
    }

    private func cluster(_ disks: [RecoveredLog], seed: UInt64, down: [Int] = []) -> ConsensusCluster {
        let places = Dictionary(uniqueKeysWithValues: disks.enumerated().map { ($0.offset, $0.element) })
        let cluster = ConsensusCluster(disks.count, seed: seed, disks: places)
        for place in down { cluster.crash(place) }
        return cluster
    }

    private func elects(_ cluster: ConsensusCluster, within span: Duration = .seconds(3)) -> Bool {
        cluster.run(within: span) { cluster.leader.map { cluster.holdsLease($0) } ?? false }
    }

    @Test("case 42: all torn by one power cut elect a leader", arguments: [2, 3, 5])
    func allTorn(count: Int) {
        for seed in UInt64(0)..<10 {
            let cluster = cluster(Array(repeating: disk(4, doubtsThrough: 6), count: count), seed: seed)
            #expect(elects(cluster), "seed \(seed)")
            #expect(cluster.violations.isEmpty)
        }
    }

    @Test("case 41: one rotten copy, its holder dead: the entry is waited for, and not lost")
    func rottenAndDead() {
        for seed in UInt64(0)..<10 {
            let cluster = cluster([disk(4, doubtsThrough: 5), disk(5), disk(4)], seed: seed, down: [1])
            #expect(!elects(cluster, within: .seconds(5)), "seed \(seed)")
            cluster.restart(1)
            #expect(elects(cluster), "seed \(seed)")
            #expect(cluster.leader == 1)
            #expect(cluster.violations.isEmpty)
        }
    }

    @Test("a doubt about several entries draws back to the last that a survivor can read")
    func partial() {
        for seed in UInt64(0)..<10 {
            let cluster = cluster([disk(4, doubtsThrough: 8), disk(7), disk(4, doubtsThrough: 8)], seed: seed)
            #expect(elects(cluster), "seed \(seed)")
            #expect(cluster.leader == 1, "only replica 2 can read entries 5 to 7, which may be committed")
        }
    }

    @Test("a doubter that hears a leader is repaired by it and disturbs nobody")
    func repaired() {
        let cluster = cluster([disk(4, doubtsThrough: 5), disk(5), disk(5)], seed: 3)
        #expect(elects(cluster))
        #expect(cluster.run(within: .seconds(1)) { cluster.nodes[0].disk.doubtfulTail == nil })
        #expect(cluster.core(0).term == cluster.leader.map { cluster.core($0).term })
        #expect(cluster.violations.isEmpty)
    }

    @Test("rot on a minority of the copies loses nothing that was committed", arguments: 0..<3)
    func rot(block: UInt64) {
        for seed in block * 10..<block * 10 + 10 {
            let cluster = ConsensusCluster(5, seed: seed)
            guard elects(cluster), let leader = cluster.leader else { continue }
            for value in UInt8(0)..<20 { cluster.propose([value], on: leader) }
            cluster.run(for: .milliseconds(Int64(seed % 10)))
            let committed = cluster.checker.committed
            for place in 0..<5 { cluster.crash(place) }
            for place in [Int(seed) % 5, (Int(seed) + 2) % 5] { cluster.rotTail(of: place) }
            for place in 0..<5 { cluster.restart(place) }
            #expect(elects(cluster, within: .seconds(10)), "seed \(seed)")
            cluster.run(for: .milliseconds(300))
            #expect(Array(cluster.checker.committed.prefix(committed.count)) == committed)
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }

    /// Of five, two doubtful copies and one that can be read may have been the quorum that committed the entry. Three
    /// doubtful ones may not: only a minority can have rotted, so one of them is torn, and was never acknowledged.
    @Test("as many doubtful copies count as could have rotted: a minority", arguments: [(true, 3), (false, 2)])
    func minorityOfDoubters(isReadableThere: Bool, readable: UInt64) {
        let tail = LogPosition(index: LogIndex(3), term: Term(1))
        var replica = SoloReplica(voters: 5, terms: [1, 1], term: 1, doubtfulTail: tail)
        replica.advance(by: SoloReplica.timeout * 4)
        replica.persist()
        let answers = [(2, readable, isReadableThere ? 0 : UInt64(3)), (3, 2, 3), (4, 2, 0), (5, 2, 0)]
        for (voter, readable, doubtful) in answers {
            let reply = RaftMessage.TailReply(
                term: replica.core.term, tail: tail, readable: LogIndex(readable), doubtful: LogIndex(doubtful),
                configuration: .zero)
            replica.receive(.tailReply(reply), from: voter)
        }
        #expect(replica.writes.contains(where: \.settlesDoubt) == !isReadableThere)
    }

    @Test("a doubt is dropped only when a quorum is known to lack the entry, and then on disk too")
    func settled() {
        let tail = LogPosition(index: LogIndex(3), term: Term(1))
        var replica = SoloReplica(voters: 5, terms: [1, 1], term: 1, doubtfulTail: tail)
        replica.advance(by: SoloReplica.timeout * 4)
        replica.persist()
        for (voter, isKnown) in [(2, false), (3, false), (4, true)] {
            let reply = RaftMessage.TailReply(
                term: replica.core.term, tail: tail, readable: LogIndex(2), doubtful: .zero, configuration: .zero)
            replica.receive(.tailReply(reply), from: voter)
            #expect(replica.writes.map(\.settlesDoubt) == (isKnown ? [true] : []), "after replica \(voter)")
        }
        replica.persist()
        #expect(replica.disk.doubtfulTail == nil)
        replica.crashAndRestart()
        replica.advance(by: SoloReplica.timeout * 4)
        #expect(replica.core.role == .preCandidate)
    }
}
