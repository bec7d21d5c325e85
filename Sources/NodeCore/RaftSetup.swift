import Primitives
import Raft

extension RaftConfig {
    /// Consensus parameters for a roster: ranks become priorities.
    package static func make(
        roster: Roster, electionTimeout: Duration, heartbeatInterval: Duration
    ) -> RaftConfig {
        var config = RaftConfig(electionTimeout: electionTimeout)
        config.heartbeatInterval = heartbeatInterval
        for entry in roster.entries { config.priorities[entry.replica] = entry.rank }
        return config
    }
}

extension RecoveredLog {
    /// What consensus needs to know of a recovered disk. A damaged log must not get here: the runtime refuses to start.
    package init(_ recovery: WALRecovery) {
        var doubtfulTail: LogPosition?
        if case .doubtful(let doubt) = recovery.verdict { doubtfulTail = doubt.last }
        self.init(hardState: recovery.hardState, entries: recovery.entries, doubtfulTail: doubtfulTail)
    }
}
