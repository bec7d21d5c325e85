import Primitives

/// The wire form of `RaftMessage`: one tag byte, then the fields in declaration order.
///
/// Entries carry no index of their own: it follows from `previous`. The decoder accepts only messages that a correct
/// leader could have sent (terms ascend along the entries and stay within the message's), so that the core may rely
/// on it; counters are bounded far below overflow.
extension RaftMessage {
    /// Payload of one entry; larger proposals trap at the proposer.
    package static let payloadBytesMax = 1 << 20
    /// Entries of one append.
    package static let entryCountMax = 4096
    /// Bytes of one piece of a snapshot.
    package static let snapshotChunkBytesMax = 1 << 20
    /// Greatest term, index, round and log time accepted: no count gets there, and adding to them cannot overflow.
    static let counterMax: UInt64 = 1 << 60

    private enum Tag: UInt8 {
        case preVote = 1
        case preVoteReply, vote, voteReply, append, appendReply, heartbeat, heartbeatReply
        case timeoutNow, hello, readRequest, readReply, tailQuery, tailReply
        case snapshot, snapshotReply
        case fetch, fetched
    }

    /// Whether a message that begins so brings a leader's log or state: most bytes that nodes say to each other are of these.
    package static func isReplication(tag: UInt8) -> Bool {
        tag == Tag.append.rawValue || tag == Tag.snapshot.rawValue
    }

    private enum OutcomeTag: UInt8 {
        case matched = 0
        case rejected, stale, lost
    }

    package static func encode(_ message: RaftMessage) -> [UInt8] {
        var writer = ByteWriter(capacity: message.encodedBytesEstimate)
        write(message, to: &writer)
        return writer.bytes
    }

    /// Enough room for most, so that long messages are not copied while they grow.
    package var encodedBytesEstimate: Int {
        switch self {
        case .append(let append): append.entries.reduce(64) { $0 + $1.payload.count + 16 }
        case .fetched(let fetched): fetched.entries.reduce(96) { $0 + $1.payload.count + 16 }
        case .snapshot(let chunk): 96 + chunk.bytes.count
        default: 64
        }
    }

    package static func write(_ message: RaftMessage, to writer: inout ByteWriter) {
        switch message {
        case .preVote(let request):
            writer.write(Tag.preVote.rawValue)
            write(request, to: &writer)
        case .preVoteReply(let reply):
            writer.write(Tag.preVoteReply.rawValue)
            write(reply, to: &writer)
        case .vote(let request):
            writer.write(Tag.vote.rawValue)
            write(request, to: &writer)
        case .voteReply(let reply):
            writer.write(Tag.voteReply.rawValue)
            write(reply, to: &writer)
        case .append(let append):
            writer.write(Tag.append.rawValue)
            write(append, to: &writer)
        case .appendReply(let reply):
            writer.write(Tag.appendReply.rawValue)
            write(reply, to: &writer)
        case .heartbeat(let heartbeat):
            writer.write(Tag.heartbeat.rawValue)
            write(heartbeat, to: &writer)
        case .heartbeatReply(let reply):
            writer.write(Tag.heartbeatReply.rawValue)
            write(reply, to: &writer)
        case .timeoutNow(let term):
            writer.write(Tag.timeoutNow.rawValue)
            writer.write(term)
        case .hello(let term):
            writer.write(Tag.hello.rawValue)
            writer.write(term)
        case .tailQuery(let query):
            writer.write(Tag.tailQuery.rawValue)
            writer.write(query.term)
            write(query.tail, to: &writer)
        case .tailReply(let reply):
            writer.write(Tag.tailReply.rawValue)
            writer.write(reply.term)
            write(reply.tail, to: &writer)
            writer.write(reply.readable)
            writer.write(reply.doubtful)
            writer.write(reply.configuration)
        case .readRequest(let request):
            writer.write(Tag.readRequest.rawValue)
            writer.write(request.term)
            writer.write(request.ticket)
        case .readReply(let reply):
            writer.write(Tag.readReply.rawValue)
            writer.write(reply.term)
            writer.write(reply.ticket)
            writer.write(reply.index)
        case .snapshot(let chunk):
            writer.write(Tag.snapshot.rawValue)
            writer.write(chunk)
        case .snapshotReply(let reply):
            writer.write(Tag.snapshotReply.rawValue)
            writer.write(reply)
        case .fetch(let fetch):
            writer.write(Tag.fetch.rawValue)
            writer.write(fetch.term)
            write(fetch.last, to: &writer)
            writer.write(fetch.commitIndex)
            writer.write(fetch.stamp)
        case .fetched(let fetched):
            writer.write(Tag.fetched.rawValue)
            write(fetched, to: &writer)
        }
    }

