import Authority
import NodeCore
import Primitives
import Raft

/// Looks at every node of the world at once, and says what no node may ever see broken.
package struct Checkers: Sendable {
    /// Election safety (Raft §5.2): who led each term.
    private var leaders: [Term: Int] = [:]
    /// State machine safety (Raft §5.4.3): what was applied at each index, by its first applier; nil where nobody said.
    private var applied: [AuthorityReply?] = []
    /// Sessions whose grant was answered: they must stay until someone ends them.
    package private(set) var granted: [SessionID: LogIndex] = [:]
    /// Sessions whose end was answered: they must never come back.
    package private(set) var ended: [SessionID: LogIndex] = [:]

    package init() {}

    /// The node that led this term, as far as it is known.
    func leader(of term: Term) -> Int? { leaders[term] }

    /// Returns what is wrong, or nil.
    package mutating func observe(_ event: NodeEvent, of node: Int) -> String? {
        switch event {
        case .roleChanged(.leader, let term, _):
            guard let other = leaders.updateValue(node, forKey: term), other != node else { return nil }
            return "election safety: n\(other + 1) and n\(node + 1) both led term \(term)"
        case .applied(let index, let reply):
            let place = Int(index.value)
            while applied.count <= place { applied.append(nil) }
            guard let first = applied[place] else {
                applied[place] = reply
                return nil
            }
            guard first != reply else { return nil }
            return "state machine safety: index \(index) gave \(first), and \(reply) on n\(node + 1)"
        case .roleChanged, .memberChanged, .halted, .installed, .snapshotRefused, .diskFull: return nil
        }
    }

    /// Someone is about to end this session, and may never learn whether that worked: from now on nothing is promised.
    package mutating func noteDoubtful(_ id: SessionID) { granted[id] = nil }
    package mutating func noteGranted(_ id: SessionID, at index: LogIndex) { granted[id] = index }
    package mutating func noteEnded(_ id: SessionID, at index: LogIndex) {
        granted[id] = nil
        ended[id] = index
    }

    /// Every session that was answered for is where it should be, on every node that has applied that far.
    package func sessionViolations(in world: World) -> [String] {
        var found: [String] = []
        for node in 0..<world.nodeCount {
            guard let authority = world.brain(of: node)?.authority else { continue }
            for (id, index) in granted where index <= authority.appliedIndex && authority.sessions[id] == nil {
                found.append("\(world.name(of: node)) lost session \(id)")
            }
            for (id, index) in ended where index <= authority.appliedIndex && authority.sessions[id] != nil {
                found.append("\(world.name(of: node)) revived session \(id)")
            }
        }
        return found.sorted()
    }

    /// Nodes that have applied equally far hold equal state. Returns what is wrong, or nil.
    package static func divergence(among states: [(name: String, state: AuthorityState)]) -> String? {
        var digests: [LogIndex: (name: String, digest: UInt64)] = [:]
        for (name, state) in states {
            let digest = state.digest()
            if let other = digests[state.appliedIndex], other.digest != digest {
                return "\(name) and \(other.name) differ at \(state.appliedIndex)"
            }
            digests[state.appliedIndex] = (name, digest)
        }
        return nil
    }
}
