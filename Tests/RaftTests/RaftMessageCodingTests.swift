import Primitives
import Raft
import Testing

@Suite struct RaftMessageCodingTests {
    static let samples: [RaftMessage] = [
        .preVote(.init(term: Term(3), last: LogPosition(index: LogIndex(9), term: Term(2)))),
        .preVoteReply(.init(term: Term(3), isGranted: true)),
        .vote(.init(term: Term(300), last: .zero, isTransfer: true)),
        .voteReply(.init(term: Term(3), isGranted: false)),
        .append(
            .init(
                term: Term(5), previous: LogPosition(index: LogIndex(2), term: Term(1)),
                entries: SoloReplica.entries([1, 4, 5], after: 2), commitIndex: LogIndex(4),
                time: LogTime(milliseconds: 77))),
        .append(.init(term: Term(5), previous: .zero, entries: [], commitIndex: .zero, time: .zero)),
        .appendReply(.init(term: Term(5), outcome: .matched(LogIndex(1 << 40)))),
        .appendReply(
            .init(
                term: Term(5),
                outcome: .rejected(previous: LogIndex(7), hint: LogPosition(index: LogIndex(3), term: Term(2))))),
        .appendReply(.init(term: Term(5), outcome: .stale)),
        .heartbeat(
            .init(
                term: Term(5), round: 12, commitIndex: LogIndex(4), confirmedRound: 11, echoedStamp: .max,
                time: LogTime(milliseconds: 9), surveysPeers: true)),
        .heartbeatReply(
            .init(
                term: Term(5), round: 12, stamp: .max, commitIndex: LogIndex(4), last: LogIndex(9),
                promise: .milliseconds(300), heard: [ReplicaID(1), ReplicaID(2)])),
        .tailQuery(.init(term: Term(5), tail: LogPosition(index: LogIndex(9), term: Term(4)))),
        .tailReply(
            .init(
                term: Term(5), tail: LogPosition(index: LogIndex(9), term: Term(4)), readable: LogIndex(8),
                doubtful: LogIndex(9))),
        .timeoutNow(term: Term(5)), .hello(term: Term(5)),
        .readRequest(.init(term: Term(5), ticket: .max)),
        .readReply(.init(term: Term(5), ticket: .max, index: LogIndex(4))),
        .fetch(
            .init(
                term: Term(5), last: LogPosition(index: LogIndex(9), term: Term(4)), commitIndex: LogIndex(8),
                stamp: .max)),
        .fetched(.init(term: Term(5), leader: nil, commitIndex: LogIndex(4), time: LogTime(milliseconds: 77))),
        .fetched(
            .init(
                term: Term(5), leader: .init(ReplicaID(3), heardAgo: .milliseconds(80)),
                previous: LogPosition(index: LogIndex(3), term: Term(4)),
                entries: [
                    Entry(
                        index: LogIndex(4), term: Term(5), time: LogTime(milliseconds: 70), kind: .command,
                        payload: [1, 2, 3])
                ], commitIndex: LogIndex(4), time: LogTime(milliseconds: 77),
                proof: .init(stamp: 12, index: LogIndex(4)))),
    ]

    @Test("an answer to a fetch that holds more than is committed is refused")
    func fetchedUncommitted() {
        let entry = Entry(
            index: LogIndex(4), term: Term(5), time: LogTime(milliseconds: 70), kind: .command, payload: [1])
        let fetched = RaftMessage.Fetched(
            term: Term(5), leader: nil, previous: LogPosition(index: LogIndex(3), term: Term(4)), entries: [entry],
            commitIndex: LogIndex(3), time: LogTime(milliseconds: 77))
        #expect(throws: DecodeError.self) { try RaftMessage.decode(RaftMessage.encode(.fetched(fetched))) }
    }

    @Test("every message survives its encoding", arguments: samples)
    func roundTrip(message: RaftMessage) throws {
        #expect(try RaftMessage.decode(RaftMessage.encode(message)) == message)
    }

    @Test("a message cut anywhere, or continued, is refused", arguments: samples)
    func truncated(message: RaftMessage) {
        let bytes = RaftMessage.encode(message)
        for length in 0..<bytes.count {
            #expect(throws: DecodeError.self) { try RaftMessage.decode(Array(bytes.prefix(length))) }
        }
        #expect(throws: DecodeError.trailingBytes) { try RaftMessage.decode(bytes + [0]) }
    }

