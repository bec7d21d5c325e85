import Primitives
import Raft
import Testing

@Suite("Snapshots: taking and sending (Raft §7)")
struct SnapshotSendingTests {
    private static var config: RaftConfig {
        var config = RaftConfig(electionTimeout: SoloReplica.timeout)
        config.snapshotAfterEntries = 10
        config.keptEntries = 2
        config.snapshotChunkBytes = 40
        return config
    }

    /// Leads three, with entries 1 to 12 committed by replica 2, and a durable snapshot of them; replica 3 was not heard.
    private static func leader(config: RaftConfig = config) -> SoloReplica {
        var leader = SoloReplica(terms: [], config: config)
        leader.lead()
        for value in UInt8(0)..<11 { _ = leader.propose([value]) }
        leader.persist()
        leader.acknowledge(through: 12, from: 2)
        precondition(leader.core.commitIndex == LogIndex(12), "committed \(leader.core.commitIndex)")
        leader.takeSnapshot(Array(repeating: 5, count: 100))
        leader.persist()
        _ = leader.takeSent()
        return leader
    }

    private static func chunks(_ messages: [RaftMessage]) -> [RaftMessage.SnapshotChunk] {
        messages.compactMap { if case .snapshot(let chunk) = $0 { chunk } else { nil } }
    }

    private func reply(
        _ outcome: RaftMessage.SnapshotReply.Outcome, of index: UInt64 = 12, in leader: SoloReplica
    ) -> RaftMessage {
        .snapshotReply(
            .init(
                term: leader.core.term, position: LogPosition(index: LogIndex(index), term: leader.core.term),
                outcome: outcome))
    }

    /// Replica 3 is heard again, and the leader finds out that it needs what is gone.
    private func reappear(_ leader: inout SoloReplica) {
        for _ in 0..<4 {
            leader.advance(by: SoloReplica.timeout / 5)
            if let round = leader.lastRound { for voter in 2...3 { leader.answer(round, from: voter) } }
        }
        _ = leader.takeSent()
    }

    @Test("a snapshot is asked for after so many entries, once, and compacts the log when it is durable")
    func taking() {
        var leader = SoloReplica(terms: [], config: Self.config)
        leader.lead()
        for value in UInt8(0)..<11 { _ = leader.propose([value]) }
        leader.persist()
        leader.acknowledge(through: 9, from: 2)
        #expect(leader.takesWanted == 0)
        leader.acknowledge(through: 12, from: 2)
        leader.acknowledge(through: 12, from: 3)
        #expect(leader.takesWanted == 1)
        leader.takeSnapshot(Array(repeating: 5, count: 100))
        #expect(leader.core.log.base == .zero)
        let slices = leader.writes.count
        leader.persist()
        #expect(slices == 1, "one write at a time, a slice each")
        #expect(leader.core.log.base.index == LogIndex(10), "two entries stay for followers that lag a little")
        #expect(leader.disk.snapshot?.position == LogPosition(index: LogIndex(12), term: leader.core.term))
        #expect(leader.core.snapshotPosition.index == LogIndex(12))
    }

    @Test("a follower that needs what is gone gets a snapshot piece by piece, then the entries after it")
    func sending() {
        var leader = Self.leader()
        reappear(&leader)
        #expect(leader.takesWanted == 2, "the bytes are not kept when nobody needs them")
        leader.takeSnapshot(Array(repeating: 5, count: 100))
        #expect(Self.chunks(leader.takeSent(to: 3)).map(\.offset) == [0])
        _ = leader.propose()
        leader.receive(reply(.next(40), in: leader), from: 3)
        leader.receive(reply(.next(40), in: leader), from: 3)
        #expect(Self.chunks(leader.takeSent(to: 3)).map(\.offset) == [40], "a repeated answer sends nothing")
        leader.receive(reply(.next(80), in: leader), from: 3)
        leader.receive(reply(.next(100), in: leader), from: 3)
        let last = Self.chunks(leader.takeSent(to: 3))
        #expect(last.map(\.offset) == [80, 100] && last.map(\.bytes.count) == [20, 0])
        leader.receive(reply(.installed, in: leader), from: 3)
        let entries = leader.takeSent(to: 3).compactMap {
            if case .append(let append) = $0 { append.entries.first?.index } else { nil }
        }
        #expect(entries == [LogIndex(13)])
    }