    /// The whole of `bytes`, or what stands before `end`.
    package static func decode(_ bytes: [UInt8], before end: Int? = nil) throws(DecodeError) -> RaftMessage {
        var reader = ByteReader(bytes, before: end ?? bytes.count)
        guard let tag = Tag(rawValue: try reader.readUInt8()) else { throw .invalid("raft message tag") }
        let message: RaftMessage
        switch tag {
        case .preVote: message = .preVote(try reader.readVoteRequest())
        case .preVoteReply: message = .preVoteReply(try reader.readVoteReply())
        case .vote: message = .vote(try reader.readVoteRequest())
        case .voteReply: message = .voteReply(try reader.readVoteReply())
        case .append: message = .append(try reader.readAppend())
        case .appendReply: message = .appendReply(try reader.readAppendReply())
        case .heartbeat: message = .heartbeat(try reader.readHeartbeat())
        case .heartbeatReply: message = .heartbeatReply(try reader.readHeartbeatReply())
        case .timeoutNow: message = .timeoutNow(term: try reader.readBoundedTerm())
        case .hello: message = .hello(term: try reader.readBoundedTerm())
        case .tailQuery:
            message = .tailQuery(TailQuery(term: try reader.readBoundedTerm(), tail: try reader.readPosition()))
        case .tailReply:
            message = .tailReply(
                TailReply(
                    term: try reader.readBoundedTerm(), tail: try reader.readPosition(),
                    readable: try reader.readBoundedIndex(), doubtful: try reader.readBoundedIndex(),
                    configuration: try reader.readBoundedIndex()))
        case .readRequest:
            message = .readRequest(ReadRequest(term: try reader.readBoundedTerm(), ticket: try reader.readUInt64()))
        case .readReply:
            message = .readReply(
                ReadReply(
                    term: try reader.readBoundedTerm(), ticket: try reader.readUInt64(),
                    index: try reader.readBoundedIndex()))
        case .snapshot: message = .snapshot(try reader.readSnapshotChunk())
        case .snapshotReply: message = .snapshotReply(try reader.readSnapshotReply())
        case .fetch:
            message = .fetch(
                Fetch(
                    term: try reader.readBoundedTerm(), last: try reader.readPosition(),
                    commitIndex: try reader.readBoundedIndex(), stamp: try reader.readUInt64()))
        case .fetched: message = .fetched(try reader.readFetched())
        }
        try reader.expectEnd()
        return message
    }

    private static func write(_ position: LogPosition, to writer: inout ByteWriter) {
        writer.write(position.index)
        writer.write(position.term)
    }

    private static func write(_ request: VoteRequest, to writer: inout ByteWriter) {
        writer.write(request.term)
        write(request.last, to: &writer)
        writer.write(request.isTransfer)
    }

    private static func write(_ reply: VoteReply, to writer: inout ByteWriter) {
        writer.write(reply.term)
        writer.write(reply.isGranted)
    }

    private static func write(_ append: Append, to writer: inout ByteWriter) {
        writer.write(append.term)
        write(append.previous, to: &writer)
        writer.write(append.commitIndex)
        writer.write(append.time)
        write(append.entries, to: &writer)
    }

    private static func write(_ entries: [Entry], to writer: inout ByteWriter) {
        writer.writeVarint(UInt64(entries.count))
        for entry in entries {
            writer.write(entry.term)
            writer.write(entry.time)
            writer.write(entry.kind.rawValue)
            writer.write(entry.payload)
        }
    }

