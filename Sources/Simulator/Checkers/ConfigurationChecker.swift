import Primitives
import Raft

/// Holds each configuration in a log against the one before it (Raft §6, thesis §4.3).
///
/// - *Through a joint one*: voters change only into a joint configuration that keeps the old ones, and from it into what
///   it announced.
/// - *One at a time*: none is appended before the last one is committed.
/// - *In force is what the log says*: also after the log was cut off.
package enum ConfigurationChecker {
    /// - Parameter committed: the greatest index that anyone knows to be committed.
    package static func judge(entryAt index: LogIndex, in log: RaftLog, committed: LogIndex) -> String? {
        guard let next = try? Configuration.decode(log[index].payload) else {
            return "configuration: entry \(index) is none"
        }
        guard let before = previous(of: index, in: log), let former = try? Configuration.decode(log[before].payload)
        else { return nil }
        if before > committed { return "configuration: \(index) changes what \(before) says, which is not committed" }
        let isSame = next.voters == former.voters && next.outgoing == former.outgoing
        let isEntered = !former.isJoint && next.outgoing == former.voters
        let isLeft = former.isJoint && !next.isJoint && next.voters == former.voters
        if isSame || isEntered || isLeft { return nil }
        return "configuration: the voters at \(index) do not follow from those at \(before)"
    }

    package static func judge(inForce consensus: borrowing Consensus) -> String? {
        guard !consensus.holdsConfiguration else { return nil }
        return
            "configuration: \(consensus.replica) goes by \(consensus.configurationIndex), which its log does not hold"
    }

    private static func previous(of index: LogIndex, in log: RaftLog) -> LogIndex? {
        var before = index.previous
        while before > log.base.index {
            if log[before].kind == .configuration { return before }
            before = before.previous
        }
        return nil
    }
}
