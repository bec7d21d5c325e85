import Primitives

/// A follower's proof of how recent its knowledge of the commit index is.
///
/// Heartbeat r states a commit index and the greatest round q that this follower had answered when r was sent; so r
/// was sent after this follower answered q, a moment on its own clock. When a later heartbeat says that a quorum
/// confirmed r, everything committed before that moment is within r's commit index. Delay of any message makes the
/// proof older, never wrong, and no two clocks are compared.
struct Freshness: Sendable {
    static let recordMax = 16

    private struct Record: Sendable {
        let round: UInt64
        let receivedAt: Instant
        let commitIndex: LogIndex
        let echoedRound: UInt64
    }

    private(set) var confirmedAt: Instant?
    private(set) var confirmedIndex = LogIndex.zero
    private var term = Term.zero
    /// Rounds of `term` in ascending order.
    private var records: [Record] = []

    mutating func note(_ heartbeat: RaftMessage.Heartbeat, at now: Instant) {
        if heartbeat.term != term {
            term = heartbeat.term
            records.removeAll(keepingCapacity: true)
        }
        if heartbeat.round > records.last?.round ?? 0 {
            if records.count == Self.recordMax { records.removeFirst() }
            records.append(
                Record(
                    round: heartbeat.round, receivedAt: now, commitIndex: heartbeat.commitIndex,
                    echoedRound: heartbeat.echoedRound))
        }
        guard let stated = records.last(where: { $0.round <= heartbeat.confirmedRound }),
            let answered = records.last(where: { $0.round <= stated.echoedRound })
        else { return }
        confirm(stated.commitIndex, at: answered.receivedAt)
    }

    /// The leader's own form: its quorum confirmed a round that it sent at `moment`.
    mutating func confirm(_ index: LogIndex, at moment: Instant) {
        if let confirmedAt, moment <= confirmedAt { return }
        confirmedAt = moment
        confirmedIndex = max(confirmedIndex, index)
    }
}
