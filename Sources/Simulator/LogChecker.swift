import NodeCore
import Primitives
import Raft

/// Holds the logs of all nodes against each other.
///
/// - *Log matching* (Raft §5.3): entries of one index and term are the same entry, and so is all that precedes them. Each
///   entry is remembered with its predecessor's term, so that equal links make equal chains.
/// - *State machine safety* (§5.4.3): what one node knows to be committed at an index, no node knows otherwise.
/// - *Leader completeness* (§5.4.3): who begins to lead holds everything that anyone knew to be committed.
///
/// Looks only at what is new: a log that still ends its known part with the same term has not changed below.
struct LogChecker: Sendable {
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
    private var committedThrough = LogIndex.zero
    private var seen: [Seen]

    init(nodes: Int) { seen = Array(repeating: Seen(), count: nodes) }

    /// Looks at what is new in a node's log. Returns what is wrong, or nil.
    /// - Parameter known: the greatest index that anyone knows to be committed.
    mutating func look(at consensus: borrowing Consensus, of node: Int, known: LogIndex) -> String? {
        let log = consensus.log
        let commit = consensus.commitIndex
        var found = ConfigurationChecker.judge(inForce: consensus)
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
                found = found ?? ConfigurationChecker.judge(entryAt: index, in: log, committed: known)
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
        committedThrough = max(committedThrough, commit)
        return found
    }

    /// Who begins to lead lacks nothing that is committed.
    func judge(leader consensus: borrowing Consensus, _ node: Int) -> String? {
        var index = consensus.log.base.index
        while index < committedThrough {
            index = index.next
            guard let term = committed[index], consensus.log.term(at: index) != term else { continue }
            return
                "leader completeness: n\(node + 1) leads term \(consensus.term) without the committed entry at \(index)"
        }
        return nil
    }

    private static func digest(_ entry: Entry) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(entry.kind.rawValue)
        for byte in entry.payload { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}

extension World {
    /// Compares what is new in the logs of all nodes.
    mutating func checkLogs() {
        // Moved out meanwhile: two owners of its tables would copy them.
        var checker = LogChecker(nodes: 0)
        swap(&checker, &logs)
        let known = committedThrough
        for node in nodes.indices {
            let found = nodes[node].read { checker.look(at: $0.consensus, of: node, known: known) }
            if let found = found ?? nil { report(found) }
        }
        swap(&checker, &logs)
        checkBeliefs()
    }

    mutating func checkLeader(_ node: Int) {
        checkLogs()
        let checker = logs
        if let found = nodes[node].read({ checker.judge(leader: $0.consensus, node) }) ?? nil { report(found) }
    }
}
