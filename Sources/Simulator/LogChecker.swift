import NodeCore
import Primitives
import Raft

/// Holds the logs of all nodes against each other.
///
/// - *Log matching* (Raft §5.3): entries of one index and term are the same entry, and so is all that precedes them. Each
///   entry is remembered with its predecessor's term, so that equal links make equal chains.
/// - *State machine safety* (§5.4.3): what one node knows to be committed at an index, no node knows otherwise.
/// - *Leader completeness* (§5.4.3): who leads a term holds everything that was committed in the terms before. What was
///   committed in a later one need not be there: a candidate that was stopped counts its votes when it wakes up, and
///   leads a term that others have left behind.
///
/// Looks only at what is new: a log that still ends its known part with the same term has not changed below.
package struct LogChecker: Sendable {
    private struct Link: Hashable, Sendable {
        let previous: Term
        let digest: UInt64
    }

    private struct Seen: Sendable {
        var last = LogPosition.zero
        var commit = LogIndex.zero
    }

    private var links: [LogPosition: Link] = [:]
    private var committed: [LogIndex: Term] = [:]
    /// How far the log was committed by the end of each term that committed something; ascending.
    private var commits: [(through: LogIndex, term: Term)] = []
    private var seen: [Seen]

    package init(nodes: Int) { seen = Array(repeating: Seen(), count: nodes) }

    /// The greatest index that anyone knew to be committed.
    package var committedThrough: LogIndex { commits.last?.through ?? .zero }

    /// A node knows, in this term, that everything through `index` is committed; the first to know is who committed it.
    /// False if that is no news.
    package mutating func noteCommitted(through index: LogIndex, in term: Term) -> Bool {
        guard index > committedThrough else { return false }
        if commits.last?.term == term { commits.removeLast() }
        commits.append((index, term))
        return true
    }

    /// Looks at what is new in a node's log. Returns what is wrong, or nil.
    package mutating func look(at log: RaftLog, commit: LogIndex, of node: Int) -> String? {
        var found: String?
        var index = seen[node].last.index
        if log.term(at: index) != seen[node].last.term { index = min(log.lastIndex, seen[node].commit) }
        index = max(index, log.base.index)
        while index < log.lastIndex {
            index = index.next
            let entry = log[index]
            let position = LogPosition(index: index, term: entry.term)
            let link = Link(previous: log.term(at: index.previous) ?? .zero, digest: Self.digest(entry))
            if let other = links.updateValue(link, forKey: position), other != link {
                found = "log matching: n\(node + 1) holds another entry at \(position), or after another one"
            }
            if entry.kind == .configuration {
                found = found ?? ConfigurationChecker.judge(entryAt: index, in: log, committed: committedThrough)
            }
        }
        seen[node].last = log.lastPosition
        // A node that was started anew learns its commit index anew.
        index = max(min(seen[node].commit, commit), log.base.index)
        while index < commit {
            index = index.next
            guard let term = log.term(at: index) else { continue }
            if let other = committed.updateValue(term, forKey: index), other != term {
                found =
                    "state machine safety: index \(index) is committed with terms \(other) and \(term) (n\(node + 1))"
            }
        }
        seen[node].commit = commit
        return found
    }

    /// Who does not lead hands on what is committed, and nothing else (`ObserverTree`).
    package func judge(handedOn fetched: RaftMessage.Fetched, by replica: ReplicaID) -> String? {
        let last = max(fetched.commitIndex, fetched.previous.index + fetched.entries.count)
        guard last > committedThrough else { return nil }
        return "hearsay: \(replica) hands on \(last), and \(committedThrough) is committed"
    }

    /// Who leads `term` lacks nothing that was committed before it.
    package func judge(leader log: RaftLog, term: Term, _ node: Int) -> String? {
        let due = commits.last { $0.term < term }?.through ?? .zero
        var index = log.base.index
        while index < due {
            index = index.next
            guard let expected = committed[index], log.term(at: index) != expected else { continue }
            return "leader completeness: n\(node + 1) leads term \(term) without the committed entry at \(index)"
        }
        return nil
    }

    private static func digest(_ entry: Entry) -> UInt64 {
        Trace.digest(entry.payload) ^ UInt64(entry.kind.rawValue)
    }
}

extension World {
    /// Compares what is new in the logs of all nodes.
    mutating func checkLogs() {
        // Moved out meanwhile: two owners of its tables would copy them.
        var checker = LogChecker(nodes: 0)
        swap(&checker, &logs)
        for node in nodes.indices {
            let found = nodes[node].read { brain in
                checker.look(at: brain.consensus.log, commit: brain.consensus.commitIndex, of: node)
                    ?? ConfigurationChecker.judge(inForce: brain.consensus)
            }
            if let found = found ?? nil { report(found) }
        }
        swap(&checker, &logs)
        checkBeliefs()
    }

    mutating func checkLeader(_ node: Int) {
        checkLogs()
        judgeLeader(node)
    }

    /// In a term before those of leaders that are already there, what they must hold has grown.
    mutating func noteCommitted(through index: LogIndex, in term: Term) {
        guard logs.noteCommitted(through: index, in: term) else { return }
        let later = nodes.indices.filter { nodes[$0].ledTerm ?? .zero > term }
        guard !later.isEmpty else { return }
        checkLogs()
        for node in later { judgeLeader(node) }
    }

    private mutating func judgeLeader(_ node: Int) {
        let checker = logs
        let found = nodes[node].read { brain in
            checker.judge(leader: brain.consensus.log, term: brain.consensus.term, node)
        }
        if let found = found ?? nil { report(found) }
    }
}
