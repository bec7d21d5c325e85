import Primitives
import Raft
import Testing

@Suite("Acknowledged entries are gone: repaired from the others")
struct FaultyLogTests {
    private static let tail = LogPosition(index: LogIndex(6), term: Term(2))

    /// Holds two entries, and knows that it acknowledged six.
    private static func faulty(tail: LogPosition = tail) -> SoloReplica {
        SoloReplica(terms: [1, 2], term: 2, doubtfulTail: tail, isFaulty: true)
    }

    private static func append(after index: UInt64, _ terms: [UInt64], term: UInt64, commit: UInt64) -> RaftMessage {
        .append(
            .init(
                term: Term(term), previous: LogPosition(index: LogIndex(index), term: Term(2)),
                entries: SoloReplica.entries(terms, after: index), commitIndex: LogIndex(commit), time: .zero))
    }

    private static func matches(_ messages: [RaftMessage]) -> [UInt64] {
        messages.compactMap {
            if case .appendReply(let reply) = $0, case .matched(let index) = reply.outcome { index.value } else { nil }
        }
    }

    @Test("it does not vote, however good the candidate's log, and does not campaign")
    func noVote() {
        var replica = Self.faulty()
        for _ in 0..<20 { replica.advance(by: SoloReplica.timeout) }
        #expect(replica.core.role == .follower && replica.core.term == Term(2) && replica.takeSent().isEmpty)
        let request = RaftMessage.VoteRequest(term: Term(3), last: LogPosition(index: LogIndex(99), term: Term(2)))
        replica.receive(.preVote(request), from: 2)
        replica.receive(.vote(request), from: 2)
        replica.persist()
        let grants = replica.takeSent().map {
            switch $0 {
            case .preVoteReply(let reply), .voteReply(let reply): reply.isGranted
            default: true
            }
        }
        #expect(grants == [false, false])
        replica.receive(.timeoutNow(term: replica.core.term), from: 2)
        #expect(replica.core.role == .follower)
    }

    @Test("it acknowledges only what is committed anyway, until a leader has sent everything through the last trace")
    func acknowledgements() {
        var replica = Self.faulty()
        replica.receive(Self.append(after: 2, [2, 2], term: 2, commit: 3), from: 2)
        replica.persist()
        #expect(Self.matches(replica.takeSent()).last == 3)
        replica.receive(Self.append(after: 4, [2], term: 2, commit: 4), from: 2)
        replica.persist()
        #expect(Self.matches(replica.takeSent()).last == 4 && replica.core.isFaulty)
        replica.receive(Self.append(after: 5, [2, 2], term: 2, commit: 4), from: 2)
        replica.persist()
        #expect(Self.matches(replica.takeSent()).last == 7 && !replica.core.isFaulty)
        #expect(replica.disk.doubtfulTail == nil)
        // Whole again, it votes again.
        replica.sleep(SoloReplica.timeout * 2)
        let request = RaftMessage.VoteRequest(term: Term(3), last: LogPosition(index: LogIndex(7), term: Term(2)))
        replica.receive(.vote(request), from: 2)
        replica.persist()
        #expect(replica.takeSent().contains(.voteReply(.init(term: Term(3), isGranted: true))))
    }

    @Test("restarted before it was repaired, it is as faulty as before")
    func restarts() {
        var replica = Self.faulty()
        replica.receive(Self.append(after: 2, [2, 2], term: 2, commit: 2), from: 2)
        replica.persist()
        replica.crashAndRestart()
        #expect(replica.core.isFaulty && replica.core.lastIndex == LogIndex(4))
    }

    @Test("a leader to which it acknowledged what it lost is told so, and sends it again")
    func sameLeader() {
        for isFaulty in [true, false] {
            let cluster = ConsensusCluster(3, seed: 11)
            #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
            guard let leader = cluster.leader else { return }
            let term = cluster.core(leader).term
            let victim = (leader + 1) % 3
            for value in UInt8(0)..<10 { cluster.propose([value], on: leader) }
            cluster.run(for: .milliseconds(50))
            cluster.crash(victim)
            if isFaulty { cluster.loseTail(of: victim, keeping: 4) } else { cluster.rotTail(of: victim) }
            cluster.restart(victim)
            let isWhole = { cluster.core(victim).lastIndex == cluster.core(leader).lastIndex }
            #expect(cluster.run(within: .seconds(2), until: isWhole), "faulty: \(isFaulty)")
            cluster.run(for: .milliseconds(50))
            #expect(cluster.nodes[victim].disk.doubtfulTail == nil && cluster.core(leader).term == term)
            #expect(cluster.violations.isEmpty)
        }
    }

    @Test("where no trace tells how far the log went, it waits for a leader of a term after all it acknowledged")
    func unknownExtent() {
        var replica = Self.faulty(tail: LogPosition(index: LogIndex(3), term: Term(3)))
        replica.advance(by: .milliseconds(1))
        replica.persist()
        #expect(replica.core.term == Term(3))
        replica.receive(Self.append(after: 2, [2, 2, 2], term: 2, commit: 2), from: 2)
        #expect(replica.core.isFaulty && replica.core.lastIndex == LogIndex(2))
        replica.receive(Self.append(after: 2, [2, 2, 4], term: 4, commit: 2), from: 3)
        #expect(!replica.core.isFaulty)
    }

    @Test("two of five lose what they acknowledged: no committed entry is lost, and the rest goes on", arguments: 0..<4)
    func minority(block: UInt64) {
        for seed in block * 10..<block * 10 + 10 {
            let cluster = ConsensusCluster(5, seed: seed)
            let isLed = { cluster.leader.map { cluster.holdsLease($0) } ?? false }
            guard cluster.run(within: .seconds(3), until: isLed), let leader = cluster.leader else { continue }
            for value in UInt8(0)..<20 { cluster.propose([value], on: leader) }
            cluster.run(for: .milliseconds(Int64(seed % 10)))
            let committed = cluster.checker.committed
            let victims = [Int(seed) % 5, (Int(seed) + 2) % 5]
            for place in seed.isMultiple(of: 2) ? Array(0..<5) : victims { cluster.crash(place) }
            for place in victims { cluster.loseTail(of: place, keeping: Int(seed) % 7) }
            for place in 0..<5 where cluster.nodes[place].core == nil { cluster.restart(place) }
            #expect(cluster.run(within: .seconds(5), until: isLed), "seed \(seed)")
            if let leader = cluster.leader { cluster.propose([9], on: leader) }
            let areWhole = { (0..<5).allSatisfy { !cluster.core($0).isFaulty } }
            #expect(cluster.run(within: .seconds(5), until: areWhole), "seed \(seed)")
            cluster.run(for: .milliseconds(300))
            #expect(Array(cluster.checker.committed.prefix(committed.count)) == committed)
            #expect(cluster.violations.isEmpty, "seed \(seed)")
        }
    }
}
