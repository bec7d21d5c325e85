import Primitives

/// What replicas say to each other (Raft figure 2, thesis §3.10, §6.4, §9.6). Losing, repeating, delaying or
/// reordering any of it is safe. The sender is the channel's authenticated peer, never a field.
package enum RaftMessage: Hashable, Sendable {
    case preVote(VoteRequest)
    case preVoteReply(VoteReply)
    case vote(VoteRequest)
    case voteReply(VoteReply)
    case append(Append)
    case appendReply(AppendReply)
    case heartbeat(Heartbeat)
    case heartbeatReply(HeartbeatReply)
    /// "Campaign now": the leader of `term` has given up its lease (thesis §3.10).
    case timeoutNow(term: Term)
    /// "I can reach you": follower to follower, only while a hand-over is being considered.
    case hello(term: Term)
    /// "May this entry, which I cannot read any more, be committed?"
    case tailQuery(TailQuery)
    case tailReply(TailReply)
    case readRequest(ReadRequest)
    case readReply(ReadReply)
    /// A piece of a snapshot, for a follower that is too far behind for the leader's log.
    indirect case snapshot(SnapshotChunk)
    case snapshotReply(SnapshotReply)
    /// An observer that no leader serves asks for what is committed after its log (`ObserverTree`).
    case fetch(Fetch)
    case fetched(Fetched)

    /// The sender's term; for pre-votes, the term it would campaign in.
    package var term: Term {
        switch self {
        case .preVote(let request), .vote(let request): request.term
        case .preVoteReply(let reply), .voteReply(let reply): reply.term
        case .append(let append): append.term
        case .appendReply(let reply): reply.term
        case .heartbeat(let heartbeat): heartbeat.term
        case .heartbeatReply(let reply): reply.term
        case .timeoutNow(let term), .hello(let term): term
        case .tailQuery(let query): query.term
        case .tailReply(let reply): reply.term
        case .readRequest(let request): request.term
        case .readReply(let reply): reply.term
        case .snapshot(let chunk): chunk.term
        case .snapshotReply(let reply): reply.term
        case .fetch(let fetch): fetch.term
        case .fetched(let fetched): fetched.term
        }
    }

    /// False if it says something about the direct link, so that a relay must not carry it.
    package var mayGoAround: Bool {
        if case .hello = self { return false }
        return true
    }

    /// Too large for one sealed datagram of 1,200 bytes: send it over the stream.
    package var isBulk: Bool {
        switch self {
        case .snapshot: true
        case .append(let append): Self.areBulk(append.entries)
        case .fetched(let fetched): Self.areBulk(fetched.entries)
        default: false
        }
    }

    private static func areBulk(_ entries: [Entry]) -> Bool {
        var bytes = 64
        for entry in entries {
            bytes += entry.payload.count + 24
            if bytes > 1100 { return true }
        }
        return false
    }

    package struct VoteRequest: Hashable, Sendable {
        /// The term campaigned in, or in a pre-vote the one that would be.
        package let term: Term
        /// The end of the candidate's log (Raft §5.4.1).
        package let last: LogPosition
        /// The leader of the preceding term told the candidate to campaign and has no lease any more, so voters need
        /// not wait for E to pass.
        package let isTransfer: Bool

        package init(term: Term, last: LogPosition, isTransfer: Bool = false) {
            self.term = term
            self.last = last
            self.isTransfer = isTransfer
        }
    }

    package struct VoteReply: Hashable, Sendable {
        /// The requested term if granted, else the voter's own.
        package let term: Term
        package let isGranted: Bool

        package init(term: Term, isGranted: Bool) {
            self.term = term
            self.isGranted = isGranted
        }
    }

    package struct Append: Hashable, Sendable {
        package let term: Term
        /// The entry just before `entries`.
        package let previous: LogPosition
        /// Consecutive from `previous`. Empty: only news of the commit index, which no one acknowledges.
        package let entries: [Entry]
        package let commitIndex: LogIndex
        /// The leader's log time when it sent this.
        package let time: LogTime

        package init(term: Term, previous: LogPosition, entries: [Entry], commitIndex: LogIndex, time: LogTime) {
            self.term = term
            self.previous = previous
            self.entries = entries
            self.commitIndex = commitIndex
            self.time = time
        }
    }

    package struct AppendReply: Hashable, Sendable {
        package enum Outcome: Hashable, Sendable {
            /// Everything through this index equals the leader's log and is durable.
            case matched(LogIndex)
            /// `previous` is unknown or conflicts. The hint is the last position that could be shared: the greatest
            /// index not after `previous` whose term is not later than its term (Raft §5.3, last paragraph).
            case rejected(previous: LogIndex, hint: LogPosition)
            /// Like `rejected`, from a replica whose disk lost entries after the hint that it may have acknowledged:
            /// what it said before is void.
            case lost(hint: LogPosition)
            /// The append's term is over; the reply's term says which one it is.
            case stale
        }

        package let term: Term
        package let outcome: Outcome

        package init(term: Term, outcome: Outcome) {
            self.term = term
            self.outcome = outcome
        }
    }

    package struct Heartbeat: Hashable, Sendable {
        package let term: Term
        /// Numbers the rounds of one process's life; never used twice, so an old answer never confirms a new question.
        package let round: UInt64
        package let commitIndex: LogIndex
        /// The greatest round of this term that a quorum has answered; 0 if none.
        package let confirmedRound: UInt64
        /// The stamp of the receiver's last reply in this term: it bounds from below, on the receiver's own clock, when
        /// this was sent (see `Freshness`). Nil as long as no entry of this term is committed, since `commitIndex` may
        /// then lag behind earlier leaders' and proves nothing.
        package let echoedStamp: UInt64?
        package let time: LogTime
        /// A hand-over is being considered: tell the other voters that you reach them, and the leader whom you hear.
        package let surveysPeers: Bool

        package init(
            term: Term, round: UInt64, commitIndex: LogIndex, confirmedRound: UInt64 = 0, echoedStamp: UInt64? = nil,
            time: LogTime, surveysPeers: Bool = false
        ) {
            self.term = term
            self.round = round
            self.commitIndex = commitIndex
            self.confirmedRound = confirmedRound
            self.echoedStamp = echoedStamp
            self.time = time
            self.surveysPeers = surveysPeers
        }
    }

    package struct HeartbeatReply: Hashable, Sendable {
        package let term: Term
        package let round: UInt64
        /// Numbers the replies of one process's life, from a random start; the leader echoes it.
        package let stamp: UInt64
        /// What the replier has applied.
        package let commitIndex: LogIndex
        /// The replier's last entry.
        package let last: LogIndex
        /// For how long the replier withholds its vote from others because of this heartbeat, a crash included: what its
        /// durable log says of E. Zero if it does not know.
        package let promise: Duration
        /// Voters heard within E, ascending; empty unless the heartbeat surveyed.
        package let heard: [ReplicaID]

        package init(
            term: Term, round: UInt64, stamp: UInt64, commitIndex: LogIndex, last: LogIndex = .zero,
            promise: Duration = .zero, heard: [ReplicaID] = []
        ) {
            self.last = last
            self.promise = promise
            self.term = term
            self.round = round
            self.stamp = stamp
            self.commitIndex = commitIndex
            self.heard = heard
        }
    }

    package struct TailQuery: Hashable, Sendable {
        package let term: Term
        /// The last entry that the sender may have acknowledged and cannot read.
        package let tail: LogPosition

        package init(term: Term, tail: LogPosition) {
            self.term = term
            self.tail = tail
        }
    }

    package struct TailReply: Hashable, Sendable {
        package let term: Term
        /// The tail asked about.
        package let tail: LogPosition
        /// The replier's last entry.
        package let readable: LogIndex
        /// The last entry that the replier itself cannot read; 0 if it has no doubt.
        package let doubtful: LogIndex
        /// Where the replier's configuration stands.
        package let configuration: LogIndex

        package init(
            term: Term, tail: LogPosition, readable: LogIndex, doubtful: LogIndex, configuration: LogIndex = .zero
        ) {
            self.configuration = configuration
            self.term = term
            self.tail = tail
            self.readable = readable
            self.doubtful = doubtful
        }
    }

    package struct ReadRequest: Hashable, Sendable {
        package let term: Term
        /// Chosen by the follower; starts at random and counts up, so no reply to an earlier life can match it.
        package let ticket: UInt64

        package init(term: Term, ticket: UInt64) {
            self.term = term
            self.ticket = ticket
        }
    }

    package struct ReadReply: Hashable, Sendable {
        package let term: Term
        package let ticket: UInt64
        /// A quorum confirmed the leader after the request arrived, and this was then its commit index.
        package let index: LogIndex

        package init(term: Term, ticket: UInt64, index: LogIndex) {
            self.term = term
            self.ticket = ticket
            self.index = index
        }
    }

    package struct Fetch: Hashable, Sendable {
        package let term: Term
        /// Where the sender's log ends; what follows its commit index may be none of the leader's.
        package let last: LogPosition
        package let commitIndex: LogIndex
        /// Numbers the questions and answers of one process's life, from a random start (`Freshness`).
        package let stamp: UInt64

        package init(term: Term, last: LogPosition, commitIndex: LogIndex, stamp: UInt64) {
            self.term = term
            self.last = last
            self.commitIndex = commitIndex
            self.stamp = stamp
        }
    }

    /// Nothing but what is committed. Nobody acknowledges it.
    package struct Fetched: Hashable, Sendable {
        /// Everything that was committed before the fetch with this stamp was sent is within `index`.
        package struct Proof: Hashable, Sendable {
            package let stamp: UInt64
            package let index: LogIndex

            package init(stamp: UInt64, index: LogIndex) {
                self.stamp = stamp
                self.index = index
            }
        }

        /// Who leads, and how long ago the leader itself was heard by whoever passed this on first.
        package struct Leader: Hashable, Sendable {
            package let replica: ReplicaID
            package let heardAgo: Duration

            package init(_ replica: ReplicaID, heardAgo: Duration) {
                self.replica = replica
                self.heardAgo = heardAgo
            }
        }

        package let term: Term
        /// Of that term; nil if it was not heard within E.
        package let leader: Leader?
        /// The entry just before `entries`; zero without any.
        package let previous: LogPosition
        /// Consecutive from `previous`, committed.
        package let entries: [Entry]
        package let commitIndex: LogIndex
        /// The sender's reading of log time.
        package let time: LogTime
        package let proof: Proof?

        package init(
            term: Term, leader: Leader?, previous: LogPosition = .zero, entries: [Entry] = [],
            commitIndex: LogIndex, time: LogTime, proof: Proof? = nil
        ) {
            self.term = term
            self.leader = leader
            self.previous = previous
            self.entries = entries
            self.commitIndex = commitIndex
            self.time = time
            self.proof = proof
        }
    }
}
