import Primitives

/// One record of the replicated log (Raft §5.3). Identified by (index, term); immutable once committed.
package struct Entry: Hashable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// What a new leader appends to commit its predecessors' entries (Raft §5.4.2, §8).
        case noop = 0
        /// An opaque command; its meaning belongs to whoever proposed it.
        case command = 1
        /// A `Configuration` of voters and learners.
        case configuration = 2
    }

    package let index: LogIndex
    package let term: Term
    /// The leader's log time when it appended the entry; never decreases along the log.
    package let time: LogTime
    package let kind: Kind
    package let payload: [UInt8]

    package init(index: LogIndex, term: Term, time: LogTime, kind: Kind, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.time = time
        self.kind = kind
        self.payload = payload
    }
}

/// What must survive a crash for an election to stay safe (Raft figure 2, "persistent state").
package struct HardState: Hashable, Sendable {
    package var term: Term
    package var votedFor: ReplicaID?

    package init(term: Term = .zero, votedFor: ReplicaID? = nil) {
        self.term = term
        self.votedFor = votedFor
    }
}
