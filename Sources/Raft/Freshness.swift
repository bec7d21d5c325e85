import Primitives

/// A follower's proof of how recent its knowledge of the commit index is.
///
///     follower                                  leader
///        | reply, stamp s, sent at T  ----------> |
///        | <---------- round r, commit c, echo s  |   so r was sent after T
///        | reply to r  -------------------------> |   a quorum replies to r
///        | <---------- round r+1, confirmed r     |   so everything committed before T is within c
///
/// T is a moment on the follower's own clock. Delay of any message makes the proof older, never wrong, and no two
/// clocks are compared. Stamps start at random, so that an echo of an earlier life's stamp is not taken for this one's.
package struct Freshness: Sendable {
    /// Stamps and rounds remembered: more than are under way at a time. Forgetting one only loses a proof.
    static let recordMax = 32

    private struct Stamp: Sendable {
        let number: UInt64
        let sentAt: Instant
    }

    private struct Round: Sendable {
        let number: UInt64
        let commitIndex: LogIndex
        /// A moment before it was sent.
        let sentAfter: Instant
    }

    /// The moment on this replica's clock of which it is proven that everything committed before it lies within
    /// `confirmedIndex`; nil before the first proof. On the leader, the send time of the last confirmed round.
    package private(set) var confirmedAt: Instant?
    /// State applied through here is as fresh as that moment.
    package private(set) var confirmedIndex = LogIndex.zero
    private var nextStamp: UInt64
    private var stamps: [Stamp] = []
    private var term = Term.zero
    /// Of `term`, ascending.
    private var rounds: [Round] = []

    init(firstStamp: UInt64) { nextStamp = firstStamp }

    /// Numbers a reply that leaves at `now`.
    mutating func makeStamp(at now: Instant) -> UInt64 {
        if stamps.count == Self.recordMax { stamps.removeFirst() }
        stamps.append(Stamp(number: nextStamp, sentAt: now))
        nextStamp &+= 1
        return stamps[stamps.count - 1].number
    }

    /// When the message that bears this number left; nil if that is not remembered.
    func sentAt(_ number: UInt64) -> Instant? { stamps.last { $0.number == number }?.sentAt }

    mutating func note(_ heartbeat: RaftMessage.Heartbeat) {
        if heartbeat.term != term {
            term = heartbeat.term
            rounds.removeAll(keepingCapacity: true)
        }
        if let echo = heartbeat.echoedStamp, heartbeat.round > rounds.last?.number ?? 0,
            let stamp = stamps.last(where: { $0.number == echo })
        {
            if rounds.count == Self.recordMax { rounds.removeFirst() }
            rounds.append(
                Round(number: heartbeat.round, commitIndex: heartbeat.commitIndex, sentAfter: stamp.sentAt))
        }
        if let proven = rounds.last(where: { $0.number <= heartbeat.confirmedRound }) {
            confirm(proven.commitIndex, at: proven.sentAfter)
        }
    }

    /// Everything committed before `moment` is within `index`: on a leader, whose quorum confirmed a round that it sent then,
    /// or on an observer, whose source has said so.
    mutating func confirm(_ index: LogIndex, at moment: Instant) {
        if let confirmedAt, moment <= confirmedAt { return }
        confirmedAt = moment
        confirmedIndex = max(confirmedIndex, index)
    }
}
