import NodeCore
import Primitives

/// Holds each linearizable read against what was known when it was asked for (thesis §6.4): it must see everything that
/// any node then knew to be committed, be confirmed by a round sent after it, and not be answered before the node has
/// applied what it names.
package struct ReadChecker: Sendable {
    private struct Asked: Sendable {
        let at: Instant
        let committed: LogIndex
    }

    private var asked: [RequestID: Asked] = [:]
    /// The latest moment of which it is certain that whoever led then was the leader.
    private var provenAt = Instant.zero

    package init() {}

    package mutating func noteAsked(_ request: RequestID, at now: Instant, committed: LogIndex) {
        asked[request] = Asked(at: now, committed: committed)
    }

    package mutating func noteProven(_ moment: Instant) { provenAt = max(provenAt, moment) }

    /// - Parameter seesRounds: frames are clear, so that rounds were overheard.
    package mutating func judge(
        _ request: RequestID, answered index: LogIndex, applied: LogIndex, seesRounds: Bool
    ) -> String? {
        guard let question = asked.removeValue(forKey: request) else { return nil }
        if index < question.committed {
            return "stale read: \(question.committed) was committed when it was asked for, and it sees \(index)"
        }
        if applied < index { return "stale read: it sees \(index), and only \(applied) is applied" }
        if seesRounds, provenAt < question.at {
            return "unconfirmed read: no round of a majority was sent since \(question.at)"
        }
        return nil
    }

    package mutating func forget(_ request: RequestID) { asked[request] = nil }
}
