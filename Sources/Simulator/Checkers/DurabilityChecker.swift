import Primitives
import Raft

/// A promise told is on disk: at the moment when a message leaves, everything that it reveals or promises would survive
/// if the power went and took all that was not synced.
///
/// Terms and votes are looked at in both slots, whenever they are told: either slot alone must bring them back. What
/// is told of the log is read as recovery would read it, which is dear, so only each sixteenth acknowledgement is.
package struct DurabilityChecker: Sendable {
    package static let acknowledgementsPerLook = 16

    /// What was last found to be durable, by replica.
    private struct Known: Sendable {
        var life = -1
        var term = Term.zero
        var promise = Duration.zero
    }

    private var known: [ReplicaID: Known] = [:]
    private var acknowledgements = 0

    /// Whether this term, told in this life, must be looked up.
    package mutating func isNews(_ term: Term, of replica: ReplicaID, life: Int) -> Bool {
        let state = current(replica, life)
        if term > state.term { known[replica]?.term = term }
        return term > state.term
    }

    package mutating func isNews(promise: Duration, of replica: ReplicaID, life: Int) -> Bool {
        let state = current(replica, life)
        known[replica]?.promise = promise
        return promise != state.promise
    }

    package mutating func wantsLook() -> Bool {
        acknowledgements += 1
        return acknowledgements.isMultiple(of: Self.acknowledgementsPerLook)
    }

    private mutating func current(_ replica: ReplicaID, _ life: Int) -> Known {
        if let state = known[replica], state.life == life { return state }
        known[replica] = Known(life: life)
        return Known(life: life)
    }

    // MARK: Verdicts

    /// - Parameters:
    ///   - vote: for whom, if the message tells a vote.
    ///   - slots: what is durable.
    ///   - needed: both, or one of a disk on which something else may have harmed the other.
    package static func judge(
        term: Term, vote: ReplicaID?, of replica: ReplicaID, slots: [HardState?], needed: Int
    ) -> String? {
        let good = slots.count { slot in
            guard let slot, slot.term >= term else { return false }
            return slot.term > term || vote == nil || slot.votedFor == vote
        }
        guard good < needed else { return nil }
        let what = vote.map { "its vote for \($0)" } ?? "term"
        return "durability: \(replica) tells \(what) of \(term), and \(good) of two slots hold it"
    }

    package static func judge(_ position: LogPosition, of replica: ReplicaID, on disk: WALRecovery?) -> String? {
        guard let disk else { return "durability: \(replica) acknowledges \(position) with a disk that has no log" }
        if let snapshot = disk.snapshot, snapshot.position.index >= position.index { return nil }
        let place = position.index - disk.base.index - 1
        if disk.entries.indices.contains(place), disk.entries[place].term == position.term { return nil }
        return "durability: \(replica) acknowledges \(position), and its disk ends at \(disk.log.lastPosition)"
    }

    /// - Parameter setting: the election timeout where the log states none.
    package static func judge(
        promise: Duration, of replica: ReplicaID, on disk: WALRecovery?, genesis setting: Duration
    ) -> String? {
        let stated = disk?.entries.last { $0.kind == .configuration }.flatMap { try? Configuration.decode($0.payload) }
        let timeouts = stated.map(\.timeouts) ?? disk?.snapshot?.metadata.configuration.timeouts
        let durable = timeouts?.patience ?? setting
        guard promise > durable else { return nil }
        return "durability: \(replica) promises \(promise), and after a crash would keep it for \(durable)"
    }
}
