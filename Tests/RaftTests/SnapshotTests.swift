import Primitives
import Raft
import Testing

@Suite("Snapshots: receiving and installing (Raft §7, figure 13)")
struct SnapshotTests {
    private static func metadata(
        _ index: UInt64, term: UInt64, voters: ClosedRange<Int> = 1...3, observers: [Int] = []
    ) -> SnapshotMetadata {
        SnapshotMetadata(
            position: LogPosition(index: LogIndex(index), term: Term(term)), time: LogTime(milliseconds: 50),
            configuration: Configuration(
                voters: voters.map(SoloReplica.id), learners: observers.map(SoloReplica.id)))
    }

    private static let snapshot = Snapshot(metadata(10, term: 2), bytes: (0..<100).map { UInt8($0) })
    /// The same, where the log had stated a longer election timeout by then.
    private static let patient = Snapshot(
        SnapshotMetadata(
            position: snapshot.position, time: snapshot.metadata.time,
            configuration: Configuration(
                voters: (1...3).map(SoloReplica.id), timeouts: ElectionTimeouts(SoloReplica.timeout * 4))),
        bytes: snapshot.bytes)

    private static func chunk(
        _ snapshot: Snapshot = snapshot, from offset: Int, bytes: Int = 40, term: UInt64 = 3, checksum: UInt32? = nil
    ) -> RaftMessage {
        .snapshot(
            .init(
                term: Term(term), metadata: snapshot.metadata, total: snapshot.bytes.count,
                checksum: checksum ?? snapshot.checksum, offset: offset,
                bytes: Array(snapshot.bytes[offset..<min(offset + bytes, snapshot.bytes.count)])))
    }

    private static func replies(_ messages: [RaftMessage]) -> [RaftMessage.SnapshotReply.Outcome] {
        messages.compactMap { if case .snapshotReply(let reply) = $0 { reply.outcome } else { nil } }
    }

    private static func append(after index: UInt64, _ previousTerm: UInt64, _ terms: [UInt64]) -> RaftMessage {
        .append(
            .init(
                term: Term(3), previous: LogPosition(index: LogIndex(index), term: Term(previousTerm)),
                entries: SoloReplica.entries(terms, after: index), commitIndex: LogIndex(index), time: .zero))
    }

    /// A follower of term 3 that has received the whole snapshot and was told that it is usable.
    private static func received(_ snapshot: Snapshot = snapshot, terms: [UInt64]) -> SoloReplica {
        var follower = SoloReplica(terms: terms, term: 3)
        for offset in [0, 40, 80] {
            follower.receive(chunk(snapshot, from: offset), from: 2)
            follower.persist()
        }
        follower.check()
        return follower
    }

