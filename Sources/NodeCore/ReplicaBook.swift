import Primitives
import Raft

/// Which node each replica belongs to.
///
/// The binding that counts is the log's: a replica votes for whom the configuration binds it to. The roster binds the
/// first replicas, and a replica that neither names (a leader or a voter whose admission has not arrived here) is
/// remembered with the node that spoke for it, so that it can be answered; consensus decides whether it is listened to.
struct ReplicaBook: Sendable {
    private var roster: Roster
    private var bindings: [Configuration.Binding] = []
    /// By place in the roster: the last replica that is bound nowhere and spoke through this node.
    private var strangers: [ReplicaID?]

    init(roster: Roster) {
        self.roster = roster
        strangers = Array(repeating: nil, count: roster.entries.count)
    }

    mutating func adopt(_ roster: Roster) {
        strangers += Array(repeating: nil, count: roster.entries.count - self.roster.entries.count)
        for place in roster.entries.indices where roster.entries[place].isRevoked { strangers[place] = nil }
        self.roster = roster
    }

    mutating func adopt(_ configuration: Configuration) { bindings = configuration.bindings }

    func node(of replica: ReplicaID) -> NodeID? {
        if let bound = boundNode(of: replica) { return bound }
        return strangers.firstIndex(of: replica).map { roster.entries[$0].node }
    }

    /// Whether the node at `place` may speak for `replica`; if nobody else is known to, it is remembered.
    mutating func accepts(_ replica: ReplicaID, from place: Int) -> Bool {
        if let bound = boundNode(of: replica) { return bound == roster.entries[place].node }
        strangers[place] = replica
        return true
    }

    private func boundNode(of replica: ReplicaID) -> NodeID? {
        for binding in bindings where binding.replica == replica { return binding.node }
        return roster.entry(of: replica)?.node
    }
}
