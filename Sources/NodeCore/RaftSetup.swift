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
    /// What consensus needs to know of a recovered disk.
    package init(_ recovery: WALRecovery) {
        self.init(
            hardState: recovery.hardState, snapshot: recovery.snapshot?.metadata, base: recovery.base,
            entries: recovery.entries, doubtfulTail: recovery.doubt?.last,
            isFaulty: recovery.doubt?.kind == .faulty)
    }
}
