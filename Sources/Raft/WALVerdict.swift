import Primitives

/// What may be missing from the end of a damaged log. Survives restarts in the segment header until it is settled:
/// by an entry that a leader sends at or beyond `last`, or by `DurableWrite.settlesDoubt`.
package struct WALDoubt: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        /// Perhaps acknowledged, perhaps torn. Vote only for logs that reach at least `last`.
        case doubtful = 1
        /// Acknowledged entries are gone. Neither vote nor acknowledge before a leader has sent them again.
        case faulty = 2
    }

    package let kind: Kind
    /// The first entry that cannot be read.
    package let first: LogIndex
    /// The furthest entry that was ever written, as far as its traces tell.
    package let last: LogPosition

    package init(kind: Kind, first: LogIndex, last: LogPosition) {
        self.kind = kind
        self.first = first
        self.last = last
    }

    /// The stricter of two doubts.
    func combined(with other: WALDoubt?) -> WALDoubt {
        guard let other else { return self }
        return WALDoubt(
            kind: kind == .faulty || other.kind == .faulty ? .faulty : .doubtful, first: min(first, other.first),
            last: max(last, other.last))
    }
}

/// What recovery makes of a data directory: total over everything that can be on disk.
///
///     hard state slots | after the last good record             | verdict
///     -----------------+----------------------------------------+-------------------------------------------
///     both bad         | anything                               | new replica: a vote may be forgotten
///     one good         | only zeros                             | clean
///     one good         | bytes, none of them a surviving trace  | torn: never acknowledged, left behind
///     one good         | traces of the last synced group only   | doubtful: torn or rotten, nobody can tell
///     one good         | a trace from after a later sync        | faulty: acknowledged entries are damaged
///     one good         | a whole file is missing or foreign     | faulty, or an error that a person must look at
///
///     newest snapshot  | the log, as above                      | effect
///     -----------------+----------------------------------------+-------------------------------------------
///     good             | reaches it and agrees                  | the log's verdict
///     good             | ends before it, or contradicts it      | the log restarts after it; a doubt that it covers
///                      |                                        | is over, one beyond stays
///     good             | damaged only in files wholly before it | clean: what they held is in the snapshot
///     bad or missing   | reaches back to the one before         | that one counts: nothing is lost
///     bad or missing   | begins after the one before, or none   | faulty: what lies between is missing
///     unfinished       | anything                               | removed: it was never counted on
///
/// A trace is an identity, or a whole record, whose checksum holds.
package enum WALVerdict: Hashable, Sendable {
    case clean
    /// A write was cut off. Nothing that was acknowledged is missing.
    case torn(droppedBytes: Int)
    case doubtful(WALDoubt)
    case faulty(WALDoubt)
    /// The replica's promises are lost: it must never vote again under this id. Start as a new replica.
    case newReplica(NewReplicaReason)

    package enum NewReplicaReason: Hashable, Sendable {
        /// No file of ours: a new directory, or a wiped one.
        case empty
        /// Neither hard state slot is readable.
        case hardStateLost
        /// Hard state without a log.
        case logLost
        /// The log holds entries of a later term than the hard state: it was replaced by an older copy.
        case hardStateStale(hardState: Term, log: Term)
    }
}
