import Primitives

/// The parameters of one replica's consensus. All voters must use the same `electionTimeout`, because the lease of one
/// is the promise of the others.
package struct RaftConfig: Sendable {
    /// E. A voter refuses its vote for this long after hearing a leader, and a leader without a quorum's answers for
    /// this long steps down. At least five times the 99th percentile round trip to a quorum. Lower: faster failover,
    /// more false elections on a loaded machine. Higher: the reverse.
    package var electionTimeout: Duration
    /// Upper bound of the random part of an election timeout (Raft §5.2). Default E/2. Lower: faster failover, more
    /// split votes.
    package var electionJitter: Duration
    /// Extra election timeout for each distinct higher priority among the voters. Default E/4. It orders candidates;
    /// it never makes anyone refuse a vote.
    package var rankDelay: Duration
    /// Time between two rounds of heartbeats. Default E/5; the lease needs it well below 0.8 E. Lower: earlier
    /// detection of loss, fresher followers, more idle traffic.
    package var heartbeatInterval: Duration
    /// A leader steps down, and nobody campaigns, while a write has been outstanding for this long. Default 1 s:
    /// ordinary fsyncs take up to tens of milliseconds. Lower: a busy disk dethrones its leader.
    package var diskHangLimit: Duration
    /// A full disk is tried again after this long. Default 1 s.
    package var diskRetryInterval: Duration
    /// Payload bytes of entries in one append message; one entry is sent even if it is larger. Default 64 KiB.
    /// Higher: faster catch-up, longer blocking of a link.
    package var maxEntriesBytesPerAppend: Int
    /// Append messages to one follower that may be unacknowledged. Default 8. When all are out, later proposals
    /// gather into the next message, so this also sets how eagerly a loaded leader batches.
    package var maxAppendsInFlight: Int
    /// How long an unacknowledged append is waited for before it is sent again. Default E/2. Lower: quicker recovery
    /// from loss, more repeats when a follower's disk is slow.
    package var appendRetryInterval: Duration
    /// Bytes of appended but uncommitted entries, payloads plus a fixed overhead each, beyond which proposals are
    /// refused as `full`. Default 16 MiB.
    package var maxUncommittedBytes: Int
    /// Reads that may wait at one replica for confirmation; further ones fail at once. Default 65,536.
    package var maxPendingReads: Int
    /// How long a follower waits for the leader's answer to a read before failing it. Default 2 E.
    package var readTimeout: Duration
    /// A snapshot is due after so many applied entries, or so many bytes of them, since the last one; and never before
    /// as many bytes as that one had, so that snapshots cost no more than the log does. Defaults 32,768 and 8 MiB.
    /// Lower: shorter recovery, less memory, more work. The disk holds about twice as much.
    package var snapshotAfterEntries: Int
    package var snapshotAfterBytes: Int
    /// Entries, and bytes of them, that stay in memory before a snapshot for followers that lag a little. Defaults
    /// 4,096 and 4 MiB. Higher: fewer followers need the whole snapshot.
    package var keptEntries: Int
    package var keptBytes: Int
    /// Bytes in one piece of a snapshot that is sent, and in one slice of it that is written. Default 128 KiB. Higher:
    /// faster over long distances, longer waits for what goes the same way.
    package var snapshotChunkBytes: Int
    /// A follower that accepts nothing of a snapshot for this long gives up its claim on it and on the entries after
    /// it. Default 20 E.
    package var snapshotStallLimit: Duration
    /// Preferred leaders: a voter with a greater number takes over from one with a smaller number once it is ready.
    /// Voters that are not named have 0.
    package var priorities: [ReplicaID: Int]
    /// Since when each replica runs, in log time, as far as known: among equals the one that has been up for longest
    /// campaigns first. It starts no hand-over.
    package var bootedAt: [ReplicaID: LogTime]
    /// How long a preferred voter must have been caught up and well connected before the leader hands over.
    /// Default 3 s. Lower: quicker return to the preferred leader, more transfers when it flaps.
    package var transferStability: Duration
    /// Shortest time between two attempts to hand over. Default 10 s.
    package var transferCooldown: Duration

    /// Defaults derived from E.
    package init(electionTimeout: Duration = .milliseconds(500)) {
        self.electionTimeout = electionTimeout
        electionJitter = electionTimeout / 2
        rankDelay = electionTimeout / 4
        heartbeatInterval = electionTimeout / 5
        diskHangLimit = .seconds(1)
        maxEntriesBytesPerAppend = 64 << 10
        maxAppendsInFlight = 8
        appendRetryInterval = electionTimeout / 2
        maxUncommittedBytes = 16 << 20
        maxPendingReads = 65_536
        readTimeout = electionTimeout * 2
        diskRetryInterval = .seconds(1)
        snapshotAfterEntries = 32_768
        snapshotAfterBytes = 8 << 20
        keptEntries = 4_096
        keptBytes = 4 << 20
        snapshotChunkBytes = 128 << 10
        snapshotStallLimit = electionTimeout * 20
        priorities = [:]
        bootedAt = [:]
        transferStability = .seconds(3)
        transferCooldown = .seconds(10)
    }

    /// While E changes, what leaders measure their lease by: never above any voter's `electionTimeout`. Otherwise E.
    package private(set) var leaseTimeout: Duration?

    /// What those who confirm a lease must withhold their votes for.
    package var leasePromise: Duration { leaseTimeout ?? electionTimeout }

    package var leaseDuration: Duration { Self.lease(backedBy: leasePromise) }

    /// How long a lease lasts from the send time of a round whose answers promise to withhold the vote for so long:
    /// four fifths of it, which is over before the promises are for clocks whose rates differ by up to 10% either way
    /// (0.8/0.9 < 1/1.1).
    package static func lease(backedBy promise: Duration) -> Duration {
        .nanoseconds(promise.inNanoseconds / 1000 * 800)
    }

    /// The same settings under the election timeouts that the log states: what depends on E keeps its proportion.
    package func agreeing(with timeouts: ElectionTimeouts?) -> RaftConfig {
        guard let timeouts else { return self }
        var agreed = self
        let scale = { (span: Duration, timeout: Duration) in
            let perMille = span.inNanoseconds * 1000 / electionTimeout.inNanoseconds
            return Duration.nanoseconds(perMille * timeout.inNanoseconds / 1000)
        }
        agreed.electionTimeout = timeouts.patience
        agreed.leaseTimeout = timeouts.lease
        agreed.electionJitter = scale(electionJitter, timeouts.patience)
        agreed.rankDelay = scale(rankDelay, timeouts.patience)
        agreed.heartbeatInterval = scale(heartbeatInterval, timeouts.lease)
        agreed.appendRetryInterval = scale(appendRetryInterval, timeouts.patience)
        agreed.readTimeout = scale(readTimeout, timeouts.patience)
        return agreed
    }

    /// Extra election timeout of a voter among those of its own priority: less in all than one rank makes, a step for each
    /// that has been up for longer, or as long with a smaller id. Who is not known to be up at all comes last.
    package func seniorityDelay(of replica: ReplicaID, among voters: [ReplicaID]) -> Duration {
        guard !bootedAt.isEmpty else { return .zero }
        let seniority = { (other: ReplicaID) in (bootedAt[other]?.milliseconds ?? .max, other) }
        let equals = voters.filter { priority(of: $0) == priority(of: replica) }
        let elders = equals.count { seniority($0) < seniority(replica) }
        return rankDelay * elders / max(1, equals.count)
    }

    package func priority(of replica: ReplicaID) -> Int { priorities[replica] ?? 0 }

    /// Traps on values with which consensus would be unsafe or could not make progress.
    package func validate() {
        precondition(electionTimeout > .zero, "election timeout \(electionTimeout) must be positive")
        precondition(
            heartbeatInterval > .zero && heartbeatInterval < leaseDuration,
            "heartbeat interval \(heartbeatInterval) must be positive and below the lease \(leaseDuration)")
        precondition(electionJitter >= .zero && rankDelay >= .zero, "negative election delay")
        precondition(diskHangLimit > .zero, "disk hang limit \(diskHangLimit) must be positive")
        precondition(
            maxEntriesBytesPerAppend > 0 && maxAppendsInFlight > 0 && maxUncommittedBytes > 0 && maxPendingReads > 0,
            "a limit of zero would stop replication")
        precondition(
            snapshotAfterEntries > 0 && snapshotAfterBytes > 0 && keptEntries >= 0 && keptBytes >= 0,
            "snapshots after \(snapshotAfterEntries) entries or \(snapshotAfterBytes) bytes would never end")
        precondition(
            (1...RaftMessage.snapshotChunkBytesMax).contains(snapshotChunkBytes) && snapshotStallLimit > .zero,
            "pieces of \(snapshotChunkBytes) bytes cannot be sent")
    }
}