    @Test("heartbeats go on during a transfer, and a lost piece is sent again")
    func losses() {
        var leader = Self.leader()
        reappear(&leader)
        leader.takeSnapshot(Array(repeating: 5, count: 100))
        leader.receive(reply(.next(40), in: leader), from: 3)
        _ = leader.takeSent()
        var offsets: [Int] = []
        var beats = 0
        for _ in 0..<20 {
            leader.advance(by: SoloReplica.timeout / 5)
            if let round = leader.lastRound { leader.answer(round, from: 2) }
            let sent = leader.takeSent(to: 3)
            offsets += Self.chunks(sent).map(\.offset)
            beats += sent.count { if case .heartbeat = $0 { true } else { false } }
        }
        #expect(beats >= 20)
        #expect(Set(offsets) == [40] && (5...10).contains(offsets.count), "\(offsets)")
    }

    @Test("the snapshot that is sent, and the entries after it, are kept until it is installed or given up")
    func kept() {
        var config = Self.config
        config.snapshotStallLimit = SoloReplica.timeout * 3
        for isGivenUp in [false, true] {
            var leader = Self.leader(config: config)
            reappear(&leader)
            leader.takeSnapshot(Array(repeating: 5, count: 100))
            leader.persist()
            for value in UInt8(0)..<12 { _ = leader.propose([value]) }
            leader.persist()
            leader.acknowledge(through: 24, from: 2)
            leader.takeSnapshot(Array(repeating: 6, count: 100))
            leader.persist()
            #expect(leader.core.snapshotPosition.index == LogIndex(24))
            #expect(leader.core.log.base.index == LogIndex(12), "entries from 13 on are still wanted")
            leader.receive(reply(.next(40), in: leader), from: 3)
            #expect(Self.chunks(leader.takeSent(to: 3)).last?.bytes.first == 5, "not the newer one")
            if isGivenUp {
                for _ in 0..<20 {
                    leader.advance(by: SoloReplica.timeout / 5)
                    if let round = leader.lastRound { leader.answer(round, from: 2) }
                }
            } else {
                leader.receive(reply(.installed, in: leader), from: 3)
            }
            #expect(leader.core.log.base.index == LogIndex(22), "given up: \(isGivenUp)")
        }
    }

    @Test("case 20: compaction and writes while a snapshot is sent: the follower reaches replication", arguments: 0..<6)
    func underLoad(block: UInt64) {
        for seed in block * 5..<block * 5 + 5 {
            let cluster = ConsensusCluster(3, seed: seed) { _ in
                var config = RaftConfig(electionTimeout: .milliseconds(100))
                config.snapshotAfterEntries = 8
                config.keptEntries = 2
                config.snapshotChunkBytes = 60
                return config
            }
            #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            guard let leader = cluster.leader else { continue }
            let behind = (leader + 1) % 3
            cluster.isolate(behind)
            for value in UInt8(0)..<40 {
                cluster.propose([value], on: leader)
                cluster.run(for: .milliseconds(3))
            }
            #expect(cluster.core(leader).log.base > cluster.core(behind).log.lastPosition, "seed \(seed)")
            cluster.lossPerMille = Int(seed % 3) * 60
            cluster.healLinks()
            for value in 0..<200 {
                if let leader = cluster.leader { cluster.propose([UInt8(value)], on: leader) }
                cluster.run(for: .milliseconds(3))
            }
            cluster.lossPerMille = 0
            let isCaughtUp = { cluster.leader.map { cluster.core(behind).appliedIndex == cluster.core($0).lastIndex } }
            #expect(cluster.run(within: .seconds(2)) { isCaughtUp() ?? false }, "seed \(seed)")
            #expect(cluster.nodes[behind].installCount > 0, "seed \(seed)")
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
