import Primitives
import Raft

/// The laws that no schedule may break (Raft figure 3), plus those of leases, reads, log time and freshness.
struct ClusterChecker {
    private(set) var violations: [String] = []
    /// Every entry that any replica applied, in order, and when it first was.
    private(set) var committed: [Entry] = []
    private var committedAt: [Instant] = []
    /// The term of whoever applied it first: the term in which it was committed, or a later one.
    private var committedBy: [Term] = []
    private var leaders: [Term: ReplicaID] = [:]
    private var steps = 0
    private var states: [LogIndex: AppliedState] = [:]

    private mutating func report(_ text: String, in cluster: ConsensusCluster? = nil) {
        if violations.count < 10 { violations.append(cluster.map { "\($0.now): \(text)" } ?? text) }
    }

    mutating func check(_ cluster: ConsensusCluster, moved place: Int) {
        steps += 1
        if let core = cluster.nodes[place].core {
            if core.role == .leader { checkLeader(core, in: cluster) }
            checkFreshness(core, at: place, in: cluster)
        }
        let holders = (0..<cluster.count).filter { cluster.holdsLease($0) }
        if holders.count > 1 { report("leases held at once by \(holders)", in: cluster) }
        if steps % 64 == 0 { checkLogMatching(cluster) }
    }

    private mutating func checkLeader(_ core: Consensus, in cluster: ConsensusCluster) {
        if let known = leaders[core.term] {
            if known != core.replica {
                report("term \(core.term) has leaders \(known) and \(core.replica)", in: cluster)
            }
            return
        }
        leaders[core.term] = core.replica
        for (entry, by) in zip(committed, committedBy)
        where by < core.term && entry.index > core.log.base.index && core.log.term(at: entry.index) != entry.term {
            let lost = LogPosition(index: entry.index, term: entry.term)
            report("leader \(core.replica) of term \(core.term) lacks committed \(lost)", in: cluster)
            return
        }
    }

    /// State machine safety, durability of what is committed, and ascending log time.
    mutating func noteApplied(_ entries: [Entry], by committer: Consensus, in cluster: ConsensusCluster) {
        let term = committer.term
        for entry in entries {
            let position = Int(entry.index.value) - 1
            if position < committed.count {
                if committed[position] != entry {
                    report("index \(entry.index) was applied as two entries", in: cluster)
                }
                continue
            }
            if position > committed.count { report("applied \(entry.index) after \(committed.count)", in: cluster) }
            if let last = committed.last, entry.time < last.time {
                report("log time went back at \(entry.index)", in: cluster)
            }
            let holders = cluster.nodes.filter { $0.disk.holds(entry) || $0.lost.contains(entry) }
            // The first to apply is the leader that committed, at the moment it does.
            if !committer.configuration.isQuorum(holders.map(\.id)) {
                report("\(entry.index)@\(entry.term) committed on \(holders.count) disks", in: cluster)
            }
            committed.append(entry)
            committedAt.append(cluster.now)
            committedBy.append(term)
        }
    }

    /// Replicas that applied equally far are in equal states, also those that were sent one.
    mutating func noteState(_ state: AppliedState, of place: Int) {
        guard let other = states.updateValue(state, forKey: state.index), other != state else { return }
        report("replica \(place) is in another state at \(state.index)")
    }

    mutating func noteRead(_ record: ConsensusCluster.ReadRecord, index: LogIndex, at core: Consensus) {
        if index.value < UInt64(record.floor) { report("stale read: \(index) though \(record.floor) were committed") }
        if core.appliedIndex < index { report("read of \(index) answered at \(core.appliedIndex)") }
    }

    mutating func checkCoding(_ message: RaftMessage) {
        let decoded = try? RaftMessage.decode(RaftMessage.encode(message))
        if decoded != message { report("\(message) does not survive its encoding") }
    }

    /// Everything committed before `confirmedAt` is within `confirmedIndex`.
    private mutating func checkFreshness(_ core: Consensus, at place: Int, in cluster: ConsensusCluster) {
        guard let confirmedAt = core.freshness.confirmedAt else { return }
        let age = (cluster.localTime(place) - confirmedAt).inNanoseconds / cluster.nodes[place].ratePerMille * 1000
        let moment = cluster.now - .nanoseconds(age + 1000)
        let index = Int(core.freshness.confirmedIndex.value)
        if index < committed.count, committedAt[index] < moment {
            report("\(core.replica) takes \(index) for fresh at \(moment)", in: cluster)
        }
    }

    /// If two logs share index and term, they are equal up to there.
    mutating func checkLogMatching(_ cluster: ConsensusCluster) {
        let logs = cluster.nodes.compactMap { $0.core?.log }
        for (position, a) in logs.enumerated() {
            for b in logs.dropFirst(position + 1) {
                var index = min(a.lastIndex, b.lastIndex)
                let base = max(a.base.index, b.base.index)
                while index > base, a.term(at: index) != b.term(at: index) { index = index.previous }
                if index > base, a.entries(after: base, through: index) != b.entries(after: base, through: index) {
                    report("logs differ below a shared entry \(index)", in: cluster)
                }
            }
        }
    }
}