    private static func write(_ fetched: Fetched, to writer: inout ByteWriter) {
        writer.write(fetched.term)
        writer.writeOptional(fetched.leader) {
            $0.write($1.replica)
            $0.writeVarint(UInt64($1.heardAgo.inNanoseconds))
        }
        write(fetched.previous, to: &writer)
        writer.write(fetched.commitIndex)
        writer.write(fetched.time)
        writer.writeOptional(fetched.proof) {
            $0.write($1.stamp)
            $0.write($1.index)
        }
        write(fetched.entries, to: &writer)
    }

    private static func write(_ reply: AppendReply, to writer: inout ByteWriter) {
        writer.write(reply.term)
        switch reply.outcome {
        case .matched(let index):
            writer.write(OutcomeTag.matched.rawValue)
            writer.write(index)
        case .rejected(let previous, let hint):
            writer.write(OutcomeTag.rejected.rawValue)
            writer.write(previous)
            write(hint, to: &writer)
        case .stale:
            writer.write(OutcomeTag.stale.rawValue)
        case .lost(let hint):
            writer.write(OutcomeTag.lost.rawValue)
            write(hint, to: &writer)
        }
    }

    private static func write(_ heartbeat: Heartbeat, to writer: inout ByteWriter) {
        writer.write(heartbeat.term)
        writer.writeVarint(heartbeat.round)
        writer.write(heartbeat.commitIndex)
        writer.writeVarint(heartbeat.confirmedRound)
        writer.writeOptional(heartbeat.echoedStamp) { $0.write($1) }
        writer.write(heartbeat.time)
        writer.write(heartbeat.surveysPeers)
    }

    private static func write(_ reply: HeartbeatReply, to writer: inout ByteWriter) {
        writer.write(reply.term)
        writer.writeVarint(reply.round)
        writer.write(reply.stamp)
        writer.write(reply.commitIndex)
        writer.write(reply.last)
        writer.writeVarint(UInt64(reply.promise.inNanoseconds))
        writer.writeArray(reply.heard) { $0.write($1) }
    }

    fileprivate static func readOutcome(_ reader: inout ByteReader) throws(DecodeError) -> AppendReply.Outcome {
        guard let tag = OutcomeTag(rawValue: try reader.readUInt8()) else { throw .invalid("append outcome") }
        switch tag {
        case .matched: return .matched(try reader.readBoundedIndex())
        case .rejected: return .rejected(previous: try reader.readBoundedIndex(), hint: try reader.readPosition())
        case .stale: return .stale
        case .lost: return .lost(hint: try reader.readPosition())
        }
    }
}

extension ByteReader {
    fileprivate mutating func readBoundedCounter() throws(DecodeError) -> UInt64 {
        let value = try readVarint()
        guard value <= RaftMessage.counterMax else { throw .tooLong }
        return value
    }

    mutating func readBoundedTerm() throws(DecodeError) -> Term { Term(try readBoundedCounter()) }

    fileprivate mutating func readBoundedIndex() throws(DecodeError) -> LogIndex { LogIndex(try readBoundedCounter()) }

    mutating func readBoundedTime() throws(DecodeError) -> LogTime {
        let time = try readLogTime()
        // A thousand years, so that adding a lifetime to it never overflows.
        guard (0...31_536_000_000_000).contains(time.milliseconds) else { throw .invalid("log time") }
        return time
    }

    mutating func readPosition() throws(DecodeError) -> LogPosition {
        LogPosition(index: try readBoundedIndex(), term: try readBoundedTerm())
    }

    fileprivate mutating func readVoteRequest() throws(DecodeError) -> RaftMessage.VoteRequest {
        RaftMessage.VoteRequest(
            term: try readBoundedTerm(), last: try readPosition(), isTransfer: try readBool())
    }

    fileprivate mutating func readVoteReply() throws(DecodeError) -> RaftMessage.VoteReply {
        RaftMessage.VoteReply(term: try readBoundedTerm(), isGranted: try readBool())
    }