    @Test("flipped bits and noise never trap, and what decodes encodes to the same bytes")
    func noise() {
        var random = SeededRandom(seed: 5)
        for message in Self.samples {
            let bytes = RaftMessage.encode(message)
            for bit in 0..<bytes.count * 8 {
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                if let decoded = try? RaftMessage.decode(damaged) { #expect(RaftMessage.encode(decoded) == damaged) }
            }
        }
        for _ in 0..<20_000 {
            let noise = [UInt8(random.below(17))] + random.bytes(random.below(60))
            if let decoded = try? RaftMessage.decode(noise) { #expect(RaftMessage.encode(decoded) == noise) }
        }
    }

    @Test("a replica survives whatever decodes, from any voter")
    func handlesNoise() {
        var random = SeededRandom(seed: 8)
        for _ in 0..<200 {
            var solo = SoloReplica(terms: [1, 2, 2])
            if random.chance(1, in: 2) { solo.lead() }
            for _ in 0..<200 {
                var bytes = random.element(of: Self.samples).map(RaftMessage.encode) ?? []
                for _ in 0..<random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
                guard let message = try? RaftMessage.decode(bytes), !Self.claimsCommitted(message, against: solo) else {
                    continue
                }
                solo.receive(message, from: 2 + random.below(2))
                solo.advance(by: .milliseconds(Int64(random.below(30))))
                if random.chance(1, in: 2) { solo.persist() }
            }
        }
    }

    /// A peer that contradicts a committed entry has broken consensus itself; stopping is then right.
    private static func claimsCommitted(_ message: RaftMessage, against solo: SoloReplica) -> Bool {
        guard case .append(let append) = message else { return false }
        return append.entries.contains { entry in
            entry.index <= solo.core.commitIndex && solo.core.log.term(at: entry.index) != entry.term
        }
    }

    @Test("terms that go back, or beyond the message's own, are refused", arguments: [[2, 1], [6], [0]] as [[UInt64]])
    func entryTerms(terms: [UInt64]) {
        let append = RaftMessage.Append(
            term: Term(5), previous: .zero, entries: SoloReplica.entries(terms), commitIndex: .zero, time: .zero)
        #expect(throws: DecodeError.invalid("entry term")) {
            try RaftMessage.decode(RaftMessage.encode(.append(append)))
        }
    }

    @Test(
        "an entry with a malformed configuration is refused with its message",
        arguments: [[], [9, 9], [1]] as [[UInt8]])
    func malformedConfiguration(payload: [UInt8]) {
        let entry = Entry(index: LogIndex(1), term: Term(1), time: .zero, kind: .configuration, payload: payload)
        let append = RaftMessage.Append(
            term: Term(1), previous: .zero, entries: [entry], commitIndex: .zero, time: .zero)
        #expect(throws: DecodeError.self) { try RaftMessage.decode(RaftMessage.encode(.append(append))) }
    }

    @Test("counters near overflow are refused")
    func counters() {
        #expect(throws: DecodeError.tooLong) { try RaftMessage.decode(RaftMessage.encode(.hello(term: Term(.max)))) }
    }

    @Test("only appends that exceed a datagram are bulk")
    func bulk() {
        #expect(Self.samples.allSatisfy { !$0.isBulk })
        let entry = Entry(
            index: LogIndex(1), term: Term(1), time: .zero, kind: .command, payload: Array(repeating: 1, count: 1100))
        let append = RaftMessage.Append(
            term: Term(1), previous: .zero, entries: [entry], commitIndex: .zero, time: .zero)
        #expect(RaftMessage.append(append).isBulk)
    }

    @Test("a configuration has one encoding: ascending, distinct, no voter among the learners")
    func configuration() throws {
        let configuration = Configuration(voters: [3, 1, 2].map { ReplicaID($0) }, learners: [ReplicaID(9)])
        #expect(try Configuration.decode(configuration.encode()) == configuration)
        #expect(configuration.voters == [1, 2, 3].map { ReplicaID($0) })
        for (voters, learners) in [([2, 1], []), ([1, 1], []), ([1], [1])] as [([UInt64], [UInt64])] {
            var writer = ByteWriter()
            writer.writeArray(voters) { $0.write(ReplicaID($1)) }
            writer.writeArray(learners) { $0.write(ReplicaID($1)) }
            let bytes = writer.bytes
            #expect(throws: DecodeError.self) { try Configuration.decode(bytes) }
        }
    }
}