    @Test("pieces are gathered in order, and every answer names the next byte")
    func gathering() {
        var follower = SoloReplica(terms: [1], term: 3)
        follower.receive(Self.chunk(from: 40), from: 2)
        follower.receive(Self.chunk(from: 0), from: 2)
        follower.receive(Self.chunk(from: 0), from: 2)
        follower.receive(Self.chunk(from: 80), from: 2)
        follower.receive(Self.chunk(from: 40), from: 2)
        #expect(follower.checks.isEmpty)
        follower.receive(Self.chunk(from: 80), from: 2)
        #expect(
            Self.replies(follower.takeSent()) == [.next(0), .next(40), .next(40), .next(40), .next(80), .next(100)])
        #expect(follower.checks == [Self.snapshot])
    }

    @Test(
        "a snapshot is acknowledged only when it is durable, and the state is replaced once; also over a longer log",
        arguments: [2, 12])
    func durableFirst(count: Int) {
        var follower = Self.received(terms: Array(repeating: 1, count: count))
        _ = follower.takeSent()
        while let write = follower.writes.first {
            // Asked at any moment, it says so only afterwards.
            follower.receive(Self.chunk(from: 100), from: 2)
            #expect(!Self.replies(follower.takeSent()).contains(.installed), "write \(write.sequence) is not durable")
            follower.persistNext()
        }
        #expect(Self.replies(follower.takeSent()) == [.installed])
        #expect(follower.installed == [Self.snapshot.metadata] && follower.applied.isEmpty)
        #expect(follower.core.commitIndex == LogIndex(10) && follower.core.lastIndex == LogIndex(10))
        #expect(follower.disk.base == Self.snapshot.position && follower.disk.snapshot == Self.snapshot.metadata)
        // Asked again, it says so again; entries go on after it.
        follower.receive(Self.chunk(from: 0), from: 2)
        #expect(Self.replies(follower.takeSent()) == [.installed])
        follower.receive(Self.append(after: 10, 2, [3]), from: 2)
        follower.persist()
        #expect(follower.takeSent().contains(.appendReply(.init(term: Term(3), outcome: .matched(LogIndex(11))))))
    }

    @Test("a crash before the snapshot has its name leaves the old log; one after it leaves the snapshot")
    func crashes() {
        for survived in 0...4 {
            var follower = Self.received(terms: [1, 1])
            for _ in 0..<survived where !follower.writes.isEmpty { follower.persistNext() }
            follower.crashAndRestart()
            let isPublished = follower.disk.snapshot != nil
            #expect(follower.core.lastIndex == LogIndex(isPublished ? 10 : 2), "after \(survived) writes")
            #expect(follower.core.commitIndex == LogIndex(isPublished ? 10 : 0))
        }
    }

    @Test("no vote is promised to be withheld by an election timeout that a snapshot states and no disk holds yet")
    func promiseWaits() {
        var follower = Self.received(Self.patient, terms: [1, 1])
        func promise() -> Duration? {
            follower.receive(
                .heartbeat(.init(term: Term(3), round: 1, commitIndex: LogIndex(10), time: .zero)), from: 2)
            let reply = follower.takeSent().last { if case .heartbeatReply = $0 { true } else { false } }
            guard case .heartbeatReply(let answer)? = reply else { return nil }
            return answer.promise
        }
        while !follower.writes.isEmpty {
            let given = promise()
            var crashed = follower
            crashed.crashAndRestart()
            #expect(given ?? .zero <= crashed.core.electionTimeout, "promised \(String(describing: given))")
            follower.persistNext()
        }
        #expect(promise() == SoloReplica.timeout * 4)
    }

    @Test("figure 13, rule 6: entries after the snapshot stay if the log agrees with it")
    func agreeing() {
        var follower = Self.received(terms: Array(repeating: 2, count: 12))
        follower.persist()
        #expect(follower.core.lastIndex == LogIndex(12) && follower.core.commitIndex == LogIndex(10))
        #expect(follower.disk.entries.count == 12, "a durable log is not voided")
    }

    @Test("figure 13, rule 7: a log that contradicts the snapshot is void", arguments: [5, 10, 12])
    func contradicting(count: Int) {
        var follower = Self.received(terms: Array(repeating: 1, count: count))
        follower.persist()
        #expect(follower.core.lastIndex == LogIndex(10) && follower.disk.entries.isEmpty)
        #expect(follower.core.log.base == Self.snapshot.position)
    }

    @Test("what a later leader sends of the same snapshot goes on where the last one stopped")
    func resumes() {
        var follower = SoloReplica(terms: [1], term: 3)
        follower.receive(Self.chunk(from: 0), from: 2)
        follower.persist()
        _ = follower.takeSent()
        follower.receive(Self.chunk(from: 0, term: 4), from: 3)
        follower.persist()
        #expect(Self.replies(follower.takeSent()) == [.next(40)])
        // Another snapshot begins anew.
        let other = Snapshot(Self.metadata(12, term: 3), bytes: [1, 2, 3])
        follower.receive(Self.chunk(other, from: 2, term: 4), from: 3)
        follower.receive(Self.chunk(other, from: 0, term: 4), from: 3)
        #expect(Self.replies(follower.takeSent()) == [.next(0), .next(3)])
        #expect(follower.checks == [other])
    }

    @Test(
        "a snapshot whose configuration gives its receiver no vote is installed like any other", arguments: [[1], []])
    func withoutVote(observers: [Int]) {
        let snapshot = Snapshot(Self.metadata(10, term: 2, voters: 2...4, observers: observers), bytes: [1, 2, 3])
        var follower = SoloReplica(terms: [1], term: 3)
        follower.receive(Self.chunk(snapshot, from: 0), from: 2)
        follower.check()
        follower.persist()
        #expect(follower.installed == [snapshot.metadata])
        #expect(follower.core.configuration == snapshot.metadata.configuration)
        follower.advance(by: .seconds(2))
        #expect(follower.core.role == .follower, "it does not campaign")
    }

    @Test("bytes that fail the checksum of the whole, or mean nothing, are asked for again")
    func unusable() {
        var follower = SoloReplica(terms: [1], term: 3)
        for offset in [0, 40, 80] { follower.receive(Self.chunk(from: offset, checksum: 1), from: 2) }
        #expect(follower.checks.isEmpty)
        #expect(Self.replies(follower.takeSent()).last == .next(0))
        for offset in [0, 40, 80] { follower.receive(Self.chunk(from: offset), from: 2) }
        follower.check(isUsable: false)
        _ = follower.takeSent()
        follower.receive(Self.chunk(from: 40), from: 2)
        #expect(Self.replies(follower.takeSent()) == [.next(0)])
        #expect(follower.core.commitIndex == .zero && follower.installed.isEmpty)
    }

    @Test("a replica starts again from its snapshot: what it covers is applied")
    func restart() {
        var follower = Self.received(terms: [1, 1])
        follower.persist()
        follower.crashAndRestart()
        #expect(follower.core.logTime(at: follower.now) == LogTime(milliseconds: 50))
        follower.receive(Self.append(after: 10, 2, [3, 3]), from: 2)
        follower.persist()
        follower.crashAndRestart()
        #expect(follower.core.appliedIndex == LogIndex(10) && follower.core.lastIndex == LogIndex(12))
    }
}