    fileprivate mutating func readAppend() throws(DecodeError) -> RaftMessage.Append {
        let term = try readBoundedTerm()
        let previous = try readPosition()
        let commitIndex = try readBoundedIndex()
        let time = try readBoundedTime()
        let entries = try readEntries(after: previous, through: term)
        return RaftMessage.Append(
            term: term, previous: previous, entries: entries, commitIndex: commitIndex, time: time)
    }

    fileprivate mutating func readFetched() throws(DecodeError) -> RaftMessage.Fetched {
        let term = try readBoundedTerm()
        let leader = try readOptional { (reader) throws(DecodeError) in
            RaftMessage.Fetched.Leader(try reader.readReplicaID(), heardAgo: try reader.readSpan())
        }
        let previous = try readPosition()
        let commitIndex = try readBoundedIndex()
        let time = try readBoundedTime()
        let proof = try readOptional { (reader) throws(DecodeError) in
            RaftMessage.Fetched.Proof(stamp: try reader.readUInt64(), index: try reader.readBoundedIndex())
        }
        let entries = try readEntries(after: previous, through: term)
        guard entries.last?.index ?? .zero <= commitIndex else { throw .invalid("entry that is not committed") }
        return RaftMessage.Fetched(
            term: term, leader: leader, previous: previous, entries: entries, commitIndex: commitIndex, time: time,
            proof: proof)
    }

    /// Those that follow `previous` in the log of a leader of `term`.
    private mutating func readEntries(
        after previous: LogPosition, through term: Term
    ) throws(DecodeError) -> [Entry] {
        let count = try readCount(limit: RaftMessage.entryCountMax)
        guard previous.term <= term, (previous.index == .zero) == (previous.term == .zero) else {
            throw .invalid("previous position")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(min(count, remaining / 11))
        var last = previous
        for _ in 0..<count {
            let entry = try readEntry(after: last)
            last = LogPosition(index: entry.index, term: entry.term)
            entries.append(entry)
        }
        guard last.term <= term else { throw .invalid("entry term") }
        return entries
    }

    private mutating func readEntry(after previous: LogPosition) throws(DecodeError) -> Entry {
        let term = try readBoundedTerm()
        guard term >= previous.term, term > .zero else { throw .invalid("entry term") }
        let time = try readBoundedTime()
        guard let kind = Entry.Kind(rawValue: try readUInt8()) else { throw .invalid("entry kind") }
        let payload = try readBlob(limit: RaftMessage.payloadBytesMax)
        if kind == .configuration { _ = try Configuration.decode(payload) }
        return Entry(index: previous.index.next, term: term, time: time, kind: kind, payload: payload)
    }

    fileprivate mutating func readAppendReply() throws(DecodeError) -> RaftMessage.AppendReply {
        RaftMessage.AppendReply(term: try readBoundedTerm(), outcome: try RaftMessage.readOutcome(&self))
    }

    fileprivate mutating func readHeartbeat() throws(DecodeError) -> RaftMessage.Heartbeat {
        RaftMessage.Heartbeat(
            term: try readBoundedTerm(), round: try readBoundedCounter(), commitIndex: try readBoundedIndex(),
            confirmedRound: try readBoundedCounter(),
            echoedStamp: try readOptional { (reader) throws(DecodeError) in try reader.readUInt64() },
            time: try readBoundedTime(), surveysPeers: try readBool())
    }

    /// Up to an hour: no election timeout is that long.
    fileprivate mutating func readSpan() throws(DecodeError) -> Duration {
        let nanoseconds = try readVarint()
        guard nanoseconds <= 3_600_000_000_000 else { throw .tooLong }
        return .nanoseconds(Int64(nanoseconds))
    }

    fileprivate mutating func readHeartbeatReply() throws(DecodeError) -> RaftMessage.HeartbeatReply {
        RaftMessage.HeartbeatReply(
            term: try readBoundedTerm(), round: try readBoundedCounter(), stamp: try readUInt64(),
            commitIndex: try readBoundedIndex(), last: try readBoundedIndex(), promise: try readSpan(),
            heard: try readArray(limit: Configuration.memberCountMax) { (reader) throws(DecodeError) in
                try reader.readReplicaID()
            })
    }
}
