import Primitives
import Raft
import Testing

@Suite struct ReadIndexTests {
    @Test("case 26, thesis §6.4: reads are held until the term's first commit")
    func held() throws {
        var solo = SoloReplica()
        solo.lead()
        solo.request(read: 1)
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.answeredReads.isEmpty)
        solo.acknowledge(through: 1, from: 2)
        #expect(solo.answeredReads.isEmpty, "the round must be sent after the commit")
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.answeredReads == [1: LogIndex(1)])
    }

    @Test("a round that was sent before the read does not confirm it")
    func earlierRound() throws {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        let before = try #require(solo.lastRound)
        solo.request(read: 1)
        solo.answer(before, from: 2)
        #expect(solo.answeredReads.isEmpty)
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.answeredReads.count == 1)
    }

    @Test("many reads share few rounds")
    func batching() throws {
        var solo = SoloReplica()
        solo.lead()
        solo.acknowledge(through: 1, from: 2)
        let before = try #require(solo.lastRound)
        for id in UInt64(1)...1000 { solo.request(read: id) }
        #expect(try #require(solo.lastRound) - before <= 4)
        solo.answer(try #require(solo.lastRound), from: 2)
        solo.answer(try #require(solo.lastRound), from: 2)
        #expect(solo.answeredReads.count == 1000)
    }

    @Test("case 25: a deposed leader fails its reads")
    func deposed() {
        let cluster = ConsensusCluster(5)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        guard let old = cluster.leader else { return }
        cluster.isolate(old)
        let read = cluster.requestRead(on: old)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader != old && cluster.leader != nil })
        if let new = cluster.leader { cluster.propose([9], on: new) }
        cluster.run(for: .milliseconds(100))
        cluster.healLinks()
        cluster.run(for: .milliseconds(500))
        #expect(cluster.nodes[old].reads[read]?.hasFailed == true && cluster.nodes[old].reads[read]?.answer == nil)
        #expect(cluster.violations.isEmpty)
    }

    @Test("a follower's read sees every write that was committed when it was asked")
    func follower() {
        let cluster = ConsensusCluster(3)
        #expect(cluster.run(within: .seconds(2)) { cluster.leader.map { cluster.holdsLease($0) } ?? false })
        guard let leader = cluster.leader else { return }
        for round in UInt8(0)..<20 {
            cluster.propose([round], on: leader)
            cluster.run(for: .milliseconds(8))
            let follower = (leader + 1) % 3
            let read = cluster.requestRead(on: follower)
            #expect(cluster.run(within: .milliseconds(200)) { cluster.nodes[follower].reads[read]?.answer != nil })
        }
        #expect(cluster.violations.isEmpty)
    }

    @Test("without a leader a read fails at once")
    func leaderless() {
        var solo = SoloReplica()
        solo.request(read: 5)
        #expect(solo.failedReads == [5])
    }

    @Test("an answer to a ticket of an earlier life answers nothing")
    func staleTicket() throws {
        var solo = SoloReplica()
        let heartbeat = RaftMessage.heartbeat(.init(term: Term(1), round: 1, commitIndex: .zero, time: .zero))
        solo.receive(heartbeat, from: 2)
        solo.persist()
        solo.request(read: 1)
        guard case .readRequest(let asked)? = solo.takeSent().last else {
            Issue.record("nothing was asked")
            return
        }
        solo.sleep(.milliseconds(1))
        solo.crashAndRestart()
        solo.receive(heartbeat, from: 2)
        solo.request(read: 2)
        solo.receive(.readReply(.init(term: Term(1), ticket: asked.ticket, index: .zero)), from: 2)
        #expect(solo.answeredReads.isEmpty)
    }

    @Test("a read that the leader never answers fails in time")
    func timesOut() {
        var solo = SoloReplica()
        solo.request(read: 1)
        for step in UInt64(1)...30 {
            solo.receive(.heartbeat(.init(term: Term(1), round: step, commitIndex: .zero, time: .zero)), from: 2)
            if step == 1 { solo.request(read: 2) }
            solo.advance(by: .milliseconds(10))
        }
        #expect(solo.failedReads == [1, 2])
    }
}
